"""Makes tests/golden/networks/*.json: outputs of small networks of diffusers and transformers on hash-made weights and
inputs, in f64. Run by hand: needs torch, diffusers, transformers."""
import json
import math
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "networks"


def u(name, n):
    h = 2166136261
    for byte in name.encode():
        h = ((h ^ byte) * 16777619) % 2**32
    x = (h + np.arange(n, dtype=np.uint64) * 2654435761) % 2**32
    x = x.astype(np.uint32)
    x ^= x >> 16
    x *= np.uint32(0x7FEB352D)
    x ^= x >> 15
    x *= np.uint32(0x846CA68B)
    x ^= x >> 16
    return 2 * (x.astype(np.float64) / 2**32) - 1


def fill(model, rename=lambda name: name):
    for name, p in model.named_parameters():
        v = u(rename(name), p.numel())
        if p.dim() >= 2:
            v *= math.sqrt(3 / np.prod(p.shape[1:]))
        else:
            v = 1 + 0.1 * v if name.endswith("weight") else 0.1 * v
        p.data = torch.from_numpy(v.astype(np.float32).astype(np.float64).reshape(p.shape))
    return model.double().eval()


def given(name, *shape):
    return torch.from_numpy((math.sqrt(3) * u(name, math.prod(shape))).astype(np.float32).astype(np.float64).reshape(shape))


def row(t):
    v = t.detach().double().numpy().ravel()
    return {"l2": float(np.linalg.norm(v)), "mean": float(v.mean()), "first": v[:8].tolist(), "last": v[-4:].tolist()}


UNETS = {
    "sd15-like": dict(sample_size=8, block_out_channels=[32, 64], layers_per_block=1, norm_num_groups=8,
                      down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
                      up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"], cross_attention_dim=32, attention_head_dim=4),
    "linear-projection-list-heads": dict(sample_size=8, block_out_channels=[16, 32, 48], layers_per_block=2,
                                         norm_num_groups=8, use_linear_projection=True,
                                         down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
                                         up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
                                         cross_attention_dim=24, attention_head_dim=[2, 4, 6]),
}
SIZES = {"sd15-like": (8, 8), "linear-projection-list-heads": (5, 7)}
VAE = dict(block_out_channels=[16, 16, 32], layers_per_block=1, norm_num_groups=8, latent_channels=4,
           down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3, sample_size=32)
CLIP = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, vocab_size=50,
            max_position_embeddings=12, hidden_act="quick_gelu", eos_token_id=49, bos_token_id=48)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    result = {"unet": [], "vae": {}, "clip": {}}
    for name, config in UNETS.items():
        model = fill(UNet2DConditionModel(**config))
        height, width = SIZES[name]
        x = given("input.sample", 2, 4, height, width)
        c = given("input.context", 2, 7, config["cross_attention_dim"])
        y = model(x, torch.tensor([3, 981]), c).sample
        result["unet"].append({"name": name, "config": {"_class_name": "UNet2DConditionModel", **config},
                               "height": height, "width": width, "out": row(y)})
    vae = fill(AutoencoderKL(**VAE))
    image = given("input.image", 1, 3, 32, 24).clamp(-1, 1)
    moments = vae.encode(image).latent_dist
    latent = given("input.latent", 1, 4, 8, 6)
    result["vae"] = {"config": {"_class_name": "AutoencoderKL", **VAE}, "mean": row(moments.mean),
                     "logvar": row(moments.logvar), "decoded": row(vae.decode(latent).sample)}
    clip = CLIPTextModel(CLIPTextConfig(**CLIP))
    clip = fill(clip, lambda n: n if n.startswith("text_model.") else "text_model." + n)
    ids = [48, 3, 17, 17, 49, 49, 49, 49, 49, 49, 49, 49]
    hidden = clip(torch.tensor([ids])).last_hidden_state
    result["clip"] = {"config": {"model_type": "clip_text_model", **CLIP}, "ids": ids, "out": row(hidden)}
    (OUT / "small.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
