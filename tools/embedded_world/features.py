"""Losses of Loss, M.C. and CLiD (simple clipping and null) on a diffusers directory, with Telltale's keyed noise."""
import hashlib
import struct
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import telltale_noise  # noqa: E402

TIMESTEPS = (440, 450, 460)


class Model:
    """The networks of a directory in one dtype; weights are those of the files, widened."""

    def __init__(self, folder, dtype=torch.float32):
        self.dtype = dtype
        self.vae = AutoencoderKL.from_pretrained(folder, subfolder="vae", torch_dtype=dtype).eval()
        self.unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", torch_dtype=dtype).eval()
        self.text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder", dtype=dtype).eval()
        self.tokenizer = CLIPTokenizer.from_pretrained(folder, subfolder="tokenizer")
        self.scale = self.vae.config.scaling_factor
        self.alpha_bar = alpha_bar()

    def condition(self, texts):
        ids = self.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
        return self.text(ids).last_hidden_state


def alpha_bar():
    """The double-precision schedule of Stable Diffusion 1.5."""
    beta = (0.00085**0.5 + (0.012**0.5 - 0.00085**0.5) * np.arange(1000) / 999) ** 2
    return np.cumprod(1 - beta)


def content_digest(image):
    """SHA-256 of width, height and the 8-bit rows: what the measurement noise is keyed by."""
    height, width, _ = image.shape
    return hashlib.sha256(struct.pack("<II", width, height) + image.tobytes()).hexdigest()


def thirds(caption):
    """CLiD's simple clipping: thirds of the characters."""
    n = len(caption)
    cuts = (0, int(n / 3), int(2 * n / 3), n)
    return [caption[a:b] for a, b in zip(cuts, cuts[1:])]


def noise(seed, digest, role, timestep, shape, dtype):
    values = telltale_noise.normals(telltale_noise.noise_key(seed, digest, role, timestep, 0), int(np.prod(shape)))
    return torch.from_numpy(values.reshape(shape)).to(dtype)


@torch.no_grad()
def measure_batch(model, images, captions, seed):
    """[n, 5 conditions, 3 timesteps] losses: caption, three thirds, null."""
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(model.dtype) / 255
    posterior = model.vae.encode((pixels - 0.5) / 0.5).latent_dist
    digests = [content_digest(image) for image in images]
    shape = posterior.mean.shape[1:]
    vae_noise = torch.stack([noise(seed, d, "vae", None, shape, model.dtype) for d in digests])
    z = model.scale * (posterior.mean + posterior.std * vae_noise)
    conditions = [captions, *zip(*(thirds(c) for c in captions)), [""] * len(captions)]
    hidden = [model.condition(list(texts)) for texts in conditions]
    losses = np.empty((len(images), len(conditions), len(TIMESTEPS)))
    for j, t in enumerate(TIMESTEPS):
        eps = torch.stack([noise(seed, d, "eps", t, shape, model.dtype) for d in digests])
        noised = model.alpha_bar[t] ** 0.5 * z + (1 - model.alpha_bar[t]) ** 0.5 * eps
        for i, h in enumerate(hidden):
            error = (eps - model.unet(noised, t, h).sample).double()
            losses[:, i, j] = (error**2).mean(dim=(1, 2, 3)).numpy()
    return losses


def measure(model, split, seed, batch=50):
    n = len(split.captions)
    parts = [
        measure_batch(model, split.images[i : i + batch], split.captions[i : i + batch], seed)
        for i in range(0, n, batch)
    ]
    return np.concatenate(parts)


def rows(losses):
    """Loss (t = 450), L(c), D_1, D_2, D_3, D_null."""
    mean = losses.mean(axis=2)
    return np.column_stack([losses[:, 0, 1], mean[:, 0], mean[:, 1:] - mean[:, :1]])
