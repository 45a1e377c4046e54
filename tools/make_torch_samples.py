#!/usr/bin/env python3
"""Makes tests/golden/torch/ and tests/golden/safetensors/ with PyTorch and safetensors. Run by hand; the
files are kept. The tests hold the same values as literals or formulas."""
import collections
import os
import sys

import numpy as np
import safetensors.torch
import torch

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden")
os.makedirs(os.path.join(root, "torch"), exist_ok=True)
os.makedirs(os.path.join(root, "safetensors"), exist_ok=True)

# Every type that PyTorch can hand to safetensors, in 8 bytes (16 elements of 4 bits) of value 0, 1, 2, …
mixed = {}
for name in ("bool uint8 int8 float8_e5m2 float8_e4m3fn float8_e8m0fnu float8_e4m3fnuz float8_e5m2fnuz int16 uint16 "
             "float16 bfloat16 int32 uint32 float32 complex64 float64 int64 uint64 float4_e2m1fn_x2").split():
    raw = torch.arange(8, dtype=torch.uint8) % (2 if name == "bool" else 8)
    mixed["t." + name] = raw.view(getattr(torch, name))
mixed["scalar"] = torch.tensor(0.5)
mixed["empty"] = torch.zeros(2, 0, 3)
mixed["nom \"é\"\n"] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
safetensors.torch.save_file(mixed, os.path.join(root, "safetensors", "mixed.safetensors"), {"format": "pt"})


def state():
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    d = collections.OrderedDict()
    d["dense"] = base
    d["transposed"] = base.permute(2, 0, 1)  # strides 1, 12, 4
    d["slice"] = base[:, 1:, ::2]  # offset 4, strides 12, 4, 2
    d["expanded"] = torch.tensor([1.5, -2.5]).unsqueeze(1).expand(2, 3)  # stride 0
    d["scalar"] = torch.tensor(7, dtype=torch.int64)
    d["empty"] = torch.zeros(0, 3)
    d["half"] = torch.tensor([1, -0.5, 65504], dtype=torch.float16)
    d["bfloat16"] = torch.tensor([1, -0.5, 3.0e38], dtype=torch.bfloat16)
    d["double"] = torch.tensor([0.1, -1e300], dtype=torch.float64)
    d["int"] = torch.tensor([-1, 2], dtype=torch.int32)
    d["short"] = torch.tensor([-1, 2], dtype=torch.int16)
    d["char"] = torch.tensor([-1, 2], dtype=torch.int8)
    d["byte"] = torch.tensor([255, 2], dtype=torch.uint8)
    d["bool"] = torch.tensor([True, False])
    d["parameter"] = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    return d


def nested():
    return {"epoch": 3, "lr": 1e-4, "name": "run", "none": None, "ok": True, "big": 2 ** 70, "size": torch.Size([2, 3]),
            "betas": (0.9, 0.999), "state_dict": {"model": state(), "plain": torch.tensor([1.0])},
            "device": torch.device("cpu"), "dtype": torch.float16}


def save(name, value, **options):
    torch.save(value, os.path.join(root, "torch", name), **options)


module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
with torch.no_grad():
    for k, v in module.state_dict().items():
        v.copy_(torch.arange(v.numel(), dtype=v.dtype).reshape(v.shape))
save("state.pth", state())
save("state-legacy.pth", state(), _use_new_zipfile_serialization=False)
save("nested.ckpt", nested())
save("nested-legacy.ckpt", nested(), _use_new_zipfile_serialization=False)
save("module.pth", module.state_dict())  # carries _metadata, so BUILD
# types whose storages are untyped (_rebuild_tensor_v3) but for complex64: 8 bytes 1, 2, … each
save("types.pth", {name: torch.arange(1, 9, dtype=torch.uint8).view(getattr(torch, name)) for name in
                   "uint16 uint32 uint64 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz float8_e8m0fnu complex64".split()})
save("complex128.pth", {"w": torch.zeros(1, dtype=torch.complex128)})
tied = torch.nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
for name, options in (("shared.pth", {}), ("shared-legacy.pth", {"_use_new_zipfile_serialization": False})):
    save(name, {"in": tied, "out": tied, "transposed": tied.detach().t(), "row": tied.detach()[1], "nothing": tied.detach()[:0]}, **options)
torch.serialization.set_crc32_options(False)
save("no-checksums.pth", {"in": tied})
torch.serialization.set_crc32_options(True)
save("protocol4.pth", state(), pickle_protocol=4)
save("list.pth", [torch.tensor([1.0]), {"a": torch.tensor([2.0])}, (torch.tensor([3.0]),)])
save("optimizer.pth", {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.tensor([1.0])}}, "param_groups": [{"lr": 1e-3, "params": [0]}]})
save("numpy-scalar.pth", {"loss": np.float64(0.5), "w": torch.tensor([1.0])})


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


class Evaluate:
    def __reduce__(self):
        return eval, ("1",)


save("evil.pth", {"w": torch.tensor([1.0]), "x": Evil()})
save("evil-legacy.pth", {"w": torch.tensor([1.0]), "x": Evil()}, _use_new_zipfile_serialization=False)
save("eval.pth", {"w": torch.tensor([1.0]), "x": Evaluate()})
save("whole-module.pth", torch.nn.Linear(1, 1))  # a pickled class, not a state dict
for f in sorted(os.listdir(os.path.join(root, "torch"))):
    print(f, os.path.getsize(os.path.join(root, "torch", f)), file=sys.stderr)
