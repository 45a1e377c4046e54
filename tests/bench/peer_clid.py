"""CLiD-th's measurement (15 predictions a sample) written in PyTorch and diffusers, for tests/bench/clid.

python tests/bench/peer_clid.py --make MODEL TOKENIZER IMAGES N    a diffusers directory of SD1.5's size with random weights; N images
python tests/bench/peer_clid.py [--threads N] [--samples N] MODEL IMAGES f32|bf16      one JSON line: seconds a sample, and the features
"""
import argparse
import itertools
import json
import time
from pathlib import Path

import torch

TIMESTEPS = (440, 450, 460)


def make_images(folder, n):
    """Half of them in seen/, half in held_out/: what they show changes no time."""
    import numpy as np
    from PIL import Image
    rng = np.random.default_rng(0)
    for half in ("seen", "held_out"):
        (folder / half).mkdir(parents=True, exist_ok=True)
        with open(folder / half / "metadata.jsonl", "w") as lines:
            for i in range(n // 2):
                coarse = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((512, 512), Image.BICUBIC).save(folder / half / f"{i:03}.png")
                lines.write(json.dumps({"file_name": f"{i:03}.png", "text": f"a portrait of a person in front of wall number {i}, {half}"}) + "\n")


def make(model, tokenizer):
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
    torch.manual_seed(0)
    words = CLIPTokenizer.from_pretrained(tokenizer)
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.eos_token_id}
    text = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
                                        projection_dim=768, max_position_embeddings=77, vocab_size=49408, **ends))
    text.save_pretrained(model / "text_encoder")
    words.model_max_length = 77
    words.save_pretrained(model / "tokenizer")
    UNet2DConditionModel(sample_size=64, cross_attention_dim=768).save_pretrained(model / "unet")
    AutoencoderKL(block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
                  layers_per_block=2, sample_size=512).save_pretrained(model / "vae")
    PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, set_alpha_to_one=False,
                  steps_offset=1).save_pretrained(model / "scheduler")
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0", "scheduler": ["diffusers", "PNDMScheduler"],
             "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
             "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (model / "model_index.json").write_text(json.dumps(index, indent=2))


def texts(caption):
    """The caption, its thirds by characters, and the null caption."""
    n = len(caption)
    a, b = n // 3, 2 * n // 3
    return [caption, caption[:a], caption[a:b], caption[b:], ""]


class Clid:
    def __init__(self, folder, dtype):
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from transformers import CLIPTextModel, CLIPTokenizer
        self.dtype = dtype
        self.vae = AutoencoderKL.from_pretrained(folder / "vae").to(memory_format=torch.channels_last)
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").to(dtype).to(memory_format=torch.channels_last)
        self.text = CLIPTextModel.from_pretrained(folder / "text_encoder")
        self.tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
        self.alpha_bar = torch.cumprod(1 - betas, 0)

    def features(self, image, caption):
        posterior = self.vae.encode(image.to(memory_format=torch.channels_last)).latent_dist
        z = self.vae.config.scaling_factor * posterior.sample()
        ids = self.tokenizer(texts(caption), padding="max_length", truncation=True, max_length=77, return_tensors="pt").input_ids
        hidden = self.text(ids)[0].to(self.dtype)
        losses = []
        for t in TIMESTEPS:
            noise = torch.randn_like(z)
            x = (self.alpha_bar[t] ** 0.5).float() * z + ((1 - self.alpha_bar[t]) ** 0.5).float() * noise
            x = x.to(self.dtype).expand(len(hidden), -1, -1, -1).contiguous(memory_format=torch.channels_last)
            eps = self.unet(x, t, hidden).sample
            losses.append(((noise - eps.float()) ** 2).mean((1, 2, 3)))
        mean = torch.stack(losses).mean(0)
        return [float(mean[0])] + [float(v - mean[0]) for v in mean[1:]]


def samples(folder):
    import numpy as np
    from PIL import Image
    for path, row in ((lines.parent, json.loads(line)) for lines in sorted(folder.glob("*/metadata.jsonl"))
                      for line in lines.read_text().splitlines()):
        pixels = np.array(Image.open(path / row["file_name"]).convert("RGB").resize((512, 512), Image.BICUBIC))
        yield torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1, row["text"]


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, help="the first N alone")
    parser.add_argument("rest", nargs="+")
    options = parser.parse_args()
    if options.make:
        model, tokenizer, images, n = options.rest
        make(Path(model), tokenizer)
        return make_images(Path(images), int(n))
    torch.set_num_threads(options.threads)
    model, images, dtype = options.rest
    start = time.perf_counter()
    clid = Clid(Path(model), {"f32": torch.float32, "bf16": torch.bfloat16}[dtype])
    loaded = time.perf_counter()
    rows, times = [], []
    for image, caption in itertools.islice(samples(Path(images)), options.samples):
        begin = time.perf_counter()
        rows.append(clid.features(image, caption))
        times.append(time.perf_counter() - begin)
    print(json.dumps({"load_s": loaded - start, "seconds": times, "features": rows, "torch": torch.__version__}))


if __name__ == "__main__":
    main()
