"""The calls of bench_gpu in PyTorch, diffusers and transformers on the GPU, each in its fastest way: channels last, scaled
dot-product attention, eager, as a CUDA graph, and compiled where that was asked for. For tools/test-gpu: lines
"torch WHAT TYPE BATCH SECONDS MIB" of the best way so far; MIB is what the device has in use, by anybody.

python tests/bench/peer_gpu.py [--compile] [CASE ...]   CASE: gemm:bf16:1 unet:bf16:1 encode:f32:1 decode:bf16:4 clip:bf16:16 …

Inputs and outputs stay on the GPU (bench_gpu's travel).
"""
import argparse
import functools
import time
import warnings

import torch

from peer_torch import Call, inputs, network

CASES = ("gemm:bf16:1 unet:bf16:1 unet:bf16:8 unet:bf16:16 unet:bf16:32 unet:bf16:64 encode:bf16:1 encode:bf16:4 decode:bf16:1 decode:bf16:4 "
         "clip:bf16:1 clip:bf16:16 gemm:f32:1 unet:f32:1 encode:f32:1 decode:f32:1 clip:f32:1").split()
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16}


def best(call, seconds=2.0):
    """Seconds of the best call after three that do not count."""
    times = []
    for i in range(23):
        torch.cuda.synchronize()
        start = time.perf_counter()
        call()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        if i >= 5 and sum(times) > seconds:
            break
    return min(times[3:])


def graphed(call):
    """The call as a CUDA graph."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


class Text(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from transformers import CLIPTextConfig, CLIPTextModel
        self.net = CLIPTextModel(CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12))

    def forward(self, ids):
        return self.net(ids).last_hidden_state


@functools.lru_cache(maxsize=1)
def module(what, dtype):
    with torch.device("cuda"):  # where its weights are made
        net = Text() if what == "clip" else Call(network(what), what)
    return net.eval().to(dtype).to(memory_format=torch.channels_last)


def arguments(what, dtype, batch):
    if what == "clip":
        return (torch.randint(0, 49000, (batch, 77), device="cuda"),)
    return tuple(x.to("cuda") for x in inputs(what, batch, dtype))


class Report:
    def __init__(self, what, kind, batch):
        self.name, self.least = f"{what} {kind} {batch}", float("inf")

    def __call__(self, way, seconds):
        print(f"# {self.name} {way}: {seconds:.6f} s", flush=True)
        if seconds < self.least:
            self.least = seconds
            free, total = torch.cuda.mem_get_info()
            print(f"torch {self.name} {seconds:.6f} {(total - free) >> 20}", flush=True)


def gemm(report, dtype):
    n = 8192
    a, b = (torch.randn(n, n, device="cuda").to(dtype) for _ in range(2))
    def eight():
        for _ in range(8):
            a @ b
    report("eager", best(eight) / 8)


def run(case, compile):
    what, kind, batch = case.split(":")
    report = Report(what, kind, int(batch))
    if what == "gemm":
        return gemm(report, TYPES[kind])
    net, x = module(what, TYPES[kind]), arguments(what, TYPES[kind], int(batch))
    if compile:
        compiled = torch.compile(net, dynamic=False)
        return report("compiled, graph", best(graphed(lambda: compiled(*x))))
    report("eager", best(lambda: net(*x)))
    report("graph", best(graphed(lambda: net(*x))))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("cases", nargs="*", default=CASES)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    print(f"# torch {torch.__version__}, {torch.cuda.get_device_name()}", flush=True)
    with torch.inference_mode():
        for case in options.cases:
            try:
                run(case, options.compile)
            except Exception as e:  # one case's failure is not the next one's
                print(f"# {case}: {type(e).__name__}: {str(e).splitlines()[:1]}", flush=True)
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
