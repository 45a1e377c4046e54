"""Cross-attention maps of the embedded target under a caption, by PyTorch and diffusers in double precision: softmax
probabilities summed over heads and layers, each layer's map resized (bicubic) to the latent's size, and what each word
of the caption weighs by them: tests/golden/features/attention.json, which tests/golden/test_attention.c compares against.

python golden_attention.py DATA [MODELS [OUT.json]]

DATA is a folder that tools/embedded_world/export_faces wrote the splits `seen` and `held_out` into.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tools" / "embedded_world"), str(ROOT / "tools")]
import features  # noqa: E402
import golden_grey_box  # noqa: E402
import world  # noqa: E402

SAMPLES = (("seen", 4), ("held_out", 9))
TIMESTEP = 450
TOKENS = 12  # whose maps are written down


class Keeper:
    """An attention processor that computes the probabilities and keeps those of cross-attention."""

    def __init__(self):
        self.maps = []

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        text = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (attn.head_to_batch_dim(f(x)) for f, x in ((attn.to_q, hidden_states), (attn.to_k, text), (attn.to_v, text)))
        probabilities = torch.softmax(q @ k.transpose(1, 2) * attn.scale, dim=-1)
        if encoder_hidden_states is not None:
            self.maps.append(probabilities.sum(dim=0).T)
        return attn.to_out[0](attn.batch_to_head_dim(probabilities @ v))


def summed(maps, side):
    total = 0
    for m in maps:
        own = int(round(m.shape[1] ** 0.5))
        image = m.reshape(1, len(m), own, own)
        total = total + torch.nn.functional.interpolate(image, (side, side), mode="bicubic", align_corners=False)[0]
    return total


def word_weights(tokenizer, caption, maps):
    """Mean over a word's tokens of the sum of the token's map."""
    weights, first, at = [], [], 1
    for word in caption.split():
        n = len(tokenizer(word, add_special_tokens=False).input_ids)
        first.append(at)
        weights.append(float(maps[at : at + n].sum(dim=(1, 2)).mean()))
        at += n
    return weights, first + [at]


def attend(s, timestep):
    """The summed maps of one evaluation, and its loss."""
    unet, keeper = s.model.unet, Keeper()
    noise = s.noise("eps", timestep, 0)
    plain = s.loss(s.z, timestep, noise)
    before = unet.attn_processors
    unet.set_attn_processor(keeper)
    loss = s.loss(s.z, timestep, noise)
    unet.set_attn_processor(dict(before))
    if abs(loss - plain) > 1e-12:
        raise ValueError(f"the processor changes the loss: {loss}, not {plain}")
    return summed(keeper.maps, unet.config.sample_size), loss


def clid_target_maps(s):
    """CLiD with importance clipping by the target's maps in the evaluations under the caption."""
    weights = sum(np.array(word_weights(s.model.tokenizer, s.caption, attend(s, t)[0])[0]) for t in (440, 450, 460))
    return golden_grey_box.clid_row(s, golden_grey_box.cut_words(s, list(weights)))


def generated_maps(net, folder, caption, steps=30, guidance=7.5, seed=2023):
    """Maps of the conditional branch, summed over the steps of generating an image: DPM-Solver++ (2M)."""
    scheduler = DPMSolverMultistepScheduler.from_pretrained(folder, subfolder="scheduler")
    scheduler.set_timesteps(steps)
    side = net.unet.config.sample_size
    x = torch.randn((1, net.unet.config.in_channels, side, side), generator=torch.Generator().manual_seed(seed)).double()
    hidden, null = net.condition([caption]), net.condition([""])
    keeper, before = Keeper(), net.unet.attn_processors
    for t in scheduler.timesteps:
        net.unet.set_attn_processor(keeper)
        e = net.unet(x, t, hidden).sample
        net.unet.set_attn_processor(dict(before))
        e_null = net.unet(x, t, null).sample
        x = scheduler.step(e_null + guidance * (e - e_null), t, x).prev_sample
    return summed(keeper.maps, side)


@torch.no_grad()
def main():
    data = sys.argv[1]
    models = Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "configs/models/embedded")
    out = Path(sys.argv[3] if len(sys.argv) > 3 else ROOT / "tests/golden/features/attention.json")
    torch.set_num_threads(1)
    net = features.Model(models / "target", torch.float64)
    own = features.Model(models / "base", torch.float64)  # the attacker's
    samples = []
    for name, index in SAMPLES:
        split = world.load_split(data, name)
        s = golden_grey_box.Sample(net, split.images[index], split.captions[index])
        maps, loss = attend(s, TIMESTEP)
        weights, first = word_weights(net.tokenizer, s.caption, maps)
        kept = [[float(f"{x:.8g}") for x in token.flatten()] for token in maps[:TOKENS]]
        samples.append({"split": name, "index": index, "digest": s.digest, "loss": loss, "clid": clid_target_maps(s),
                        "service": word_weights(own.tokenizer, s.caption, generated_maps(own, models / "base", s.caption))[0],
                        "first": first, "weights": weights, "total": float(maps.sum()), "maps": kept})
    head = {"made_by": "tools/golden_attention.py", "seed": golden_grey_box.SEED, "world_seed": world.WORLD_SEED}
    lines = ",\n".join("    " + json.dumps(s) for s in samples)
    text = json.dumps(head, indent=2)[:-2] + ',\n  "samples": [\n' + lines + "\n  ]\n}\n"
    json.loads(text)
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
