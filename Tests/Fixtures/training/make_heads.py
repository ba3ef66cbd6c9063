#!/usr/bin/env python3
"""Makes heads.expected: for every head that Cloze trains, weights, a batch, and what PyTorch says of them: the loss, its
gradients, and the weights after three steps of AdamW.

    python3 -m venv /some/venv && /some/venv/bin/pip install torch==2.15.0 numpy==2.4.6
    /some/venv/bin/python Tests/Fixtures/training/make_heads.py

Losses and gradients are computed in float64, steps in float32. The format is in ../README.md; arrays of a head are called
"HEAD NAME". The fixture is committed; the script is for making it anew.
"""

import struct
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

WIDTH, VOCABULARY = 20, 53
ACTIVATIONS = {
    "none": lambda z: z, "gelu": F.gelu, "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"), "relu": F.relu,
    "tanh": torch.tanh}
#: Rows of the two items of tags and of the two windows of answers.
BOUNDS = [0, 5, 12]


def cross_entropy(logits, batch):
  return F.cross_entropy(
      logits, batch["classes"].long(), weight=batch.get("class_weights"), ignore_index=-1,
      label_smoothing=float(batch.get("smoothing", 0)))


def span_cross_entropy(logits, batch):
  """Of the first and of the last token, each over the tokens of its window, halved as BERT does."""
  loss = 0
  for item, span in enumerate(batch["spans"]):
    window = logits[BOUNDS[item]:BOUNDS[item + 1]]
    loss = loss + sum(F.cross_entropy(window[:, side], span[side].long()) for side in (0, 1)) / 2
  return loss / len(batch["spans"])


LOSSES = {
    "classes": cross_entropy, "spans": span_cross_entropy,
    "labels": lambda logits, batch: F.binary_cross_entropy_with_logits(logits, batch["labels"]),
    "values": lambda logits, batch: F.mse_loss(logits[:, 0], batch["values"])}


def forward(x, weights, layers):
  for i, (_, _, activation, epsilon) in enumerate(layers):
    x = ACTIVATIONS[activation](F.linear(x, weights[f"{i}.weight"], weights[f"{i}.bias"]))
    if epsilon:
      x = F.layer_norm(x, x.shape[-1:], weights[f"{i}.gamma"], weights[f"{i}.beta"], epsilon)
  return x


def case(name, layers, kind, batch, arrays, seed):
  generator = np.random.default_rng(seed)
  rows = 12 if kind != "values" else 6
  rows = len(batch["classes"]) if "classes" in batch else rows
  rows = len(batch["labels"]) if "labels" in batch else rows
  given = {"x": generator.normal(size=(rows, WIDTH))}
  weights = {}
  for i, (inputs, outputs, _, epsilon) in enumerate(layers):
    weights[f"{i}.weight"] = generator.normal(size=(outputs, inputs)) / np.sqrt(inputs)
    weights[f"{i}.bias"] = generator.normal(size=outputs) * 0.1
    if epsilon:
      weights[f"{i}.gamma"] = 1 + 0.1 * generator.normal(size=outputs)
      weights[f"{i}.beta"] = 0.1 * generator.normal(size=outputs)
  for key, value in (given | weights).items():
    arrays[f"{name} {key}"] = value.astype(np.float32)
  for key, value in batch.items():
    integer = key in ("classes", "spans")
    arrays[f"{name} {key}"] = np.asarray(value, np.int32 if integer else np.float32)
  # Doubles of the floats that are stored.
  double = {key: torch.tensor(arrays[f"{name} {key}"]).double() for key in [*given, *weights, *batch]}
  for key in weights:
    double[key].requires_grad_(True)
  loss = LOSSES[kind](forward(double["x"], double, layers), double)
  loss.backward()
  arrays[f"{name} loss"] = np.array([loss.item()], np.float32)
  stepped = {key: torch.tensor(arrays[f"{name} {key}"], requires_grad=True) for key in weights}
  optimizer = torch.optim.AdamW(
      [{"params": [value for value in stepped.values() if value.dim() > 1], "weight_decay": 0.01},
       {"params": [value for value in stepped.values() if value.dim() == 1], "weight_decay": 0.0}], lr=1e-3)
  for factor in (1, -0.5, 2):
    for key in weights:
      stepped[key].grad = factor * double[key].grad.float()
    optimizer.step()
  for key in weights:
    arrays[f"{name} {key} gradient"] = double[key].grad.float().numpy()
    arrays[f"{name} {key} stepped"] = stepped[key].detach().numpy()


def main():
  chance = np.random.default_rng(1)
  arrays = {}

  def pooled(outputs, kind):
    classes = {"classes": chance.integers(0, outputs, 8)}
    return {
        "classes": classes, "labels": {"labels": chance.integers(0, 2, (8, outputs))},
        "values": {"values": chance.normal(size=6)}}[kind]

  tags = chance.integers(0, 5, BOUNDS[-1])
  tags[3] = -1
  cases = [
      ("classify", 3, "classes", pooled(3, "classes"), "gelu"),
      ("classify-pairs", 2, "classes", pooled(2, "classes"), "tanh"),
      ("multilabel", 4, "labels", pooled(4, "labels"), "relu"),
      ("regress", 1, "values", pooled(1, "values"), "gelu_tanh"),
      ("regress-pairs", 1, "values", pooled(1, "values"), "none"),
      ("tag", 5, "classes", {"classes": tags}, "gelu"),
      ("answer", 2, "spans", {"spans": [[0, 0], [3, 5]]}, "gelu_tanh")]
  for seed, (name, outputs, kind, batch, activation) in enumerate(cases):
    if name in ("classify", "tag"):
      batch |= {"smoothing": [0.1], "class_weights": 0.5 + chance.random(outputs)}
    case(name, [(WIDTH, outputs, "none", None)], kind, batch, arrays, 2 * seed)
    case(
        f"{name}-hidden-{activation}", [(WIDTH, 7, activation, None), (7, outputs, "none", None)], kind, batch, arrays,
        2 * seed + 1)
  case(
      "mlm", [(WIDTH, WIDTH, "relu", 1e-12), (WIDTH, VOCABULARY, "none", None)], "classes",
      {"classes": chance.integers(0, VOCABULARY, 9)}, arrays, 100)
  case(
      "nsp", [(WIDTH, WIDTH, "tanh", None), (WIDTH, 2, "none", None)], "classes", {"classes": chance.integers(0, 2, 7)},
      arrays, 101)
  with open(Path(__file__).parent / "heads.expected", "wb") as file:
    file.write(b"CLZEXP1\n" + struct.pack("<I", len(arrays)))
    for name, array in arrays.items():
      kind = 1 if array.dtype == np.int32 else 0
      file.write(struct.pack("<I", len(name)) + name.encode())
      file.write(struct.pack(f"<II{array.ndim}I", kind, array.ndim, *array.shape))
      file.write(np.ascontiguousarray(array).tobytes())


if __name__ == "__main__":
  main()
