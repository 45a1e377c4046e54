"""How long and how fast to fine-tune: gates.py's figures on two pairs of splits that nothing else uses.

python sweep.py DATA WORK BASE run OUT tune_a|tune_b --rate R --steps N,N,...   one fine-tune, measured at each N
python sweep.py DATA WORK BASE judge OUT                                        each pair as the other's shadow

BASE is base's directory as train.py saved it; weights are rounded to f16 before they are measured.
"""
import argparse
from pathlib import Path

import numpy as np
import torch

import features
import gates
import train
import world


def measured(base, unet, data, name):
    """Rows of the pair's two splits under this UNet, rounded as it would be saved."""
    model = features.Model(base)
    model.unet.load_state_dict({k: v.half().float() for k, v in unet.state_dict().items()})
    return [
        features.rows(features.measure(model, world.load_split(data, f"{name}_{part}"), world.MEASURE_SEED))
        for part in ("seen", "held_out")
    ]


def run(options):
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    name, stops = options.name, {int(n) for n in options.steps.split(",")}
    tuning = train.FineTune(options.data, options.work, f"{name}_seen", world.SWEEP_POOLS[name])
    for step in range(max(stops)):
        for group in tuning.optimiser.param_groups:
            group["lr"] = train.constant_rate(step, options.rate)
        tuning.optimiser.zero_grad(set_to_none=True)
        tuning.loss(step).backward()
        torch.nn.utils.clip_grad_norm_(tuning.unet.parameters(), 1.0)
        tuning.optimiser.step()
        if step + 1 in stops:
            seen, held_out = measured(options.base, tuning.unet, options.data, name)
            np.savez(options.out / f"{name}-{options.rate}-{step + 1}.npz", seen=seen, held_out=held_out)


def judge(options):
    first, second = world.SWEEP_POOLS
    for path in sorted(options.out.glob(f"{first}-*.npz"), key=lambda p: int(p.stem.split("-")[-1])):
        pairs = {}
        for name in (first, second):
            rows = np.load(path.with_name(path.name.replace(first, name)))
            pairs[name] = rows["seen"], rows["held_out"]
        for name, shadow in ((first, second), (second, first)):
            clid = gates.ClidThreshold(*pairs[shadow])
            print(f"{path.stem.replace(first, name)}, alpha {clid.alpha}")
            parts = [gates.summary(attack, *(score(r) for r in pairs[name]))[0]
                     for attack, score in (("  loss", lambda r: -r[:, 0]), ("  clid", clid.score))]
            gates.compare("  clid against loss", parts[1], parts[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("base", type=Path)
    parser.add_argument("what", choices=["run", "judge"])
    parser.add_argument("out", type=Path)
    parser.add_argument("name", nargs="?", choices=list(world.SWEEP_POOLS))
    parser.add_argument("--rate", type=float, default=train.TUNE_RATE)
    parser.add_argument("--steps", default=str(train.TUNE_STEPS))
    options = parser.parse_args()
    run(options) if options.what == "run" else judge(options)


if __name__ == "__main__":
    main()
