"""Compares the loss of `cloze train --unfreeze N`, step by step, with PyTorch's from the same weights and batches.

    python3 benchmarks/compare_loss_curve.py --cloze PROGRAM --model FOLDER --data PAIRS.tsv [--unfreeze 2|all]
                                             [--steps 50]

FOLDER holds model.onnx as PyTorch exports a BERT, config.json and vocab.txt. Each line of PAIRS.tsv is two texts and a
class; there is no header. Exits with 1 if a loss differs by more than --bound. Needs numpy, onnx, PyTorch and
transformers.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from transformers import BertConfig, BertModel, BertTokenizer

MASK = (1 << 64) - 1


def mixed(z):
  z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
  z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
  return z ^ (z >> 31)


def order(count, seed, *names):
  """The permutation that Cloze's TrainingRandom(seed, names...).order(count) gives."""
  state = mixed((seed + 0x9E3779B97F4A7C15) & MASK)
  for name in names:
    state = mixed(state ^ mixed((name + 0xD1B54A32D192ED03) & MASK))
  places = list(range(count))
  for i in range(count - 1, 0, -1):
    state = (state + 0x9E3779B97F4A7C15) & MASK
    j = mixed(state) * (i + 1) >> 64
    places[i], places[j] = places[j], places[i]
  return places


def weights(path):
  """Parameters of the ONNX file under PyTorch's names. The exporter leaves matrices of dense layers unnamed; they take
  the name of the bias that is added to their product."""
  graph = onnx.load(path).graph
  values = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
  products = {}
  for node in graph.node:
    if node.op_type == "MatMul" and node.input[1] in values:
      products[node.output[0]] = values[node.input[1]]
  result = dict(values)
  for node in graph.node:
    if node.op_type == "Add":
      for bias, product in (node.input, reversed(node.input)):
        if product in products and bias in values:
          result[bias.removesuffix("bias") + "weight"] = products[product].T
  # Exporters put the name of the whole model before these.
  return {
      re.sub(r"^.*?(?=embeddings\.|encoder\.layer)", "", name): torch.tensor(np.ascontiguousarray(value))
      for name, value in result.items() if value.dtype == np.float32}


def main():
  parser = argparse.ArgumentParser()
  for name in ("--cloze", "--model", "--data"):
    parser.add_argument(name, required=True)
  parser.add_argument("--unfreeze", default="2", help="a number of layers, or all, with the embeddings")
  parser.add_argument("--steps", type=int, default=50)
  parser.add_argument("--batch-size", type=int, default=16)
  parser.add_argument("--learning-rate", type=float, default=5e-5)
  parser.add_argument("--bound", type=float, default=1e-3)
  options = parser.parse_args()
  lines = [line for line in Path(options.data).read_text().split("\n") if line]
  lines = lines[:options.steps * options.batch_size]
  folder = Path(options.model)
  config = BertConfig.from_json_file(folder / "config.json")
  config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
  model = BertModel(config, add_pooling_layer=False).train()
  missing, _ = model.load_state_dict(weights(folder / "model.onnx"), strict=False)
  assert not [name for name in missing if "position_ids" not in name], missing
  with tempfile.TemporaryDirectory() as work:
    for name, part in (("train", lines), ("valid", lines[:16])):
      Path(work, f"{name}.tsv").write_text("\n".join(part) + "\n")
    subprocess.run(
        [options.cloze, "train", "classify-pairs", "--model", folder, "--precision", "float32", "--data",
         f"{work}/train.tsv", "--valid", f"{work}/valid.tsv", "--no-quotes", "--output", f"{work}/head", "--unfreeze",
         options.unfreeze, "--dropout", "0", "--epochs", "1", "--batch-size", str(options.batch_size),
         "--learning-rate", str(options.learning_rate)], check=True, stdout=subprocess.DEVNULL)
    steps = [json.loads(line) for line in Path(work, "head", "steps.jsonl").read_text().splitlines()]
  ours = [step["loss"] for step in steps if "step" in step]
  head = torch.nn.Linear(config.hidden_size, 2)
  torch.nn.init.zeros_(head.weight)
  torch.nn.init.zeros_(head.bias)
  for parameter in model.parameters():
    parameter.requires_grad_(False)
  trained = list(head.parameters())
  count = len(model.encoder.layer) if options.unfreeze == "all" else int(options.unfreeze)
  for layer in model.encoder.layer[-count:]:
    trained += layer.parameters()
  if count == len(model.encoder.layer):
    trained += model.embeddings.parameters()
  for parameter in trained:
    parameter.requires_grad_(True)
  optimizer = torch.optim.AdamW(
      [{"params": [p for p in trained if p.dim() > 1], "weight_decay": 0.01},
       {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0}], lr=options.learning_rate)
  tokenizer = BertTokenizer(str(folder / "vocab.txt"), do_lower_case=True)
  rows = [line.split("\t") for line in lines]
  labels = sorted({row[2] for row in rows})
  places = order(len(rows), 0, 3, 1)
  total = len(ours)
  warmup = round(0.1 * total)
  worst = 0.0
  for step in range(total):
    chosen = [rows[i] for i in places[step * options.batch_size:(step + 1) * options.batch_size]]
    batch = tokenizer([row[0] for row in chosen], [row[1] for row in chosen], padding=True, return_tensors="pt")
    mask = batch["attention_mask"].unsqueeze(-1).float()
    states = model(**batch).last_hidden_state
    logits = head((states * mask).sum(1) / mask.sum(1))
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([labels.index(row[2]) for row in chosen]))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    rate = (step + 1) / (warmup + 1) if step < warmup else 1 - (step - warmup) / (total - warmup)
    for group in optimizer.param_groups:
      group["lr"] = options.learning_rate * rate
    optimizer.step()
    worst = max(worst, abs(loss.item() - ours[step]))
    if step % 10 == 9 or step + 1 == total:
      print(f"step {step + 1}: Cloze {ours[step]:.6f}, PyTorch {loss.item():.6f}; largest difference so far {worst:.1e}")
  sys.exit(worst > options.bound)


if __name__ == "__main__":
  main()
