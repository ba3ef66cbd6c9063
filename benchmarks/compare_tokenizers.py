#!/usr/bin/env python3
"""Compares the tokenizer's speed with that of the Python package `tokenizers`, on one thread.

    python3 benchmarks/compare_tokenizers.py TOKENIZER_JSON FILE ...

Both take the lines of a FILE one by one, in turns, five rounds; what is printed is the median ratio with its range,
and the best of each in million characters a second. `make bench` builds .build/release/cloze-benchmark.
"""
import os
import re
import statistics
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

from tokenizers import Tokenizer  # noqa: E402  (reads the variables)

ROUNDS = 5
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.build/release/cloze-benchmark")


def cloze(tokenizer, file):
  out = subprocess.run([PROGRAM, "tokenizer", tokenizer, file, "--seconds", "1"], check=True, stdout=subprocess.PIPE,
                       text=True).stdout
  return float(re.search(r"([0-9.]+) million characters/s", out).group(1))


def peer(tokenizer, lines, characters):
  best, end = 0.0, time.process_time() + 1
  while best == 0 or time.process_time() < end:
    start = time.process_time()
    for line in lines:
      tokenizer.encode(line)
    best = max(best, characters / (time.process_time() - start) / 1e6)
  return best


def main():
  path, files = sys.argv[1], sys.argv[2:]
  tokenizer = Tokenizer.from_file(path)
  for file in files:
    with open(file, encoding="utf-8", newline="\n") as f:
      lines = [line for line in f.read().split("\n") if line]
    characters = sum(map(len, lines))
    rounds = [(cloze(path, file), peer(tokenizer, lines, characters)) for _ in range(ROUNDS)]
    ratios = [ours / theirs for ours, theirs in rounds]
    print(f"{os.path.basename(file)}: {statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f}); "
          f"{max(r[0] for r in rounds):.1f} and {max(r[1] for r in rounds):.2f} million characters/s")


if __name__ == "__main__":
  main()
