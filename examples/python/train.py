"""Softmax regression on a table, in plain Python: writes a model that mlpipe-serve answers from.

What makes a folder a model is model.yaml beside the weights; see `mlpipe models check DIR`.
"""
import argparse
import csv
import json
import math
import pathlib
import random
import struct


def read_table(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    columns, rows = rows[0][:-1], rows[1:]
    labels = sorted({row[-1] for row in rows})
    examples = [([float(value) for value in row[:-1]], labels.index(row[-1])) for row in rows]
    return columns, labels, examples


def moments(values):
    mean = sum(values) / len(values)
    return mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values)) or 1.0


def scores_of(weights, bias, values):
    logits = [sum(w * x for w, x in zip(row, values)) + b for row, b in zip(weights, bias)]
    largest = max(logits)
    parts = [math.exp(logit - largest) for logit in logits]
    return [part / sum(parts) for part in parts]


def train(examples, values, classes, epochs, lr):
    weights = [[0.0] * values for _ in range(classes)]
    bias = [0.0] * classes
    for _ in range(epochs):
        for x, target in examples:
            for k, score in enumerate(scores_of(weights, bias, x)):
                error = score - (k == target)
                bias[k] -= lr * error
                for i in range(values):
                    weights[k][i] -= lr * error * x[i]
    return weights, bias


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, shape, values in tensors:
        packed = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--lr", type=float, default=0.05)
    options = parser.parse_args()
    columns, labels, examples = read_table(options.data)
    random.Random(7).shuffle(examples)
    held_out, training = examples[: len(examples) // 5], examples[len(examples) // 5 :]
    scale = [moments([x[i] for x, _ in training]) for i in range(len(columns))]

    def scaled(part):
        return [([(v - mean) / deviation for v, (mean, deviation) in zip(x, scale)], y) for x, y in part]

    weights, bias = train(scaled(training), len(columns), len(labels), options.epochs, options.lr)
    right = 0
    for x, target in scaled(held_out):
        scores = scores_of(weights, bias, x)
        right += scores.index(max(scores)) == target

    model = pathlib.Path("model")
    model.mkdir(exist_ok=True)
    # The names that PyTorch's nn.Sequential gives: layer 0 is `linear`.
    write_safetensors(
        model / "weights.safetensors",
        [
            ("0.weight", [len(labels), len(columns)], [value for row in weights for value in row]),
            ("0.bias", [len(labels)], bias),
        ],
    )
    ranges = [(min(x[i] for x, _ in training), max(x[i] for x, _ in training)) for i in range(len(columns))]
    description = {
        "mlpipe-model": 1,
        "name": "iris",
        "task": "classification",
        "input": {"shape": [len(columns)]},
        "columns": [
            {"name": name, "least": least, "most": most} for name, (least, most) in zip(columns, ranges)
        ],
        "labels": labels,
        "preprocessing": {
            "scale": "standardize",
            "offset": [mean for mean, _ in scale],
            "divisor": [deviation for _, deviation in scale],
        },
        "network": [{"linear": "auto"}],
        "weights": {},
    }
    (model / "model.yaml").write_text(json.dumps(description, indent=1) + "\n")  # YAML holds all of JSON
    pathlib.Path("metrics.json").write_text(json.dumps({"accuracy": right / len(held_out)}))


main()
