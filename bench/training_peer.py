"""Trains examples/mnist's network with Python's PyTorch and prints the images a second of each epoch.

usage: training_peer.py IMAGES LABELS THREADS EPOCHS tuned|installed
tuned: the memory format and the settings of the allocator that mlpipe-train has; installed: as Python comes.
"""
import ctypes
import struct
import sys
import time

if sys.argv[5] == "tuned":  # before the first allocation that matters
    libc = ctypes.CDLL("libc.so.6")
    M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
    libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)

import warnings

warnings.filterwarnings("ignore")  # NumPy is not needed
import torch
from torch import nn


def read(path, offset):
    with open(path, "rb") as file:
        data = bytearray(file.read())
    return torch.frombuffer(data, dtype=torch.uint8, offset=offset), struct.unpack(">I", data[4:8])[0]


torch.set_num_threads(int(sys.argv[3]))
torch.manual_seed(0)
images, count = read(sys.argv[1], 16)
labels, _ = read(sys.argv[2], 8)
images = images.reshape(count, 1, 28, 28).float() / 255
labels = labels.long()
network = nn.Sequential(
    nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
    nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10))
layout = torch.channels_last if sys.argv[5] == "tuned" else torch.contiguous_format
network = network.to(memory_format=layout)
optimizer = torch.optim.Adadelta(network.parameters(), lr=1.0)
cross_entropy = nn.CrossEntropyLoss()
for epoch in range(int(sys.argv[4])):
    start = time.perf_counter()
    total = torch.zeros(())
    order = torch.randperm(count)
    for first in range(0, count, 128):
        rows = order[first : first + 128]
        batch = images[rows].contiguous(memory_format=layout)
        optimizer.zero_grad()
        loss = cross_entropy(network(batch), labels[rows])
        loss.backward()
        optimizer.step()
        total += loss.detach()
    assert torch.isfinite(total)
    print(count / (time.perf_counter() - start), flush=True)
