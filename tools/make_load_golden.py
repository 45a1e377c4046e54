#!/usr/bin/env python3
"""Makes tests/golden/load/: the keys of single-file SD1.5 checkpoints beside diffusers' names, as diffusers'
own converter maps them, and LoRA files with the weights that diffusers and PEFT merge. Run by hand."""
import json
import os
import warnings

import safetensors.torch
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders import single_file_utils as sfu
from diffusers.training_utils import _collate_lora_metadata
from diffusers.utils import convert_state_dict_to_diffusers
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import CLIPTextConfig, CLIPTextModel

warnings.filterwarnings("ignore")
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


# ---- LoRA ----

A = "down_blocks.0.attentions.0."
LINEARS = [A + "transformer_blocks.0." + m for m in ("attn1.to_q", "attn1.to_out.0", "attn2.to_k", "ff.net.0.proj")] + [
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_v", "up_blocks.1.attentions.2.transformer_blocks.0.attn2.to_q"]
CONVS = [A + "proj_in", "down_blocks.0.resnets.0.conv1", "up_blocks.1.resnets.0.conv_shortcut"]
COMPVIS = {A[:-1]: "input_blocks.1.1", "mid_block.attentions.0": "middle_block.1", "up_blocks.1.attentions.2": "output_blocks.5.1"}
TEXT = ["text_model.encoder.layers.0.self_attn.q_proj", "text_model.encoder.layers.0.mlp.fc1"]
MULTIPLIER = 0.75


def networks():
    torch.manual_seed(0)
    unet = UNet2DConditionModel(sample_size=8, block_out_channels=(8,) * 4, layers_per_block=2, cross_attention_dim=12, attention_head_dim=2, norm_num_groups=4)
    text = CLIPTextModel(CLIPTextConfig(vocab_size=9, hidden_size=8, intermediate_size=10, num_hidden_layers=1, num_attention_heads=2, projection_dim=8))
    return unet, text


def pick(model, modules):
    state = {k.replace(".base_layer", ""): v for k, v in model.state_dict().items()}
    if modules is TEXT and TEXT[0] + ".weight" not in state:  # newer transformers drop the outer name
        state = {"text_model." + k: v for k, v in state.items()}
    return {m + ".weight": state[m + ".weight"].detach().clone().contiguous() for m in modules}


def store(name, tensors, metadata=None):
    safetensors.torch.save_file(tensors, os.path.join(out, name), metadata or {"format": "pt"})


def merge(model):
    for m in model.modules():
        if isinstance(m, BaseTunerLayer):
            for key in m.scaling:
                m.scaling[key] *= MULTIPLIER
            m.merge()


def randomise(model):
    for k, v in model.named_parameters():
        if "lora_" in k:
            torch.nn.init.normal_(v, std=0.3)


def diffusers_merge(path, name):
    """What diffusers makes of a file, both networks, with the multiplier."""
    unet, text = networks()
    state, alphas, metadata = StableDiffusionPipeline.lora_state_dict(path, unet_config=unet.config, return_lora_metadata=True)
    StableDiffusionPipeline.load_lora_into_unet(state, alphas, unet, metadata=metadata)
    if any(k.startswith("text_encoder.") for k in state):
        StableDiffusionPipeline.load_lora_into_text_encoder(state, alphas, text, metadata=metadata)
    merge(unet), merge(text)
    merged = pick(unet, LINEARS + CONVS) | pick(text, TEXT)
    # two modules by the formula: diffusers 0.42 renames a text encoder's attention to what transformers 5 does not
    # know and drops it, and gives a module without alpha the alpha of the others, where kohya's own loader takes the rank
    raw, fresh = safetensors.torch.load_file(path), safetensors.torch.load_file(os.path.join(out, "base.safetensors"))
    for module, key in ((TEXT[0], "lora_te_" + TEXT[0]), (LINEARS[1], "lora_unet_" + LINEARS[1]), (LINEARS[1], "lora_unet_" + COMPVIS[A[:-1]] + "." + LINEARS[1][len(A):])):
        key = key.replace(".", "_")
        if key + ".lora_up.weight" in raw:
            up, down = raw[key + ".lora_up.weight"].float(), raw[key + ".lora_down.weight"].float()
            alpha = float(raw[key + ".alpha"]) if key + ".alpha" in raw else len(down)
            merged[module + ".weight"] = fresh[module + ".weight"] + MULTIPLIER * alpha / len(down) * (up @ down)
    store(f"merged-{name}.safetensors", merged)


def lora():
    unet, text = networks()
    base = pick(unet, LINEARS + CONVS) | pick(text, TEXT)
    store("base.safetensors", base)

    # written by diffusers' training script; alpha differs from the rank, which only the metadata says
    torch.manual_seed(1)
    unet.add_adapter(LoraConfig(r=4, lora_alpha=6, target_modules=LINEARS + CONVS))
    randomise(unet)
    layers = get_peft_model_state_dict(unet)
    StableDiffusionPipeline.save_lora_weights(out, unet_lora_layers=convert_state_dict_to_diffusers(layers), weight_name="diffusers.safetensors", **_collate_lora_metadata({"unet": unet}))
    # the trained network itself: diffusers 0.42 writes the attention layers as .lora.down, the others as lora_A, and
    # reads back only the latter
    merge(unet)
    store("merged-diffusers.safetensors", pick(unet, LINEARS + CONVS) | pick(text, TEXT))

    # the same layers under PEFT's names inside diffusers' file, no metadata: alpha is the rank
    store("peft-names.safetensors", {"unet." + k: v for k, v in layers.items()})
    diffusers_merge(os.path.join(out, "peft-names.safetensors"), "peft-names")

    # old attention processors: the attention layers only
    def old(k):
        head, what, side = k.replace(".0.lora_", ".lora_").rsplit(".", 3)[0:3]
        return f"unet.{head}.processor.{what}_lora.{'down' if side == 'lora_A' else 'up'}.weight"
    store("processors.safetensors", {old(k): v for k, v in layers.items() if ".attn" in k})
    diffusers_merge(os.path.join(out, "processors.safetensors"), "processors")

    # a bare PEFT adapter, rank-stabilised, with its own config
    folder = os.path.join(out, "peft")
    plain, _ = networks()
    adapted = get_peft_model(plain, LoraConfig(r=2, lora_alpha=3, use_rslora=True, target_modules=LINEARS))
    randomise(adapted)
    adapted.save_pretrained(folder)
    os.remove(os.path.join(folder, "README.md"))
    merge(adapted)
    store("merged-peft.safetensors", pick(adapted.base_model.model, LINEARS))

    # kohya: text encoder too, alpha as tensors, f16, one alpha of 0 and one missing
    torch.manual_seed(2)
    def kohya(rename):
        d = {}
        for module in LINEARS + CONVS + TEXT:
            w = base[module + ".weight"]
            conv = w.dim() == 4
            down = torch.randn(3, w.shape[1], *w.shape[2:]) * 0.3
            up = torch.randn(w.shape[0], 3, *([1, 1] if conv else [])) * 0.3
            key = ("lora_te_" if module in TEXT else "lora_unet_") + rename(module).replace(".", "_")
            d[key + ".lora_down.weight"], d[key + ".lora_up.weight"] = down.half(), up.half()
            if module != LINEARS[1]:
                d[key + ".alpha"] = torch.tensor(1.5).half()
        return d
    store("kohya.safetensors", kohya(lambda m: m), {"ss_network_dim": "3"})
    diffusers_merge(os.path.join(out, "kohya.safetensors"), "kohya")

    def sgm(m):
        for a, b in COMPVIS.items():
            if m.startswith(a + "."):
                return b + m[len(a):]
        return {"down_blocks.0.resnets.0.conv1": "input_blocks.1.0.in_layers.2", "up_blocks.1.resnets.0.conv_shortcut": "output_blocks.3.0.skip_connection"}.get(m, m)
    store("kohya-compvis.safetensors", kohya(sgm))
    diffusers_merge(os.path.join(out, "kohya-compvis.safetensors"), "kohya-compvis")


compvis()
lora()
