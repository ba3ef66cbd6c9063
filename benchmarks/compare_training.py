"""Times pre-training and fine-tuning of a whole network by PyTorch, in turns with Cloze.

    python3 benchmarks/compare_training.py pretrain --cloze PROGRAM --data CORPUS.txt [--rounds 5] [--steps 12]
    python3 benchmarks/compare_training.py finetune --cloze PROGRAM --model FOLDER --data TEXTS.tsv [--rounds 3]

Both sides do the same work in float32 on as many threads as the process may use. pretrain: a BERT of 4 layers, 256 wide,
with 8,000 words, batches of 32 x 128 tokens, masked words and next sentence; tokens a second. finetune: one epoch of a
sequence classifier over all layers, batches of 32, texts padded to the longest of their batch, dropout 0.1; FOLDER is one
that `cloze pretrain` wrote (`--from MODEL --steps 1 --learning-rate 0` gives one with a model's own weights), each line of
TEXTS.tsv a text and 0 or 1. Cloze's time is that of the whole process there, PyTorch's that of the steps alone. PyTorch
has its fused AdamW and scaled_dot_product_attention. Prints each round and the median of the ratios. Needs PyTorch and
transformers.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel

BATCH, LENGTH, WORDS, WIDTH = 32, 128, 8000, 256


def run(*command):
  subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def pretrain_cloze(options):
  """Tokens a second, without the first steps."""
  with tempfile.TemporaryDirectory() as folder:
    run(options.cloze, "pretrain", "--data", options.data, "--steps", str(options.steps + 4), "--holdout", "0.001",
        "--output", folder, "--overwrite")
    steps = [json.loads(line) for line in Path(folder, "steps.jsonl").read_text().splitlines()]
    first, last = steps[3], steps[-1]
    return (last["tokens"] - first["tokens"]) / (last["seconds"] - first["seconds"])


def pretrain_torch(options):
  config = BertConfig(vocab_size=WORDS, hidden_size=WIDTH, num_hidden_layers=4, num_attention_heads=4,
                      intermediate_size=4 * WIDTH, max_position_embeddings=LENGTH, hidden_dropout_prob=0,
                      attention_probs_dropout_prob=0, attn_implementation="sdpa")
  model = BertModel(config).train()
  transform = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.LayerNorm(WIDTH, eps=1e-12))
  bias, pairs = nn.Parameter(torch.zeros(WORDS)), nn.Linear(WIDTH, 2)
  parameters = [*model.parameters(), *transform.parameters(), bias, *pairs.parameters()]
  optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)

  def step():
    ids, types = torch.randint(5, WORDS, (BATCH, LENGTH)), torch.zeros((BATCH, LENGTH), dtype=torch.long)
    types[:, LENGTH // 2:] = 1
    places = torch.nonzero(torch.rand(BATCH * LENGTH) < 0.15).flatten()
    output = model(ids, token_type_ids=types)
    states = transform(output.last_hidden_state.reshape(-1, WIDTH)[places])
    words = states @ model.embeddings.word_embeddings.weight.T + bias
    loss = nn.functional.cross_entropy(words, ids.flatten()[places]) + nn.functional.cross_entropy(
        pairs(output.pooler_output), torch.randint(0, 2, (BATCH,)))
    update(optimizer, parameters, loss)

  for _ in range(3):
    step()
  begin = time.perf_counter()
  for _ in range(options.steps):
    step()
  return options.steps * BATCH * LENGTH / (time.perf_counter() - begin)


def finetune_cloze(options):
  """Epochs a second."""
  with tempfile.TemporaryDirectory() as folder:
    begin = time.perf_counter()
    run(options.cloze, "train", "classify", "--model", options.model, "--precision", "float32", "--unfreeze", "all",
        "--data", options.data, "--holdout", "0.01", "--epochs", "1", "--output", folder, "--overwrite")
    return 1 / (time.perf_counter() - begin)


def finetune_torch(options):
  examples = [line.rsplit("\t", 1) for line in Path(options.data).read_text(encoding="utf-8").splitlines()]
  examples = [(text, int(label)) for text, label in examples if label in ("0", "1")]
  tokenizer = AutoTokenizer.from_pretrained(options.model)
  model = AutoModel.from_pretrained(options.model, attn_implementation="sdpa").train()
  head = nn.Sequential(nn.Dropout(0.1), nn.Linear(model.config.hidden_size, 2))
  parameters = [*model.parameters(), *head.parameters()]
  optimizer = torch.optim.AdamW(parameters, lr=5e-5, fused=True)
  begin = time.perf_counter()
  for first in range(0, len(examples), BATCH):
    texts, labels = zip(*examples[first:first + BATCH])
    inputs = tokenizer(list(texts), padding=True, truncation=True, max_length=256, return_tensors="pt")
    mask = inputs["attention_mask"].unsqueeze(-1)
    vectors = (model(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
    update(optimizer, parameters, nn.functional.cross_entropy(head(vectors), torch.tensor(labels)))
  return 1 / (time.perf_counter() - begin)


def update(optimizer, parameters, loss):
  optimizer.zero_grad()
  loss.backward()
  nn.utils.clip_grad_norm_(parameters, 1.0)
  optimizer.step()


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("what", choices=["pretrain", "finetune"])
  parser.add_argument("--cloze", default="cloze")
  parser.add_argument("--model")
  parser.add_argument("--data", required=True)
  parser.add_argument("--rounds", type=int, default=3)
  parser.add_argument("--steps", type=int, default=10)
  options = parser.parse_args()
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  ours, theirs = (pretrain_cloze, pretrain_torch) if options.what == "pretrain" else (finetune_cloze, finetune_torch)
  unit, digits = ("tokens a second", 0) if options.what == "pretrain" else ("epochs a second", 4)
  ratios = []
  for _ in range(options.rounds):
    a, b = ours(options), theirs(options)
    ratios.append(a / b)
    print(f"Cloze {a:.{digits}f} {unit}, PyTorch {b:.{digits}f}, ratio {a / b:.2f}", flush=True)
  print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
  main()
