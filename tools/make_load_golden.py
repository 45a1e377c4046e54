#!/usr/bin/env python3
"""Makes tests/golden/load/: the keys of single-file SD1.5 checkpoints beside diffusers' names, as diffusers'
own converter maps them, and LoRA files with the weights that diffusers and PEFT merge. Run by hand."""
import os

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as sfu

out = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "load")
os.makedirs(out, exist_ok=True)

UNET = dict(sample_size=64, in_channels=4, out_channels=4, cross_attention_dim=768, attention_head_dim=8, layers_per_block=2,
            block_out_channels=(320, 640, 1280, 1280),
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3)
VAE = dict(in_channels=3, out_channels=3, latent_channels=4, block_out_channels=(128, 256, 512, 512), layers_per_block=2,
           down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4)


def both(*stems):
    return [s + e for s in stems for e in (".weight", ".bias")]


def unet_keys():
    """CompVis' UNet, written down from its module tree (ldm/modules/diffusionmodules/openaimodel.py)."""
    def res(p, skip):
        return both(*(p + s for s in (".in_layers.0", ".in_layers.2", ".emb_layers.1", ".out_layers.0", ".out_layers.3"))) + (both(p + ".skip_connection") if skip else [])

    def xf(p):
        t = p + ".transformer_blocks.0."
        k = both(p + ".norm", p + ".proj_in", p + ".proj_out", t + "norm1", t + "norm2", t + "norm3", t + "ff.net.0.proj", t + "ff.net.2", t + "attn1.to_out.0", t + "attn2.to_out.0")
        return k + [t + a + q + ".weight" for a in ("attn1.", "attn2.") for q in ("to_q", "to_k", "to_v")]

    k = both("time_embed.0", "time_embed.2", "input_blocks.0.0", "out.0", "out.2")
    block, width, widths = 1, 320, [320]
    for level, w in enumerate((320, 640, 1280, 1280)):
        for _ in range(2):
            k += res(f"input_blocks.{block}.0", width != w)
            if level < 3:
                k += xf(f"input_blocks.{block}.1")
            width, block = w, block + 1
            widths.append(width)
        if level < 3:
            k += both(f"input_blocks.{block}.0.op")
            block += 1
            widths.append(width)
    k += res("middle_block.0", False) + xf("middle_block.1") + res("middle_block.2", False)
    block = 0
    for level, w in reversed(list(enumerate((320, 640, 1280, 1280)))):
        for i in range(3):
            k += res(f"output_blocks.{block}.0", width + widths.pop() != w)
            if level < 3:
                k += xf(f"output_blocks.{block}.1")
            if level and i == 2:
                k += both(f"output_blocks.{block}.{2 if level < 3 else 1}.conv")
            width, block = w, block + 1
    return k


def vae_keys():
    def res(p, skip):
        return both(p + ".norm1", p + ".conv1", p + ".norm2", p + ".conv2") + (both(p + ".nin_shortcut") if skip else [])

    k = both("quant_conv", "post_quant_conv")
    for side in ("encoder", "decoder"):
        k += both(side + ".conv_in", side + ".conv_out", side + ".norm_out")
        k += res(side + ".mid.block_1", False) + res(side + ".mid.block_2", False)
        k += both(*(side + ".mid.attn_1." + s for s in ("norm", "q", "k", "v", "proj_out")))
    for b in range(4):
        for j in range(2):
            k += res(f"encoder.down.{b}.block.{j}", b in (1, 2) and j == 0)
        for j in range(3):
            k += res(f"decoder.up.{b}.block.{j}", b in (0, 1) and j == 0)
        if b < 3:
            k += both(f"encoder.down.{b}.downsample.conv")
        if b > 0:
            k += both(f"decoder.up.{b}.upsample.conv")
    return k


def table(keys, prefix, convert, model, config):
    tagged = {prefix + k: torch.full((1, 1, 1, 1), float(i)) for i, k in enumerate(keys)}
    names = {n: keys[int(v.reshape(-1)[0])] for n, v in convert(dict(tagged), config).items()}
    with torch.device("meta"):
        expected = set(model.from_config(config).state_dict())
    assert set(names) == expected and len(set(names.values())) == len(names) == len(keys), (len(names), len(expected), len(keys))
    return sorted((prefix + k, n) for n, k in names.items())


def compvis():
    rows = table(unet_keys(), "model.diffusion_model.", sfu.convert_ldm_unet_checkpoint, UNet2DConditionModel, dict(UNet2DConditionModel(**{**UNET, "block_out_channels": (32,) * 4}).config) | UNET)
    n_unet = len(rows)
    rows += table(vae_keys(), "first_stage_model.", sfu.convert_ldm_vae_checkpoint, AutoencoderKL, dict(AutoencoderKL(**{**VAE, "block_out_channels": (32,) * 4}).config) | VAE)
    print(n_unet, len(rows) - n_unet)
    with open(os.path.join(out, "compvis-keys.txt"), "w") as f:
        f.writelines(f"{k} {n}\n" for k, n in rows)


compvis()
