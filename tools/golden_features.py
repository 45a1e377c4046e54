"""Features of Loss and CLiD on the embedded models, by PyTorch and diffusers in double precision with Telltale's
keyed noise: tests/golden/features/embedded.json, which tests/golden/test_features.c compares against. The other
attacks of the suite: golden_grey_box.py.

python golden_features.py DATA [MODELS [OUT.json]]

DATA is a folder that tools/embedded_world/export_faces wrote the splits `seen` and `held_out` into. Defaults of the
attacks: loss at t = 450; clid at t = 440, 450, 460, thirds of the caption and the null caption.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools" / "embedded_world"))
import features  # noqa: E402
import world  # noqa: E402

INDICES = [18 * k + k % 2 for k in range(12)]  # even indices are north, odd ones south
SPLITS = ("seen", "held_out")
ROLES = ("target", "base")


def chosen(data, split):
    whole = world.load_split(data, split)
    return world.Split(whole.images[INDICES], [whole.captions[i] for i in INDICES])


def main():
    data = sys.argv[1]
    models = Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "configs/models/embedded")
    out = Path(sys.argv[3] if len(sys.argv) > 3 else ROOT / "tests/golden/features/embedded.json")
    torch.set_num_threads(1)
    nets = {role: features.Model(models / role, torch.float64) for role in ROLES}
    samples = []
    for name in SPLITS:
        split = chosen(data, name)
        found = {r: features.rows(features.measure(nets[r], split, world.MEASURE_SEED)) for r in ROLES}
        for k, index in enumerate(INDICES):
            sample = {"split": name, "index": index, "digest": features.content_digest(split.images[k])}
            for role in ROLES:
                if not np.isfinite(found[role][k]).all():
                    raise ValueError(f"{name}/{index}, {role}: not finite")
                sample[role] = found[role][k].tolist()
            samples.append(sample)
    head = {
        "made_by": "tools/golden_features.py",
        "seed": world.MEASURE_SEED,
        "world_seed": world.WORLD_SEED,
        "columns": ["loss.L_450", "clid.L", "clid.D_1", "clid.D_2", "clid.D_3", "clid.D_null"],
    }
    lines = ",\n".join("    " + json.dumps(s) for s in samples)
    text = json.dumps(head, indent=2)[:-2] + ',\n  "samples": [\n' + lines + "\n  ]\n}\n"
    json.loads(text)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
