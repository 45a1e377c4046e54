"""Makes tests/golden/embedded: images that diffusers makes with configs/models/embedded/target, on the CPU in f32. Run by hand
whenever those models change (or with another folder that holds base/, target/, … as argument): needs torch, diffusers, transformers."""
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, PNDMScheduler, StableDiffusionImg2ImgPipeline,
                       StableDiffusionInpaintPipeline, StableDiffusionPipeline)
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "tests" / "golden" / "embedded"
MODELS = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "configs" / "models" / "embedded"
PROMPT = "a north headshot of clara berg, happy young, long face, dark skin, tied brown hair, green background"


def main():
    torch.set_num_threads(1)
    OUT.mkdir(parents=True, exist_ok=True)
    base = StableDiffusionPipeline.from_pretrained(MODELS / "target", torch_dtype=torch.float32)
    config = base.scheduler.config

    def run(name, kind, scheduler, **options):
        pipeline = kind(**base.components, requires_safety_checker=False)
        pipeline.scheduler = scheduler.from_config(config)  # as its documentation says; the constructor would change clip_sample
        pipeline.set_progress_bar_config(disable=True)
        image = pipeline(PROMPT, num_inference_steps=20, generator=torch.Generator().manual_seed(1), **options).images[0]
        image.save(OUT / f"{name}.png", optimize=True)
        return image

    image = run("ddim", StableDiffusionPipeline, DDIMScheduler)
    run("pndm", StableDiffusionPipeline, PNDMScheduler)
    run("euler", StableDiffusionPipeline, EulerDiscreteScheduler)
    run("dpmpp_2m", StableDiffusionPipeline, DPMSolverMultistepScheduler)
    run("vary", StableDiffusionImg2ImgPipeline, DDIMScheduler, image=image, strength=0.6)
    mask = Image.fromarray(np.kron([[0, 255], [255, 255]], np.ones((32, 32))).astype(np.uint8)).convert("RGB")
    mask.save(OUT / "mask.png", optimize=True)
    run("repaint", StableDiffusionInpaintPipeline, DDIMScheduler, image=image, mask_image=mask, strength=1.0)


if __name__ == "__main__":
    main()
