"""Do the embedded models show what the quickstart is to show? Prints the figures; exit code 1 if a gate fails.

python gates.py DATA MODELS [--seed 1]
"""
import argparse
import sys
from pathlib import Path

import numpy as np
from scipy.stats import norm, rankdata

import features
import world


def auc_parts(members, others):
    """AUC for higher = member, with DeLong's structural components."""
    m, n = len(members), len(others)
    ranks = rankdata(np.concatenate([members, others]))
    v10 = (ranks[:m] - rankdata(members)) / n
    v01 = 1 - (ranks[m:] - rankdata(others)) / m
    return v10.mean(), v10, v01


def covariance(a, b):
    return np.cov(a[1], b[1])[0, 1] / len(a[1]) + np.cov(a[2], b[2])[0, 1] / len(a[2])


def interval(parts):
    """95 % DeLong interval on the logit scale."""
    auc, spread = parts[0], np.sqrt(covariance(parts, parts))
    logit, width = np.log(auc / (1 - auc)), 1.959964 * spread / (auc * (1 - auc))
    return tuple(1 / (1 + np.exp(-np.array([logit - width, logit + width]))))


def grid_auc(low_is_member, members, others):
    """The CLiD scripts' AUC over 2,000 thresholds."""
    both = np.concatenate([members, others])
    grid = np.arange(both.min(), both.max(), (both.max() - both.min()) / 2000)
    tpr = np.searchsorted(np.sort(members), grid, side="right") / len(members)
    fpr = np.searchsorted(np.sort(others), grid, side="right") / len(others)
    return np.trapezoid(tpr, fpr) if low_is_member else 1 - np.trapezoid(tpr, fpr)


def clid_features(rows, columns):
    return np.column_stack([rows[:, 1], -rows[:, columns].mean(axis=1)])


class ClidThreshold:
    """CLiD-th: robust scaling and alpha from the shadow model."""

    def __init__(self, members, others, columns=(2, 3, 4, 5)):
        self.columns = list(columns)
        both = clid_features(np.concatenate([members, others]), self.columns)
        low, self.median, high = np.percentile(both, [25, 50, 75], axis=0)
        self.spread = high - low
        areas = []
        for self.alpha in np.arange(11) / 10:
            areas.append(grid_auc(True, -self.score(members), -self.score(others)))
        self.alpha = int(np.argmax(areas)) / 10

    def score(self, rows):
        a, b = ((clid_features(rows, self.columns) - self.median) / self.spread).T
        return -((1 - self.alpha) * a + self.alpha * b)


def summary(name, members, others):
    parts = auc_parts(members, others)
    low, high = interval(parts)
    tpr = max(np.mean(members >= t) for t in [np.inf, *others, *members] if np.mean(others >= t) <= 0.01)
    print(f"{name:32} AUC {parts[0]:.3f} [{low:.3f}, {high:.3f}]  TPR@1%FPR {100 * tpr:.1f} %")
    return parts, low, high


def compare(name, a, b):
    spread = np.sqrt(covariance(a, a) + covariance(b, b) - 2 * covariance(a, b))
    z = (a[0] - b[0]) / spread
    print(f"{name:32} z {z:.2f}  p {2 * norm.sf(abs(z)):.2g}")
    return z


def measured(models, role, splits, data, seed):
    model = features.Model(Path(models) / role)
    return [features.rows(features.measure(model, world.load_split(data, s), seed)) for s in splits]


def judge(data, models, seed):
    shadow = measured(models, "shadow", ("shadow_seen", "shadow_held_out"), data, seed)
    target = measured(models, "target", ("seen", "held_out"), data, seed)
    base = measured(models, "base", ("seen", "held_out"), data, seed)
    clid, null = ClidThreshold(*shadow), ClidThreshold(*shadow, columns=(5,))
    print(f"alpha {clid.alpha} (null only {null.alpha}); mean loss of the target: seen "
          f"{target[0][:, 1].mean():.4f}, held out {target[1][:, 1].mean():.4f}")
    found = {}
    for role, pair in (("target", target), ("base", base)):
        for attack, score in (
            ("loss", lambda r: -r[:, 0]),
            ("mc", lambda r: -r[:, 1]),
            ("clid null", null.score),
            ("clid", clid.score),
        ):
            found[role, attack] = summary(f"{role}, {attack}", *(score(r) for r in pair))
    z = compare("target, clid against loss", found["target", "clid"][0], found["target", "loss"][0])
    gates = {
        "target: CLiD-th AUC > 0.75": found["target", "clid"][0][0] > 0.75,
        "target: CLiD-th above Loss, z > 2": z > 2,
        "base: every interval contains 0.5": all(
            low <= 0.5 <= high for (role, _), (_, low, high) in found.items() if role == "base"
        ),
    }
    for gate, passed in gates.items():
        print("passed" if passed else "FAILED", gate)
    return all(gates.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("models")
    parser.add_argument("--seed", type=int, default=world.MEASURE_SEED)
    options = parser.parse_args()
    return 0 if judge(options.data, options.models, options.seed) else 1


if __name__ == "__main__":
    sys.exit(main())
