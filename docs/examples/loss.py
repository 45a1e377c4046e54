"""The diffusion loss at several timesteps, weighed by a logistic regression: an attack in Python."""
import numpy as np
import telltale


class Loss(telltale.Attack):
    name, revision, summary = "loss_py", 1, "diffusion loss at several timesteps, logistic fit"
    params = [telltale.ints("timesteps", [350, 450, 550], 0, 999, "timesteps of the loss"),
              telltale.real("ridge", 1.0, 1e-6, 1e6, "penalty on the weights", fit_only=True)]

    def plan(self):
        return telltale.Plan(roles={"target": "encode text predict"}, predictions=len(self.p.timesteps),
                             columns=["L_%d" % t for t in self.p.timesteps])

    def measure(self, models, samples):
        model = models["target"]
        latents = model.encode(samples)
        conditions = model.text([s.caption for s in samples])
        return np.stack([model.losses(latents, conditions, t, samples) for t in self.p.timesteps], axis=1)

    def fit(self, rows, member):  # Newton's method on the penalised likelihood
        mean, std = rows.mean(0), rows.std(0) + 1e-12
        x = np.column_stack([(rows - mean) / std, np.ones(len(rows))])
        w, penalty = np.zeros(x.shape[1]), self.p.ridge * np.eye(x.shape[1])
        for _ in range(25):
            p = 1 / (1 + np.exp(-x @ w))
            w -= np.linalg.solve(x.T @ (x * (p * (1 - p))[:, None]) + penalty, x.T @ (p - member) + penalty @ w)
        return {"mean": mean, "std": std, "w": w}

    def score(self, rows, state):
        if state is None:  # no calibration: the mean loss, low = member
            return -rows.mean(1)
        return (rows - state["mean"]) / state["std"] @ state["w"][:-1] + state["w"][-1]


telltale.run(Loss)
