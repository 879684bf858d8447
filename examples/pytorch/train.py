"""A network in PyTorch: goes on from its checkpoint, and writes TorchScript that mlpipe-serve answers from."""
import argparse
import csv
import json
import os
import pathlib

import torch
from torch import nn


def read_table(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    labels = sorted({row[-1] for row in rows[1:]})
    x = torch.tensor([[float(value) for value in row[:-1]] for row in rows[1:]])
    return labels, x, torch.tensor([labels.index(row[-1]) for row in rows[1:]])


class Net(nn.Module):
    """Takes raw examples, gives logits: what it does to them before is a part of it."""

    def __init__(self, x, classes):
        super().__init__()
        self.register_buffer("mean", x.mean(0))
        self.register_buffer("deviation", x.std(0))
        self.layers = nn.Sequential(nn.Linear(x.shape[1], 16), nn.ReLU(), nn.Linear(16, classes))

    def forward(self, x):
        return self.layers((x - self.mean) / self.deviation)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--lr", type=float, default=0.02)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.use_deterministic_algorithms(True)
    labels, x, y = read_table(options.data)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(7))
    held_out, training = order[: len(x) // 5], order[len(x) // 5 :]
    net = Net(x[training], len(labels))
    optimizer = torch.optim.Adam(net.parameters(), lr=options.lr)
    checkpoint = pathlib.Path(os.environ["MLPIPE_CHECKPOINT_DIR"]) / "state.pt"
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"]
    with open(os.environ["MLPIPE_PROGRESS"], "a") as progress:
        for epoch in range(first, options.epochs):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x[training]), y[training])
            loss.backward()
            optimizer.step()
            state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1}
            torch.save(state, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").rename(checkpoint)
            line = {"done": epoch + 1, "total": options.epochs, "unit": "epoch", "text": f"loss {loss:.4f}"}
            print(json.dumps(line), file=progress, flush=True)
    net.eval()
    accuracy = (net(x[held_out]).argmax(1) == y[held_out]).float().mean().item()
    model = pathlib.Path("model")
    model.mkdir(exist_ok=True)
    torch.jit.script(net).save(str(model / "model.pt"))
    description = {
        "mlpipe-model": 1,
        "name": "iris",
        "task": "classification",
        "input": {"shape": [x.shape[1]]},
        "labels": labels,
        "weights": {"file": "model.pt"},
    }
    (model / "model.yaml").write_text(json.dumps(description, indent=1) + "\n")  # YAML holds all of JSON
    pathlib.Path("metrics.json").write_text(json.dumps({"accuracy": accuracy}))


main()
