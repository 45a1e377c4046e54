"""Features of M.C., PIA, PIAN, SecMI, PFAMI and CLiD with importance clipping on the embedded models, by PyTorch and
diffusers in double precision with Telltale's keyed noise, written from the equations and not from the C code:
tests/golden/features/grey_box.json, which tests/golden/test_grey_box.c compares against.

python golden_grey_box.py DATA [MODELS [OUT.json]]

DATA is a folder that tools/embedded_world/export_faces wrote the splits `seen` and `held_out` into.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools" / "embedded_world"), str(ROOT / "tools")]
import features  # noqa: E402
import telltale_noise  # noqa: E402
import world  # noqa: E402

INDICES = [36 * k + k % 2 for k in range(5)]  # even indices are north, odd ones south
SPLITS = ("seen", "held_out")
ROLES = ("target", "base")
SEED = world.MEASURE_SEED


class Sample:
    """One image under its caption on one model."""

    def __init__(self, model, image, caption):
        self.model, self.image, self.caption = model, image, caption
        self.digest = features.content_digest(image)
        self.hidden = model.condition([caption])
        self.z = self.encode(image, "vae", 0)

    def noise(self, role, timestep, draw):
        key = telltale_noise.noise_key(SEED, self.digest, role, timestep, draw)
        shape = (self.model.unet.config.in_channels,) + (self.model.unet.config.sample_size,) * 2
        return torch.from_numpy(telltale_noise.normals(key, int(np.prod(shape))).reshape(1, *shape)).double()

    def encode(self, image, role, draw):
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].double() / 255
        posterior = self.model.vae.encode((pixels - 0.5) / 0.5).latent_dist
        return self.model.scale * (posterior.mean + posterior.std * self.noise(role, None, draw))

    def eps(self, x, t):
        return self.model.unet(x, t, self.hidden).sample

    def noised(self, z, t, n):
        bar = self.model.alpha_bar[t]
        return bar**0.5 * z + (1 - bar) ** 0.5 * n

    def loss(self, z, t, n):
        return float(((n - self.eps(self.noised(z, t, n), t)) ** 2).mean())

    def ddim(self, x, a, b):
        """One deterministic DDIM move from timestep a to b."""
        bar = self.model.alpha_bar
        e = self.eps(x, a)
        z0 = (x - (1 - bar[a]) ** 0.5 * e) / bar[a] ** 0.5
        return bar[b] ** 0.5 * z0 + (1 - bar[b]) ** 0.5 * e


def monte_carlo(s):
    return [s.loss(s.z, t, s.noise("eps", t, 0)) for t in (440, 450, 460)]


def pia(s, p, t=500, mean_size=None):
    e0 = s.eps(s.z, 0)
    if mean_size:
        e0 = e0.numel() * mean_size * e0 / e0.abs().sum()
    return [float(((e0 - s.eps(s.noised(s.z, t, e0), t)).abs() ** p).mean())]


def secmi(s, t_cmp, k=10):
    """The plain definition, differences and all: in double precision nothing of it cancels away."""
    y = s.z
    for t in range(0, t_cmp, k):
        y = s.ddim(y, t, t + k)
    back = s.ddim(s.ddim(y, t_cmp, t_cmp + k), t_cmp + k, t_cmp)
    return [float(((back - y) ** 2).mean())]


def crop(image, strength):
    """CenterCrop of int(R·strength), Resize to R, on 8-bit images as torchvision does with Pillow."""
    side = image.shape[0]
    small = int(side * strength)
    at = int(round((side - small) / 2.0))
    return Image.fromarray(image).crop((at, at, at + small, at + small)).resize((side, side), Image.BILINEAR)


def pfami_clid(s):
    cut = s.encode(crop(s.image, 0.825), "vae.crop", 0)
    views = ((0, s.z), (1, cut))
    return [s.loss(z, t, s.noise("eps.shared", None, draw)) for draw, z in views for t in range(1, 452, 50)]


def pfami_original(s):
    index = 5
    cut = s.encode(crop(s.image, np.linspace(0.95, 0.7, 10)[index]), "vae.crop", index)
    views = ((0, s.z), (1 + index, cut))
    return [s.loss(z, t, s.noise("eps.pfami", t, draw)) for draw, z in views for t in range(0, 451, 50)]


def clid_row(s, reduced, timesteps=(440, 450, 460)):
    """L and D of hidden states: the caption's, those of `reduced`, the null caption's."""
    means = []
    for hidden in (s.model.condition([s.caption]), *reduced, s.model.condition([""])):
        s.hidden = hidden
        means.append(float(np.mean([s.loss(s.z, t, s.noise("eps", t, 0)) for t in timesteps])))
    s.hidden = s.model.condition([s.caption])
    return [means[0]] + [m - means[0] for m in means[1:]]


def cut_words(s, weights):
    words = s.caption.split()
    for rate in (0.3, 0.5, 0.7):
        least = sorted(weights, reverse=True)[int(rate * len(words) - 0.01)]
        end = s.model.tokenizer.eos_token
        yield s.model.condition([" ".join(end if v >= least else word for word, v in zip(words, weights))])


def importance(s):
    """CLiD with importance clipping: words weighed by how far the embedding moves without them."""
    words = s.caption.split()
    whole = s.model.condition([" ".join(words)])
    without = (" ".join(words[:i] + words[i + 1 :]) for i in range(len(words)))
    weights = [float((whole - s.model.condition([text])).norm()) for text in without]
    return clid_row(s, cut_words(s, weights))


def gauss(s):
    """CLiD with noise on the embedding: e + r·std·N(0, 1), a draw for each scale."""
    e = s.model.condition([s.caption])
    noise = (telltale_noise.normals(telltale_noise.noise_key(SEED, s.digest, "text", None, k), e.numel()) for k in range(3))
    std = e.std(unbiased=False)
    return clid_row(s, [e + r * std * torch.from_numpy(n).double().reshape(e.shape) for r, n in zip((0.5, 0.7, 0.9), noise)])


def word_pieces(s):
    """CLiD with the caption in two halves of words, a single timestep."""
    words = s.caption.split()
    half = len(words) // 2
    return clid_row(s, [s.model.condition([" ".join(part)]) for part in (words[:half], words[half:])], (450,))


FEATURES = {
    "monte_carlo": monte_carlo,
    "pia_2": lambda s: pia(s, 2),
    "pia_4": lambda s: pia(s, 4),
    "pian_code": lambda s: pia(s, 4, mean_size=(2 / np.pi) ** 0.5),
    "pian_paper": lambda s: pia(s, 4, mean_size=(np.pi / 2) ** 0.5),
    "secmi_100": lambda s: secmi(s, 100),
    "secmi_140": lambda s: secmi(s, 140),
    "clid_importance": importance,
    "clid_gauss": gauss,
    "clid_words": word_pieces,
    "pfami_clid": pfami_clid,
    "pfami_original": pfami_original,
}


@torch.no_grad()
def main():
    data = sys.argv[1]
    models = Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "configs/models/embedded")
    out = Path(sys.argv[3] if len(sys.argv) > 3 else ROOT / "tests/golden/features/grey_box.json")
    torch.set_num_threads(1)
    nets = {role: features.Model(models / role, torch.float64) for role in ROLES}
    samples = []
    for name in SPLITS:
        split = world.load_split(data, name)
        for index in INDICES:
            image, caption = split.images[index], split.captions[index]
            sample = {"split": name, "index": index, "digest": features.content_digest(image)}
            for role in ROLES:
                subject = Sample(nets[role], image, caption)
                sample[role] = {key: make(subject) for key, make in FEATURES.items()}
                if not all(np.isfinite(v).all() for v in sample[role].values()):
                    raise ValueError(f"{name}/{index}, {role}: not finite")
            samples.append(sample)
    head = {"made_by": "tools/golden_grey_box.py", "seed": SEED, "world_seed": world.WORLD_SEED}
    lines = ",\n".join("    " + json.dumps(s) for s in samples)
    text = json.dumps(head, indent=2)[:-2] + ',\n  "samples": [\n' + lines + "\n  ]\n}\n"
    json.loads(text)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
