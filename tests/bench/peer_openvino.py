"""The networks of bench_unet in OpenVINO, converted from diffusers' modules: one JSON line each, for tests/bench/run.

python tests/bench/peer_openvino.py [--threads 2] [--repeats 5] [CASE ...]   CASE: unet:f32:1, encode:bf16:1 …
"""
import argparse
import gc
import json

import openvino
import torch

import peer_torch


def run(case, threads, repeats):
    what, kind, batch = case.split(":")
    batch = int(batch)
    x = peer_torch.inputs(what, batch, torch.float32)
    call = peer_torch.Call(peer_torch.network(what), what).eval()
    model = openvino.convert_model(call, example_input=x)
    model.reshape({port: tuple(value.shape) for port, value in zip(model.inputs, x)})
    del call
    gc.collect()
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": kind, "INFERENCE_NUM_THREADS": threads,
                                                            "NUM_STREAMS": 1})
    request = compiled.create_infer_request()
    arrays = [value.contiguous().numpy() for value in x]
    return {"peer": "openvino", "what": what, "dtype": kind, "version": openvino.__version__.split("-")[0], "batch": batch,
            "seconds": peer_torch.best(lambda: request.infer(arrays), repeats)} | peer_torch.memory()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("cases", nargs="*", default=[c for c in peer_torch.CASES if not c.startswith("peak")])
    options = parser.parse_args()
    torch.manual_seed(0)
    with torch.inference_mode():
        for case in options.cases:
            print(json.dumps(run(case, options.threads, options.repeats)), flush=True)


if __name__ == "__main__":
    main()
