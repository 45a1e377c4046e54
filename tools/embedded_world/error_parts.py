"""Why SecMI swings with its timestep and PIA gains by p = 4 on the embedded models: configs/clid/README.md has the
outcome.

python error_parts.py DATA MODELS ROLE MEMBERS NONMEMBERS    e.g. … shadow shadow_seen shadow_held_out

SecMI's error at t is the change of ε from (y, t) to (φ(y), t + k), φ one DDIM step. It has two parts: T, by the label
alone, ε(y, t + k) − ε(y, t), and I, by the input alone, ε(φ(y), t + k) − ε(y, t + k). AUC takes a small value for a sign
of membership.
"""
import sys
from pathlib import Path

import features
import numpy as np
import torch
import world

K = 10
SHOWN = (0, 20, 40, 60, 80, 100, 110, 120, 130, 140, 160, 180, 200, 240, 280, 300)


def auc(score, n):
    """Of n members, which come first, against the others."""
    a, b = score[:n, None], score[None, n:]
    return float(((a < b) + (a == b) / 2).mean())


def size(v, p=2):
    return (v.double().abs() ** p).mean(dim=(1, 2, 3)).numpy()


def load(net, data, names):
    splits = [world.load_split(data, name) for name in names]
    images = np.concatenate([s.images for s in splits])
    captions = [c for s in splits for c in s.captions]
    digests = [features.content_digest(image) for image in images]
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    posterior = net.vae.encode((pixels - 0.5) / 0.5).latent_dist

    def noise(role, t):
        drawn = [features.noise(world.MEASURE_SEED, d, role, t, posterior.mean.shape[1:], torch.float32) for d in digests]
        return torch.stack(drawn)

    z = net.scale * (posterior.mean + posterior.std * noise("vae", None))
    hidden = torch.cat([net.condition(captions[i : i + 50]) for i in range(0, len(captions), 50)])
    return z, hidden, noise, len(splits[0].captions)


@torch.no_grad()
def main():
    data, models, role, members, nonmembers = sys.argv[1:]
    torch.set_num_threads(1)
    net = features.Model(Path(models) / role)
    z, hidden, noise, n = load(net, data, (members, nonmembers))
    bar = net.alpha_bar

    def eps(x, t):
        return torch.cat([net.unet(x[i : i + 50], t, hidden[i : i + 50]).sample for i in range(0, len(x), 50)])

    def noised(e, t):
        return bar[t] ** 0.5 * z + (1 - bar[t]) ** 0.5 * e

    print("t    SecMI  |eps|  T      I      mean T²/mean I²  cos(T, I)")
    x, e = z, eps(z, 0)
    first = e
    for t in range(0, SHOWN[-1] + K, K):
        ahead = (x - (1 - bar[t]) ** 0.5 * e) * (bar[t + K] / bar[t]) ** 0.5 + (1 - bar[t + K]) ** 0.5 * e
        after = eps(ahead, t + K)
        if t in SHOWN:
            middle = eps(x, t + K)
            by_label, by_input = middle - e, after - middle
            cosine = torch.nn.functional.cosine_similarity(by_label.flatten(1), by_input.flatten(1)).mean()
            found = [auc(size(v), n) for v in (after - e, e, by_label, by_input)]
            ratio = size(by_label).mean() / size(by_input).mean()
            print(f"{t:3}  " + "  ".join(f"{v:.3f}" for v in found) + f"  {ratio:.2f}             {cosine:.2f}")
        x, e = ahead, after
    errors = [noise("eps", t) - eps(noised(noise("eps", t), t), t) for t in (440, 450, 460)]
    pia = first - eps(noised(first, 500), 500)
    print("p     M.C.   PIA")
    for p in (1, 2, 3, 4, 6, 8):
        print(f"{p}     {auc(sum(size(v, p) for v in errors), n):.3f}  {auc(size(pia, p), n):.3f}")
    kurtosis = size(pia, 4) / size(pia) ** 2
    print(f"kurtosis of PIA's error: {kurtosis[:n].mean():.2f}, {kurtosis[n:].mean():.2f}; AUC {auc(kurtosis, n):.3f}")


if __name__ == "__main__":
    main()
