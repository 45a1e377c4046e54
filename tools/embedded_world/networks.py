"""The tiny networks and the cut tokenizer, in the architectures and file formats of Stable Diffusion 1.5."""
import gzip
import json
import re
from pathlib import Path

from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LENGTH = 48  # tokens of a caption, with both ends; the longest caption has 44
TEXT_WIDTH = 64


def make_vae():
    return AutoencoderKL(
        block_out_channels=(16, 16, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=64,
    )


def make_unet():
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(24, 32, 40),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        attention_head_dim=4,
        norm_num_groups=8,
        cross_attention_dim=TEXT_WIDTH,
    )


def make_text_encoder(vocabulary_size):
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocabulary_size,
            hidden_size=TEXT_WIDTH,
            intermediate_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            projection_dim=TEXT_WIDTH,
            hidden_act="quick_gelu",
            bos_token_id=vocabulary_size - 2,
            eos_token_id=vocabulary_size - 1,
            pad_token_id=vocabulary_size - 1,
        )
    )


def make_scheduler():
    """The scheduler file of Stable Diffusion 1.5, with the key that a PNDM does not read and a DDIM made from the file does."""
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        set_alpha_to_one=False,
        skip_prk_steps=True,
        steps_offset=1,
    )
    scheduler.register_to_config(clip_sample=False)
    return scheduler


def byte_symbols():
    """CLIP's printable symbol for each byte, in the order of its vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(others))]


def split_word(word, ranks):
    """Byte-pair encoding of one ASCII word: the merges that it uses."""
    pieces, used = [*word[:-1], word[-1] + "</w>"], []
    while len(pieces) > 1:
        pairs = list(zip(pieces, pieces[1:]))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        used.append(best)
        at = pairs.index(best)
        pieces[at : at + 2] = ["".join(best)]
    return used


def write_tokenizer(captions, merges_gz, folder):
    """All bytes, and of CLIP's merges those that the captions' words use, in CLIP's order: the same pieces."""
    lines = gzip.open(merges_gz, "rt", encoding="utf-8").read().split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = [tuple(line.split()) for line in lines]
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    words = sorted({word for caption in captions for word in re.findall(r"[a-z]+", caption)})
    used = sorted({merge for word in words for merge in split_word(word, ranks)}, key=ranks.get)
    symbols = byte_symbols()
    vocabulary = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in used]
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "vocab.json", "w", encoding="utf-8") as out:
        json.dump({piece: i for i, piece in enumerate(vocabulary)}, out, ensure_ascii=False)
    text = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in used)
    (folder / "merges.txt").write_text(text, encoding="utf-8")
    CLIPTokenizer.from_pretrained(folder, model_max_length=LENGTH, pad_token="<|endoftext|>").save_pretrained(folder)


def load_tokenizer(folder):
    return CLIPTokenizer.from_pretrained(folder)


def tokens(tokenizer, captions):
    """Padded token ids [n, LENGTH]."""
    return tokenizer(
        captions, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt"
    ).input_ids


def save_pipeline(folder, vae, text_encoder, tokenizer_folder, unet):
    """A diffusers directory with f16 weights, without safety checker and without absolute paths."""
    import torch

    pipeline = StableDiffusionPipeline(
        vae=vae.half(),
        text_encoder=text_encoder.half(),
        tokenizer=load_tokenizer(tokenizer_folder),
        unet=unet.half(),
        scheduler=make_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt"):
        target = Path(folder) / "tokenizer" / name
        target.write_bytes((Path(tokenizer_folder) / name).read_bytes())
    for config in Path(folder).rglob("*.json"):
        drop_path(config)
    vae.float(), text_encoder.float(), unet.float()
    return torch.float16


def drop_path(config):
    """Configs remember where they were loaded from; that is nobody's business."""
    values = json.loads(config.read_text(encoding="utf-8"))
    kept = {k: v for k, v in values.items() if k not in ("_name_or_path", "is_local", "local_files_only")}
    if kept != values:
        values = kept
        config.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
