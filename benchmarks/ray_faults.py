#!/usr/bin/env python3
"""Embeds Parquet folders through Ray while what computes is killed, and compares with one process.

    python3 benchmarks/ray_faults.py FOLDER [--kills N] [--nodes N] [--model PATH] [--seed N]

FOLDER holds Parquet files with the columns `id`, from 0 on without gaps, and `text`. `--kills`: `python -m cloze.ray`
with all its processes is killed N times, each time at a random moment after it has completed a file, and started
again, then left to end. `--nodes`: a cluster of
N nodes of one CPU on this machine; while it works, a worker is killed every thirty seconds and, in the middle, a whole
node, which another replaces. Either way the result must have each row once, with the bits of one process (every 50th
row is compared). Prints rows and seconds, and the resident memory of workers at the beginning and the end.
Needs cloze[ray].
"""
import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet

import cloze


def command(source, target, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "cloze.ray", str(source), str(target), "--id", "id", *more], start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def workers():
    found = subprocess.run(["pgrep", "-f", "ray::FileEmbedder"], capture_output=True, text=True).stdout.split()
    return [int(number) for number in found]


def resident(numbers):
    """Megabytes."""
    sizes = []
    for number in numbers:
        try:
            sizes.append(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{number}/status").read_text())[1]) >> 10)
        except (OSError, TypeError):
            pass
    return sizes


def check(source, target, model):
    given = parquet.read_table(source, columns=["id", "text"]).sort_by("id")
    found = parquet.read_table(target, columns=["id", "embedding"]).sort_by("id")
    assert found["id"].to_pylist() == list(range(len(given))), "rows are missing or there twice"
    assert not list(Path(target).rglob(".*.partial")), "unfinished files are left"
    rows = range(0, len(given), 50)
    right = model.embed(given["text"].take(list(rows)))
    vectors = np.stack(found["embedding"].take(list(rows)).to_numpy(zero_copy_only=False))
    assert np.array_equal(vectors, right), "bits differ"
    print(f"{len(given):,} rows, each once; {len(rows):,} compared, the same bits", flush=True)


def killed(source, target, more, kills, some):
    for _ in range(kills):
        before = len(list(target.glob("*.parquet")))
        program = command(source, target, *more)
        while program.poll() is None and len(list(target.glob("*.parquet"))) == before:
            time.sleep(0.1)
        time.sleep(some.uniform(0, 3))
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate()
        complete = len(list(target.glob("*.parquet")))
        print(f"killed; {complete} files complete", flush=True)
        subprocess.run(["pkill", "-9", "-f", "ray::|raylet|gcs_server"], check=False)
    program = command(source, target, *more)
    print(program.communicate()[0].splitlines()[-1])
    assert program.returncode == 0


def with_nodes(source, target, more, nodes, some):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    parts = [cluster.add_node(num_cpus=1) for _ in range(nodes)]
    cluster.wait_for_nodes()
    files = len(list(source.glob("*.parquet")))
    start = time.monotonic()
    program = command(source, target, "--address", cluster.address, *more)
    memory, lost, last = [], False, time.monotonic()
    while program.poll() is None:
        time.sleep(1)
        running = workers()
        if sizes := resident(running):
            memory.append(max(sizes))
        complete = len(list(target.glob("*.parquet")))
        if not lost and complete > files // 2:
            cluster.remove_node(parts.pop(), allow_graceful=False)
            parts.append(cluster.add_node(num_cpus=1))
            lost = True
            print("a node was killed, and another added", flush=True)
        elif running and time.monotonic() - last > 30:
            last = time.monotonic()
            os.kill(some.choice(running), signal.SIGKILL)
    output = program.communicate()[0]
    print(output.splitlines()[-1])
    assert program.returncode == 0 and lost
    tenth = max(1, len(memory) // 10)
    print(f"{time.monotonic() - start:.0f} s; largest worker {max(memory[:tenth])} MB in the first tenth, "
          f"{max(memory[-tenth:])} MB in the last")
    cluster.shutdown()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--kills", metavar="N", type=int, default=0)
    parser.add_argument("--nodes", metavar="N", type=int, default=0)
    parser.add_argument("--model", metavar="PATH")
    parser.add_argument("--seed", metavar="N", type=int, default=0)
    given = parser.parse_args()
    more = ["--model", given.model] if given.model else []
    some = random.Random(given.seed)
    model = cloze.load(given.model)
    folder = Path(tempfile.mkdtemp(prefix="cloze-ray-"))
    try:
        if given.kills:
            killed(given.folder, folder / "killed", more, given.kills, some)
            check(given.folder, folder / "killed", model)
        if given.nodes:
            with_nodes(given.folder, folder / "nodes", more, given.nodes, some)
            check(given.folder, folder / "nodes", model)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
