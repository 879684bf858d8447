"""Computes a network's logits with Python's PyTorch, from the bytes of a safetensors file.

usage: logits.py WEIGHTS TORCHSCRIPT EXAMPLES
Prints two lines: the logits of the network below, and those of the TorchScript file, for the examples, which are
FP32 values [n, 3, 16, 16] one after the other.
"""
import json
import struct
import sys

import torch
from torch import nn


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(),
        Residual(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.GELU()),
        nn.MaxPool2d(2), nn.LayerNorm([8, 4, 4]), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(32, 5))


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, what in json.loads(data[8:8 + length]).items():
        begin, end = (8 + length + offset for offset in what["data_offsets"])
        tensors[name] = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(what["shape"])
    return tensors


def main():
    weights, script, examples = sys.argv[1:]
    with open(examples, "rb") as file:
        x = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).reshape(-1, 3, 16, 16)
    module = network()
    tensors = read_safetensors(weights)
    names = {name for name in module.state_dict() if not name.endswith("num_batches_tracked")}
    assert names == set(tensors), names ^ set(tensors)
    module.load_state_dict(tensors, strict=False)
    module.eval()
    with torch.no_grad():
        for one in (module, torch.jit.load(script)):
            print(json.dumps(one(x).flatten().tolist()))


main()
