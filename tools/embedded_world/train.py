"""Trains the embedded models, one stage at a time; each stage resumes where it was stopped.

python train.py DATA WORK tokenizer MERGES.txt.gz | vae | base | target | shadow | save OUT
"""
import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import networks
import world

SCHEDULE = networks.make_scheduler()
VAE_STEPS, BASE_STEPS = 5000, 4500
TUNE_STEPS, TUNE_RATE = 1750, 5e-4  # chosen on pairs of splits of their own: sweep.py
CHECKPOINT_EVERY = 500


def cosine_rate(step, steps, rate, warm_up):
    return rate * min(1.0, (step + 1) / max(warm_up, 1)) * 0.5 * (1 + math.cos(math.pi * step / steps))


def generator(seed, step):
    """Every step has a stream of its own, so that a resumed run equals an unbroken one."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


class Stage:
    """A training loop's state on disk: networks, optimiser, step."""

    def __init__(self, path, parts, optimiser):
        self.path, self.parts, self.optimiser, self.step = path, parts, optimiser, 0
        if path.exists():
            state = torch.load(path, weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(state[name])
            optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def save(self, step):
        state = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"optimiser": self.optimiser.state_dict(), "step": step}
        torch.save(state, self.path.with_suffix(".part"))
        self.path.with_suffix(".part").replace(self.path)


def run_stage(stage, steps, rate_at, step_loss, after=None):
    parameters = [p for group in stage.optimiser.param_groups for p in group["params"]]
    began, seen = time.time(), []
    for step in range(stage.step, steps):
        for group in stage.optimiser.param_groups:
            group["lr"] = rate_at(step)
        loss = step_loss(step)
        stage.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        stage.optimiser.step()
        if after:
            after()
        seen.append(loss.item())
        if (step + 1) % 100 == 0:
            print(f"{stage.path.stem} {step + 1}/{steps} loss {sum(seen) / len(seen):.4f} "
                  f"{time.time() - began:.0f} s", flush=True)
            seen = []
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps:
            stage.save(step + 1)


def adamw(parameters, decay):
    return torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=decay)


def train_vae(data, work):
    images = world.load_split(data, "base").tensor()
    seed = world.SEEDS["vae"]
    torch.manual_seed(seed)
    vae = networks.make_vae()
    stage = Stage(work / "vae.pt", {"vae": vae}, adamw(vae.parameters(), 0.0))

    def step_loss(step):
        lots = generator(seed, step)
        batch = images[torch.randint(len(images), (8,), generator=lots)]
        posterior = vae.encode(batch).latent_dist
        noise = torch.randn(posterior.mean.shape, generator=lots)
        decoded = vae.decode(posterior.mean + posterior.std * noise).sample
        divergence = 0.5 * (posterior.mean**2 + posterior.var - 1 - posterior.logvar).mean()
        return F.l1_loss(decoded, batch) + F.mse_loss(decoded, batch) + 2e-4 * divergence

    run_stage(stage, VAE_STEPS, lambda step: cosine_rate(step, VAE_STEPS, 2.5e-3, 100), step_loss)


@torch.no_grad()
def posteriors(vae, images):
    """Means and standard deviations of the latents, unscaled."""
    parts = [vae.encode(chunk).latent_dist for chunk in images.split(100)]
    return torch.cat([p.mean for p in parts]), torch.cat([p.std for p in parts])


def load_vae(data, work):
    """The trained VAE; its scaling factor brings the latents of the base pool to standard deviation 1."""
    vae = networks.make_vae()
    vae.load_state_dict(torch.load(work / "vae.pt", weights_only=True)["vae"])
    images = world.load_split(data, "base").tensor()[:1000]
    mean, std = posteriors(vae, images)
    factor = 1 / math.sqrt((mean.var() + (std**2).mean()).item())
    vae.register_to_config(scaling_factor=round(factor, 5))
    return vae.eval()


class Latents:
    """A split for training the UNet: posteriors, scaled, and the noise schedule."""

    def __init__(self, vae, split):
        self.mean, self.std = posteriors(vae, split.tensor())
        self.scale = vae.config.scaling_factor
        self.alpha_bar = SCHEDULE.alphas_cumprod

    def batch(self, size, lots):
        rows = torch.randint(len(self.mean), (size,), generator=lots)
        z = self.mean[rows] + self.std[rows] * torch.randn(self.mean[rows].shape, generator=lots)
        t = torch.randint(1000, (size,), generator=lots)
        noise = torch.randn(z.shape, generator=lots)
        a = self.alpha_bar[t].view(-1, 1, 1, 1)
        return rows, a.sqrt() * self.scale * z + (1 - a).sqrt() * noise, t, noise


