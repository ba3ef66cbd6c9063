#!/usr/bin/env python3
"""Measures texts a second through Ray against one process, and what Arrow columns cost against lists.

    python3 benchmarks/ray_throughput.py [--model PATH] [--file TEXTS] [--texts N] [--rounds N]

`workers`: two actors of one CPU each against one process with two threads, in turns, on the same texts. The clock of
Ray starts with the first batch, as starting a cluster and its actors takes seconds once. `arrow`: `embed` of a column,
its vectors made a column again, against `embed` of a list of the same texts, in one process. Prints each round's ratio
and the medians. Needs cloze[ray]; TEXTS holds a text a line and may be compressed with xz.
"""
import argparse
import lzma
import statistics
import time

import pyarrow
import ray

import cloze
import cloze.ray
from cloze._arrow import vectors


class Timed(cloze.ray.Embedder):
    """Adds a column of when each batch began."""

    def __call__(self, table):
        start = time.monotonic()
        table = super().__call__(table)
        return table.append_column("start", pyarrow.array([start] * table.num_rows, pyarrow.float64()))


def lines(path, count):
    with (lzma.open if path.endswith(".xz") else open)(path, "rt", encoding="utf-8") as file:
        found = [line.strip() for _, line in zip(range(3 * count), file) if line.strip()]
    return [found[i % len(found)] for i in range(count)]


def through_ray(model, table, batch_size):
    dataset = ray.data.from_arrow([table.slice(i, batch_size) for i in range(0, table.num_rows, batch_size)])
    dataset = dataset.map_batches(
        Timed, batch_format="pyarrow", batch_size=batch_size, num_cpus=1, compute=ray.data.ActorPoolStrategy(size=2),
        fn_constructor_kwargs={"path": model})
    rows, first = 0, float("inf")
    for batch in dataset.iter_batches(batch_format="pyarrow", batch_size=None):
        rows += batch.num_rows
        first = min(first, batch["start"][0].as_py())
    assert rows == table.num_rows
    return time.monotonic() - first


def alone(model, texts):
    start = time.monotonic()
    model.embed(texts)
    return time.monotonic() - start


def with_arrow(model, column):
    start = time.monotonic()
    vectors(model.embed(column), None)
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", metavar="PATH")
    parser.add_argument("--file", metavar="TEXTS", required=True)
    parser.add_argument("--texts", metavar="N", type=int, default=20000)
    parser.add_argument("--batch-size", metavar="N", type=int, default=1000)
    parser.add_argument("--rounds", metavar="N", type=int, default=5)
    given = parser.parse_args()
    texts = lines(given.file, given.texts)
    table = pyarrow.table({"text": texts})
    model = cloze.load(given.model, threads=2)
    model.embed(texts[:200])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    found = {"workers": [], "arrow": []}
    for index in range(given.rounds):
        measures = [lambda: alone(model, texts), lambda: through_ray(given.model, table, given.batch_size),
                    lambda: with_arrow(model, table["text"])]
        order = range(3) if index % 2 == 0 else range(2, -1, -1)
        seconds = {which: measures[which]() for which in order}
        found["workers"].append(seconds[0] / seconds[1])
        found["arrow"].append(seconds[2] / seconds[0])
        print(f"one process {given.texts / seconds[0]:,.0f} texts/s; Ray {found['workers'][-1]:.3f} of it; "
              f"with Arrow {found['arrow'][-1]:.3f} of its time", flush=True)
    for name, ratios in found.items():
        print(f"{name}: median {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
