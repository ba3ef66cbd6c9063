#!/usr/bin/env python3
"""Compares exact search with NumPy's product and selection, on the same vectors and as many threads.

    PYTHONPATH=bindings/python/src python3 benchmarks/compare_search.py [--rows 1000000] [--dimensions 384]

Vectors are random directions around random centres, so that a query has many near neighbours. The ten best rows of
1,000 queries are compared with NumPy's first. Then one query after another is searched in turns by NumPy (the product
alone, and with the selection of the ten best), by `cloze.search`, and by an index in int8; and 64 queries at once. What
is printed are medians, and of each ratio the median with lowest and highest of the rounds.
"""
import argparse
import statistics
import time

import numpy as np

import cloze


def unit(rows):
  rows /= np.linalg.norm(rows, axis=1, keepdims=True)
  return rows


def data(rows, dimensions, queries):
  random = np.random.default_rng(1)
  centres = random.standard_normal((1000, dimensions), np.float32)
  vectors = np.empty((rows, dimensions), np.float32)
  for first in range(0, rows, 100_000):
    part = vectors[first:first + 100_000]
    part[:] = centres[random.integers(0, 1000, len(part))]
    part += 1.2 * random.standard_normal(part.shape, np.float32)
    unit(part)
  return vectors, unit(vectors[random.integers(0, rows, queries)] +
                       np.float32(0.05) * random.standard_normal((queries, dimensions), np.float32))


def best_of(scores, top_k):
  """The indices of the largest, equal ones by index."""
  some = np.argpartition(-scores, top_k)[:top_k]
  return some[np.lexsort((some, -scores[some]))]


def main():
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument("--rows", type=int, default=1_000_000)
  parser.add_argument("--dimensions", type=int, default=384)
  parser.add_argument("--rounds", type=int, default=15)
  parser.add_argument("--queries", type=int, default=1000)
  options = parser.parse_args()
  vectors, queries = data(options.rows, options.dimensions, options.queries)
  begun = time.perf_counter()
  index = cloze.VectorIndex(vectors)
  print(f"index of {options.rows} x {options.dimensions} in int8: {time.perf_counter() - begun:.2f} s")

  same = bits = 0
  for first in range(0, len(queries), 50):
    part = queries[first:first + 50]
    found, exact = index.search(part), cloze.search(vectors, part)
    bits += sum(np.array_equal(found[0][i], exact[0][i]) and np.array_equal(found[1][i], exact[1][i])
                for i in range(len(part)))
    scores = part @ vectors.T
    same += sum(np.array_equal(best_of(scores[i], 10), found[0][i]) for i in range(len(part)))
  print(f"of {len(queries)} queries, the ten best in the same order: int8 and float32 {bits}, int8 and NumPy {same}")
  if bits != len(queries) or same < 0.999 * len(queries):
    raise SystemExit("the results differ")

  for size in (1, 64):
    ways = {
        "numpy @": lambda q: q @ vectors.T,
        "numpy": lambda q: [best_of(scores, 10) for scores in q @ vectors.T],
        "float32": lambda q: cloze.search(vectors, q),
        "int8": lambda q: index.search(q),
    }
    times = {name: [] for name in ways}
    for turn in range(options.rounds + 1):
      part = queries[turn * size % (len(queries) - size + 1):][:size]
      for name, way in ways.items():
        begun = time.perf_counter()
        way(part)
        if turn:  # the first turn warms caches
          times[name].append(time.perf_counter() - begun)
    print(f"queries at once: {size}")
    for name, taken in times.items():
      print(f"  {name:8} {statistics.median(taken) * 1000:8.1f} ms (least {min(taken) * 1000:.1f})")
    for name in ("float32", "int8"):
      for other in ("numpy @", "numpy"):
        ratios = [theirs / ours for ours, theirs in zip(times[name], times[other])]
        print(f"  {name} is {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times as fast as "
              f"{other}")


if __name__ == "__main__":
  main()