def thinned(caption, lots):
    """A caption as base training sees it: 10 % empty, 20 % a random part of its clauses."""
    lot = torch.rand((), generator=lots).item()
    if lot < 0.1:
        return ""
    if lot < 0.3:
        clauses = caption.split(", ")
        kept = torch.rand(len(clauses), generator=lots) < 0.5
        return ", ".join(c for c, keep in zip(clauses, kept.tolist()) if keep)
    return caption


def train_base(data, work):
    split = world.load_split(data, "base")
    latents = Latents(load_vae(data, work), split)
    tokenizer = networks.load_tokenizer(work / "tokenizer")
    seed = world.SEEDS["base"]
    torch.manual_seed(seed)
    nets = torch.nn.ModuleDict(
        {"unet": networks.make_unet(), "text": networks.make_text_encoder(len(tokenizer))}
    )
    average = torch.optim.swa_utils.AveragedModel(
        nets, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999)
    )
    stage = Stage(work / "base.pt", {"nets": nets, "average": average}, adamw(nets.parameters(), 0.01))

    def step_loss(step):
        lots = generator(seed, step)
        rows, noised, t, noise = latents.batch(32, lots)
        captions = [thinned(split.captions[i], lots) for i in rows.tolist()]
        hidden = nets["text"](networks.tokens(tokenizer, captions)).last_hidden_state
        return F.mse_loss(nets["unet"](noised, t, hidden).sample, noise)

    run_stage(stage, BASE_STEPS, lambda step: cosine_rate(step, BASE_STEPS, 2e-3, 100), step_loss,
              lambda: average.update_parameters(nets))


def load_base(work):
    tokenizer = networks.load_tokenizer(work / "tokenizer")
    unet, text = networks.make_unet(), networks.make_text_encoder(len(tokenizer))
    state = torch.load(work / "base.pt", weights_only=True)["average"]
    for name, part in (("unet", unet), ("text", text)):
        prefix = f"module.{name}."
        part.load_state_dict({k[len(prefix):]: v for k, v in state.items() if k.startswith(prefix)})
    return tokenizer, text.eval(), unet


class FineTune:
    """Base's UNet on a split, captions whole. Neither latents nor conditions change: both are computed once."""

    def __init__(self, data, work, split_name, seed):
        split = world.load_split(data, split_name)
        self.latents = Latents(load_vae(data, work), split)
        tokenizer, text, self.unet = load_base(work)
        self.seed = seed
        self.optimiser = adamw(self.unet.parameters(), 0.01)
        with torch.no_grad():
            self.hidden = text(networks.tokens(tokenizer, split.captions)).last_hidden_state

    def loss(self, step):
        rows, noised, t, noise = self.latents.batch(16, generator(self.seed, step))
        return F.mse_loss(self.unet(noised, t, self.hidden[rows]).sample, noise)


def constant_rate(step, rate):
    return rate * min(1.0, (step + 1) / 50)


def fine_tune(data, work, name):
    split = {"target": "seen", "shadow": "shadow_seen"}[name]
    tuning = FineTune(data, work, split, world.SEEDS[name])
    stage = Stage(work / f"{name}.pt", {"unet": tuning.unet}, tuning.optimiser)
    run_stage(stage, TUNE_STEPS, lambda step: constant_rate(step, TUNE_RATE), tuning.loss)


def save(data, work, out):
    vae = load_vae(data, work)
    for name in ("base", "target", "shadow"):
        _, text, unet = load_base(work)
        if name != "base":
            unet.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True)["unet"])
        networks.save_pipeline(Path(out) / name, vae, text, work / "tokenizer", unet)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", help="folder that export_faces wrote")
    parser.add_argument("work", type=Path, help="folder for checkpoints")
    parser.add_argument("stage", choices=["tokenizer", "vae", "base", "target", "shadow", "save"])
    parser.add_argument("path", nargs="?", help="tokenizer: CLIP's merges; save: the folder for the models")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    if options.stage == "tokenizer":
        captions = [c for name in world.POOLS for c in world.load_split(options.data, name).captions]
        networks.write_tokenizer(captions, options.path, options.work / "tokenizer")
    elif options.stage == "vae":
        train_vae(options.data, options.work)
    elif options.stage == "base":
        train_base(options.data, options.work)
    elif options.stage == "save":
        save(options.data, options.work, options.path)
    else:
        fine_tune(options.data, options.work, options.stage)


if __name__ == "__main__":
    main()
