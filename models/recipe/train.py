"""Trains cloze-mini: masked language model and next sentence prediction, from scratch, on a CPU.

    python train.py --data work --hours 1.45 --output work/checkpoint

Reads the files that prepare.py writes. Writes a Hugging Face checkpoint every ten minutes and at the end.
The schedule follows the clock, not the step count: given the hours, the learning rate has come down to
2 % of its peak when they are over, whatever the machine.

Needs numpy, torch and transformers.
"""

import argparse
import math
import os
import queue
import threading
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForPreTraining

VOCAB_SIZE = 16_000
CLS, SEP, MASK, FIRST_WORD = 2, 3, 4, 5  # ids below FIRST_WORD are special tokens
POSITIONS = 256
SEQUENCE_LENGTH = 128
BATCH_SIZE = 32
ENGLISH_SHARE = 0.55

MASKED_SHARE = 0.15
IGNORED = -100  # the label of a position that is not predicted

PEAK_LEARNING_RATE = 1.2e-3
FINAL_SHARE = 0.02
WARMUP_STEPS = 800
NSP_WEIGHT = 0.5


def make_model(layers, hidden_size):
  """A BERT with two starts that let so small a model learn in little time.

  Positions start as sinusoids, and query and key of a layer from one common random matrix, so that a token
  attends to its neighbours and to tokens like itself from the first step.
  """
  model = BertForPreTraining(
      BertConfig(
          vocab_size=VOCAB_SIZE, hidden_size=hidden_size, num_hidden_layers=layers,
          num_attention_heads=hidden_size // 64, intermediate_size=4 * hidden_size,
          max_position_embeddings=POSITIONS, attn_implementation="eager",
          hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
  position = torch.arange(POSITIONS)[:, None].float()
  # Wavelengths from 2 pi to 400 * 2 pi tokens: twice the longest distance within 256 positions is about 500.
  rate = torch.exp(torch.arange(0, hidden_size, 2).float() * (-math.log(400.0) / hidden_size))
  with torch.no_grad():
    table = torch.zeros(POSITIONS, hidden_size)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    model.bert.embeddings.position_embeddings.weight.copy_(0.04 * table)
    for layer in model.bert.encoder.layer:
      common = torch.randn(hidden_size, hidden_size) * 0.5 / hidden_size**0.5
      for linear in (layer.attention.self.query, layer.attention.self.key):
        linear.weight.copy_(common + 0.02 * torch.randn(hidden_size, hidden_size))
  return model


class Corpus:
  """The sentences of one language, as prepare.py stores them."""

  def __init__(self, path):
    arrays = np.load(path)
    self.ids, self.soff, self.doff = arrays["ids"], arrays["soff"], arrays["doff"]

  def __len__(self):
    return len(self.doff) - 1

  def tokens(self, first, last):
    """The tokens of sentences `first` up to `last`, not included."""
    return self.ids[self.soff[first]:self.soff[last]]

  def pair(self, rng, length):
    """Two runs of text with `[CLS]` and two `[SEP]` at most `length` long: (first, second, label).

    Label 0: the second follows the first. Label 1: it comes from another article. As in BERT's paper
    (Devlin et al. 2019, appendix A.2) one pair in ten is shorter than it could be.
    """
    room = length - 3
    target = room if rng.random() > 0.1 else int(rng.integers(8, room))
    while True:
      article = rng.integers(len(self))
      begin, end = self.doff[article], self.doff[article + 1]
      if end - begin >= 2:
        break
    start = int(rng.integers(begin, end - 1))
    stop, total, ends = start, 0, []
    while stop < end and total < target:
      total += int(self.soff[stop + 1] - self.soff[stop])
      stop += 1
      ends.append(stop)
    if len(ends) < 2:
      stop = min(start + 2, end)
      ends = [start + 1, stop]
    cut = ends[int(rng.integers(0, len(ends) - 1))]
    first = self.tokens(start, cut)
    if rng.random() < 0.5:
      second, label = self.tokens(cut, stop), 0
    else:
      second, label = self.elsewhere(rng, article, target), 1

    first_length, second_length = len(first), len(second)
    while first_length + second_length > room:
      if first_length > second_length:
        first_length -= 1
      else:
        second_length -= 1
    # The first text loses its head as often as its tail, so that the seam between the two is often whole.
    first = first[:first_length] if rng.random() < 0.5 else first[len(first) - first_length:]
    return first, second[:second_length], label

  def elsewhere(self, rng, article, target):
    """At most `target` tokens from the middle of another article."""
    while True:
      other = rng.integers(len(self))
      if other != article:
        break
    begin = self.soff[int(rng.integers(self.doff[other], self.doff[other + 1]))]
    return self.ids[begin:min(begin + target, self.soff[self.doff[other + 1]])]


def make_batch(corpora, rng):
  """Padded ids, type ids, mask, MLM labels and NSP labels.

  Of each sequence 15 % of the words are predicted: 80 % of them show as [MASK], 10 % as a random word,
  10 % as themselves.
  """
  ids = np.zeros((BATCH_SIZE, SEQUENCE_LENGTH), np.int64)
  type_ids, mask, labels = np.zeros_like(ids), np.zeros_like(ids), np.full_like(ids, IGNORED)
  next_labels = np.zeros(BATCH_SIZE, np.int64)
  for row in range(BATCH_SIZE):
    corpus = corpora["en" if rng.random() < ENGLISH_SHARE else "zh"]
    first, second, next_labels[row] = corpus.pair(rng, SEQUENCE_LENGTH)
    tokens = np.concatenate([[CLS], first, [SEP], second, [SEP]]).astype(np.int64)
    ids[row, :len(tokens)] = tokens
    type_ids[row, len(first) + 2:len(tokens)] = 1
    mask[row, :len(tokens)] = 1
    words = np.where(tokens >= FIRST_WORD)[0]
    if not len(words):
      continue
    chosen = rng.choice(words, max(1, round(MASKED_SHARE * len(words))), replace=False)
    labels[row, chosen] = tokens[chosen]
    draw = rng.random(len(chosen))
    random_words = rng.integers(FIRST_WORD, VOCAB_SIZE, len(chosen))
    ids[row, chosen] = np.where(draw < 0.8, MASK, np.where(draw < 0.9, random_words, tokens[chosen]))
  return [torch.from_numpy(array) for array in (ids, type_ids, mask, labels, next_labels)]


def learning_rate(step, elapsed_share):
  """Linear warm-up, and a cosine from the peak to 2 % of it."""
  warmup = min(1.0, (step + 1) / WARMUP_STEPS)
  cosine = 0.5 * (1 + math.cos(math.pi * elapsed_share))
  return PEAK_LEARNING_RATE * warmup * (cosine * (1 - FINAL_SHARE) + FINAL_SHARE)


def losses(model, batch):
  """MLM loss, NSP loss, and the share of right answers of both. Logits are computed where a label is."""
  ids, type_ids, mask, labels, next_labels = batch
  with torch.autocast("cpu", dtype=torch.bfloat16):
    output = model.bert(input_ids=ids, attention_mask=mask, token_type_ids=type_ids)
    chosen = (labels.view(-1) != IGNORED).nonzero()[:, 0]
    hidden = output.last_hidden_state.view(-1, output.last_hidden_state.shape[-1])[chosen]
    word_logits = model.cls.predictions(hidden).float()
    next_logits = model.cls.seq_relationship(output.pooler_output).float()
  words = labels.view(-1)[chosen]
  right = lambda logits, labels: (logits.argmax(-1) == labels).float().mean()
  return (
      cross_entropy(word_logits, words), cross_entropy(next_logits, next_labels),
      right(word_logits, words), right(next_logits, next_labels))


def main():
  parser = argparse.ArgumentParser(description="Trains cloze-mini from scratch.")
  parser.add_argument("--data", default="work", metavar="FOLDER")
  parser.add_argument("--output", default="work/checkpoint", metavar="FOLDER")
  parser.add_argument("--hours", type=float, default=1.45)
  parser.add_argument("--layers", type=int, default=4)
  parser.add_argument("--hidden-size", type=int, default=256)
  parser.add_argument("--threads", type=int, default=os.cpu_count())
  arguments = parser.parse_args()

  torch.set_num_threads(arguments.threads)
  torch.manual_seed(0)
  corpora = {name: Corpus(os.path.join(arguments.data, f"{name}.npz")) for name in ("zh", "en")}
  model = make_model(arguments.layers, arguments.hidden_size)
  print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} M parameters", flush=True)

  matrices = [p for p in model.parameters() if p.ndim > 1]
  vectors = [p for p in model.parameters() if p.ndim <= 1]
  optimizer = torch.optim.AdamW(
      [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}],
      lr=PEAK_LEARNING_RATE, betas=(0.9, 0.98), eps=1e-6, fused=True)

  batches = queue.Queue(8)

  def produce():
    rng = np.random.default_rng(0)
    while True:
      batches.put(make_batch(corpora, rng))

  threading.Thread(target=produce, daemon=True).start()
  model.train()
  model.bert.compile()  # in place, so that the checkpoint has the plain names

  begun = saved = time.time()
  step, tokens, average = 0, 0, None
  while (elapsed := time.time() - begun) < arguments.hours * 3600:
    batch = batches.get()
    rate = learning_rate(step, elapsed / (arguments.hours * 3600))
    for group in optimizer.param_groups:
      group["lr"] = rate
    mlm_loss, nsp_loss, mlm_accuracy, nsp_accuracy = losses(model, batch)
    (mlm_loss + NSP_WEIGHT * nsp_loss).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)

    step += 1
    tokens += int(batch[2].sum())
    now = np.array([value.item() for value in (mlm_loss, nsp_loss, mlm_accuracy, nsp_accuracy)])
    average = now if average is None else 0.98 * average + 0.02 * now
    if step % 100 == 0:
      print(
          f"step {step}  {elapsed:.0f} s  {tokens / elapsed:.0f} tokens/s  mlm {average[0]:.3f}  "
          f"nsp {average[1]:.3f}  accuracy {average[2]:.3f} {average[3]:.3f}  rate {rate:.2e}", flush=True)
    if time.time() - saved > 600:
      model.save_pretrained(arguments.output)
      saved = time.time()
  model.save_pretrained(arguments.output)
  print(f"{step} steps, {tokens} tokens, mlm accuracy {average[2]:.3f}, nsp accuracy {average[3]:.3f}")


if __name__ == "__main__":
  main()
