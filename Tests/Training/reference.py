"""Trains the heads of docs/FINETUNING.md with scikit-learn and PyTorch, on the features that Cloze computes.

    Tests/Training/reference.py TASK TRAIN TEST [--model PATH] [--precision int8] [--seeds N]

TASK is classify, classify-pairs, regress-pairs or tag. The folder of TRAIN and TEST says how the files are read: sst2,
mrpc, stsb, chnsenticorp, lcqmc, stsb-zh; for tag any. Prints one JSON object with the metrics. Needs numpy,
scikit-learn, and PyTorch for tag; the Cloze library is found as the Python package finds it.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

import cloze


def lines(path):
  return Path(path).read_text(encoding="utf-8-sig").splitlines()


def texts(path):
  """(text or pair, label) of the data sets measured."""
  folder = Path(path).parent.name
  for number, line in enumerate(lines(path)):
    if folder == "sst2":
      if number:
        yield tuple(line.split("\t"))
    elif folder == "chnsenticorp":
      text, label = line.rsplit("\t", 1)
      yield text, label
    elif folder == "mrpc":
      if number:
        fields = line.split("\t")
        yield (fields[3], fields[4]), fields[0]
    elif folder == "lcqmc":
      first, second, label = line.split("\t")
      yield (first, second), label
    elif folder == "stsb":
      fields = line.split("\t")
      yield (fields[5], fields[6]), float(fields[4])
    elif folder == "stsb-zh":
      fields = line.split("||")
      yield (fields[1], fields[2]), float(fields[3])
    else:
      raise SystemExit(f"{folder} is not known here")


def sentences(path):
  """(words, tags)"""
  words, tags = [], []
  for line in lines(path) + [""]:
    fields = line.split()
    if fields:
      if fields[0] != "-DOCSTART-":
        words.append(fields[0])
        tags.append(fields[1])
    elif words:
      yield words, tags
      words, tags = [], []


def pooled(model, path):
  inputs, labels = zip(*texts(path))
  return model.embed(inputs, pooling=model.info.pooling, normalize=False), np.array(labels)


def classify(model, train, test, seeds):
  from sklearn.linear_model import LogisticRegression
  from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
  x, y = pooled(model, train)
  head = LogisticRegression(max_iter=1000).fit(x, y)
  x, y = pooled(model, test)
  said = head.predict(x)
  return {
      "accuracy": accuracy_score(y, said), "f1_macro": f1_score(y, said, average="macro"),
      "matthews": matthews_corrcoef(y, said)}


def regress(model, train, test, seeds):
  from scipy.stats import pearsonr, spearmanr
  from sklearn.linear_model import Ridge
  x, y = pooled(model, train)
  head = Ridge(alpha=0.5).fit(x, y)
  x, y = pooled(model, test)
  said = head.predict(x)
  return {"pearson": pearsonr(y, said)[0], "spearman": spearmanr(y, said)[0]}


def words(model, path):
  """Vectors of each word's first piece, sentence by sentence, and the tags."""
  data = list(sentences(path))
  limit = model.info.max_tokens
  rows, kept = [], []
  for start in range(0, len(data), 512):
    part = data[start:start + 512]
    hidden = model.encode([" ".join(item[0]) for item in part], max_tokens=limit)
    for (names, _), states in zip(part, hidden):
      encoding = model.tokenize(" ".join(names), max_tokens=limit, truncation="longest_first")
      begins = np.cumsum([0] + [len(name) + 1 for name in names])
      first = {}
      for token, (begin, end) in enumerate(encoding.offsets.tolist()):
        if end > begin:
          first.setdefault(int(np.searchsorted(begins, begin, side="right")) - 1, token)
      kept.append(list(first))
      rows.append(states[list(first.values())])
  return data, rows, kept


def entities(tags):
  found, start, kind = set(), None, None
  for place, tag in enumerate(list(tags) + ["O"]):
    if start is not None and (tag == "O" or tag[0] == "B" or tag[2:] != kind):
      found.add((kind, start, place - 1))
      start = None
    if tag != "O" and start is None:
      start, kind = place, tag[2:]
  return found


def tag(model, train, test, seeds):
  import torch
  data, rows, kept = words(model, train)
  labels = sorted({name for _, tags in data for name in tags})
  x = torch.tensor(np.concatenate(rows))
  y = torch.tensor([labels.index(tags[i]) for (_, tags), places in zip(data, kept) for i in places])
  bounds = np.cumsum([0] + [len(places) for places in kept])
  test_data, test_rows, test_kept = words(model, test)
  results = []
  for seed in range(seeds):
    torch.manual_seed(seed)
    head = torch.nn.Linear(x.shape[1], len(labels))
    optimizer = torch.optim.AdamW(head.parameters(), lr=1e-3, weight_decay=0.01)
    epochs, size = 20, 32
    total = epochs * -(-len(data) // size)
    warmup = round(0.1 * total)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: (s + 1) / (warmup + 1) if s < warmup else max(0, 1 - (s - warmup) / (total - warmup)))
    for _ in range(epochs):
      order = np.random.default_rng(seed).permutation(len(data))
      for batch in range(0, len(order), size):
        chosen = np.concatenate([np.arange(bounds[i], bounds[i + 1]) for i in order[batch:batch + size]])
        loss = torch.nn.functional.cross_entropy(head(torch.nn.functional.dropout(x[chosen], 0.1)), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(head.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    right = guessed = expected = 0
    with torch.no_grad():
      for (_, tags), states, places in zip(test_data, test_rows, test_kept):
        said = ["O"] * len(tags)
        for place, label in zip(places, head(torch.tensor(states)).argmax(1).tolist()):
          said[place] = labels[label]
        truth, guess = entities(tags), entities(said)
        right, guessed, expected = right + len(truth & guess), guessed + len(guess), expected + len(truth)
    results.append(2 * right / (guessed + expected))
  return {"f1": float(np.mean(results)), "f1_each": results}


def main():
  parser = argparse.ArgumentParser()
  parser.add_argument("task")
  parser.add_argument("train")
  parser.add_argument("test")
  parser.add_argument("--model")
  parser.add_argument("--precision", default="int8")
  parser.add_argument("--seeds", type=int, default=1)
  options = parser.parse_args()
  model = cloze.load(options.model, precision=options.precision)
  begun = time.process_time()
  run = {"classify": classify, "classify-pairs": classify, "regress-pairs": regress, "tag": tag}[options.task]
  metrics = run(model, options.train, options.test, options.seeds)
  print(json.dumps({
      **{name: value if isinstance(value, list) else round(float(value), 4) for name, value in metrics.items()},
      "cpu_seconds": round(time.process_time() - begun, 1)}))


if __name__ == "__main__":
  main()
