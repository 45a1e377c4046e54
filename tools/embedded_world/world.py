"""What all parts of the recipe share: the pools, their seeds, and reading what export_faces wrote."""
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

SIZE = 64
WORLD_SEED = 1
# split: (institution, images). `base` shares no portrait with the others: a split's name is part of its key.
POOLS = {
    "base": ("all", 8000),
    "seen": ("both", 200),
    "held_out": ("both", 200),
    "shadow_seen": ("both", 200),
    "shadow_held_out": ("both", 200),
}
# For sweep.py alone, exported with institution `both`: what the recipe of target and shadow was chosen on.
SWEEP_POOLS = {"tune_a": 21, "tune_b": 22}  # name: seed; NAME_seen and NAME_held_out, 200 images each
# Fixed before any result was seen.
SEEDS = {"vae": 11, "base": 12, "target": 13, "shadow": 14}
MEASURE_SEED = 1  # `seed` of the quickstart's spec


@dataclass
class Split:
    images: np.ndarray  # [n, SIZE, SIZE, 3] u8
    captions: list

    def tensor(self, dtype=torch.float32):
        """Images as [n, 3, SIZE, SIZE] in -1..1."""
        return torch.from_numpy(self.images).permute(0, 3, 1, 2).to(dtype) / 127.5 - 1


def load_split(data, name):
    """A split as export_faces wrote it into the folder `data`."""
    images = np.fromfile(Path(data) / f"{name}.rgb", np.uint8).reshape(-1, SIZE, SIZE, 3)
    with open(Path(data) / f"{name}.jsonl", encoding="utf-8") as lines:
        captions = [json.loads(line)["caption"] for line in lines]
    if len(captions) != len(images):
        raise ValueError(f"{data}/{name}: {len(images)} images but {len(captions)} captions: export it again")
    return Split(images, captions)
