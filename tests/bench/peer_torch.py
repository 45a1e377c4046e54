"""The networks of bench_unet in PyTorch and diffusers (channels last): one JSON line each, for tests/bench/run.

python tests/bench/peer_torch.py [--threads 2] [--repeats 5] [CASE ...]   CASE: unet:f32:1, encode:bf16:1, peak:f32 …
"""
import argparse
import json
import time

import torch

CASES = "peak:f32 peak:bf16 unet:f32:1 unet:f32:4 unet:bf16:1 unet:bf16:4 encode:f32:1 encode:bf16:1 decode:f32:1 decode:bf16:1".split()


def memory():
    """MiB: the highest resident set, and anonymous memory now."""
    with open("/proc/self/status") as status:
        facts = dict(line.split(":", 1) for line in status)
    return {"hwm_mib": int(facts["VmHWM"].split()[0]) >> 10, "anon_mib": int(facts["RssAnon"].split()[0]) >> 10}


def network(what):
    """A network of SD1.5's shape with random weights, and how it is called."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    if what == "unet":
        return UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    return AutoencoderKL(block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4,
                         up_block_types=("UpDecoderBlock2D",) * 4, layers_per_block=2, sample_size=512)


def inputs(what, batch, dtype):
    shapes = {"unet": (batch, 4, 64, 64), "encode": (batch, 3, 512, 512), "decode": (batch, 4, 64, 64)}
    x = torch.randn(shapes[what]).to(dtype).contiguous(memory_format=torch.channels_last)
    return (x, torch.full((batch,), 450), torch.randn(batch, 77, 768).to(dtype)) if what == "unet" else (x,)


class Call(torch.nn.Module):
    """One way into a network, with tensors alone."""

    def __init__(self, net, what):
        super().__init__()
        self.net, self.what = net, what

    def forward(self, *x):
        if self.what == "unet":
            return self.net(*x, return_dict=False)[0]
        if self.what == "encode":
            return self.net.quant_conv(self.net.encoder(x[0]))
        return self.net.decoder(self.net.post_quant_conv(x[0]))


def best(call, repeats):
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def peak(dtype, repeats):
    """FLOP/s of a large product: what the processor gives to anybody."""
    n = 4096
    a, b = torch.randn(n, n).to(dtype), torch.randn(n, n).to(dtype)
    return 2 * n**3 / best(lambda: a @ b, repeats)


def run(case, repeats):
    what, kind, *batch = case.split(":")
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
    line = {"peer": "torch", "what": what, "dtype": kind, "version": torch.__version__}
    if what == "peak":
        return line | {"flops": peak(dtype, repeats)}
    batch = int(batch[0])
    call = Call(network(what), what).eval().to(dtype).to(memory_format=torch.channels_last)
    x = inputs(what, batch, dtype)
    from torch.utils.flop_counter import FlopCounterMode
    with FlopCounterMode(display=False) as counter:
        call(*x)
    return line | {"batch": batch, "seconds": best(lambda: call(*x), repeats), "flop": counter.get_total_flops()} | memory()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("cases", nargs="*", default=CASES)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with torch.inference_mode():
        for case in options.cases:
            print(json.dumps(run(case, options.repeats)), flush=True)


if __name__ == "__main__":
    main()
