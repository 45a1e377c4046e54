"""Makes tests/golden/pipeline: the configs and tokenizer of a tiny Stable Diffusion, and the images that diffusers makes with it
on hash-made weights. Run by hand: needs torch, diffusers, transformers, Pillow."""
import copy
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import (AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, PNDMScheduler,
                       StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline, UNet2DConditionModel)
from peft import LoraConfig, get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from make_network_golden import fill

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "pipeline"
PROMPT, NEGATIVE = "a portrait of a woman", "blue shirt"
WIDTH, TOKENS = 24, 16

UNET = dict(sample_size=8, in_channels=4, out_channels=4, block_out_channels=[16, 32], layers_per_block=1, norm_num_groups=8,
            down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
            cross_attention_dim=WIDTH, attention_head_dim=4)
VAE = dict(block_out_channels=[8, 16, 16], layers_per_block=1, norm_num_groups=8, latent_channels=4, sample_size=32,
           scaling_factor=0.5, down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3)
TEXT = dict(hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=TOKENS,
            vocab_size=514, hidden_act="quick_gelu", bos_token_id=512, eos_token_id=513, pad_token_id=513)
SCHEDULER = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000, set_alpha_to_one=False,
                 skip_prk_steps=True, steps_offset=1)


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def write_new_tokenizer():
    """The same tokenizer as transformers 5 writes it: tokenizer.json alone."""
    CLIPTokenizer.from_pretrained(OUT / "tokenizer").save_pretrained(OUT / "tokenizer-5")
    for path in (OUT / "tokenizer-5").iterdir():
        if path.name != "tokenizer.json":
            path.unlink()


def byte_symbols():
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def write_model():
    write(OUT / "model_index.json", {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
                                     "vae": ["diffusers", "AutoencoderKL"], "text_encoder": ["transformers", "CLIPTextModel"],
                                     "tokenizer": ["transformers", "CLIPTokenizer"], "scheduler": ["diffusers", "PNDMScheduler"]})
    write(OUT / "unet/config.json", {"_class_name": "UNet2DConditionModel", **UNET})
    write(OUT / "vae/config.json", {"_class_name": "AutoencoderKL", **VAE})
    write(OUT / "text_encoder/config.json", {"model_type": "clip_text_model", **TEXT})
    write(OUT / "scheduler/scheduler_config.json", {"_class_name": "PNDMScheduler", "clip_sample": False, **SCHEDULER})
    symbols = byte_symbols()
    words = symbols + [s + "</w>" for s in symbols] + ["<|startoftext|>", "<|endoftext|>"]
    write(OUT / "tokenizer/vocab.json", {w: i for i, w in enumerate(words)})
    (OUT / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    write(OUT / "tokenizer/tokenizer_config.json", {"model_max_length": TOKENS, "bos_token": "<|startoftext|>",
                                                    "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"})


def components():
    text = fill(CLIPTextModel(CLIPTextConfig(**TEXT)), published).float()
    return dict(vae=fill(AutoencoderKL(**VAE)).float(), unet=fill(UNet2DConditionModel(**UNET)).float(), text_encoder=text,
                tokenizer=CLIPTokenizer.from_pretrained(OUT / "tokenizer"),
                scheduler=PNDMScheduler(**SCHEDULER), safety_checker=None, feature_extractor=None)


def pictures():
    rng = np.random.default_rng(0)
    coarse = np.kron(rng.random((5, 6, 3)), np.ones((8, 8, 1)))[:37, :45]
    image = Image.fromarray((coarse * 255).astype(np.uint8))
    repaint = np.kron(rng.random((5, 6)) > 0.5, np.ones((8, 8)))[:37, :45]
    return image, Image.fromarray((repaint * 255).astype(np.uint8)).convert("RGB")


def published(name):
    """transformers 5.6 dropped `text_model.` from its own names; files have it."""
    return name if name.startswith("text_model.") else "text_model." + name


def adapt(parts):
    """A copy of the networks with a LoRA of both at half its strength; the LoRA goes to lora.safetensors."""
    adapted, tensors = {}, {}
    torch.manual_seed(0)
    for part, targets, name_of in (("unet", ["to_q", "to_v", "to_out.0", "proj_in"], str), ("text_encoder", ["q_proj", "out_proj"], published)):
        network = adapted[part] = copy.deepcopy(parts[part])
        network.add_adapter(LoraConfig(r=2, lora_alpha=2, target_modules=targets, init_lora_weights=False))
        tensors |= {f"{part}.{name_of(k)}": v.contiguous() for k, v in get_peft_model_state_dict(network).items()}
        for module in network.modules():
            if hasattr(module, "scaling"):
                module.scaling = {k: v / 2 for k, v in module.scaling.items()}
    save_file(tensors, OUT / "lora.safetensors")
    return adapted


def write_bin(text):
    """The text encoder in half precision, as torch.save writes it."""
    torch.save({published(k): v.half() for k, v in text.state_dict().items()}, OUT / "text_encoder.bin")


def main():
    torch.set_num_threads(1)
    write_model()
    write_new_tokenizer()
    parts = components()

    write_bin(parts["text_encoder"])

    def pipeline(kind, scheduler=None):
        p = kind(**{**parts, "scheduler": scheduler or PNDMScheduler(**SCHEDULER)}, requires_safety_checker=False)
        p.set_progress_bar_config(disable=True)
        return p

    def run(name, kind, scheduler=None, seed=1, index=0, **options):
        out = pipeline(kind, scheduler)(PROMPT, num_inference_steps=10, generator=torch.Generator().manual_seed(seed), **options)
        out.images[index].save(OUT / f"{name}.png")

    sd15 = {**SCHEDULER, "clip_sample": False}
    ddim = DDIMScheduler.from_config(sd15)
    text, vary, inpaint = StableDiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
    image, mask = pictures()
    image.save(OUT / "init.png")
    mask.save(OUT / "mask.png")
    run("pndm", text)
    run("ddim", text, ddim)
    run("dpmpp_2m", text, DPMSolverMultistepScheduler.from_config(sd15))
    run("euler", text, EulerDiscreteScheduler.from_config(sd15))
    run("euler_karras", text, EulerDiscreteScheduler.from_config({**sd15, "use_karras_sigmas": True}))
    run("third_of_three_negative", text, seed=2, index=2, guidance_scale=3.0, negative_prompt=NEGATIVE, num_images_per_prompt=3)
    run("unguided", text, seed=5, guidance_scale=1.0)
    run("wide", text, seed=6, width=40, height=24)
    run("vary", vary, seed=3, index=1, image=image, strength=0.6, num_images_per_prompt=2)
    run("vary_ddim", vary, ddim, seed=3, image=image, strength=0.6)
    run("repaint", inpaint, seed=4, image=image, mask_image=mask, strength=1.0)
    run("repaint_0_7", inpaint, seed=4, image=image, mask_image=mask, strength=0.7)
    parts |= adapt(parts)
    run("lora", text)


if __name__ == "__main__":
    main()
