#!/usr/bin/env python3
"""Measures memory and speed of a model as large as XLM-R large: 24 layers of 1,024, 250,002 pieces, random weights.

    CLOZE_LIBRARY=.build/dist/lib/libcloze.so PYTHONPATH=bindings/python/src .venv/bin/python \\
        benchmarks/large_model.py FOLDER [--positions 514] [--threads N]

Writes FOLDER/model.safetensors (2.3 GB) and a .cloze file for each precision unless they are there, then loads each in
a process of its own. Runs sequences of several lengths with the latter and prints medians, also per second of CPU time,
which says more on a machine that others use, and the process's resident memory.
"""

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import time

import numpy as np

SIZES = dict(vocab_size=250002, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16, intermediate_size=4096)


def shapes(positions):
    """The tensors of the network, as transformers names those of XLMRobertaModel."""
    d, f = SIZES["hidden_size"], SIZES["intermediate_size"]
    found = {}

    def linear(name, outputs, inputs):
        found[name + ".weight"], found[name + ".bias"] = (outputs, inputs), (outputs,)

    def norm(name):
        found[name + ".weight"] = found[name + ".bias"] = (d,)

    for kind, rows in (("word", SIZES["vocab_size"]), ("position", positions), ("token_type", 1)):
        found[f"embeddings.{kind}_embeddings.weight"] = (rows, d)
    norm("embeddings.LayerNorm")
    for index in range(SIZES["num_hidden_layers"]):
        layer = f"encoder.layer.{index}."
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            linear(f"{layer}attention.{name}", d, d)
        norm(layer + "attention.output.LayerNorm")
        linear(layer + "intermediate.dense", f, d)
        linear(layer + "output.dense", d, f)
        norm(layer + "output.LayerNorm")
    return found


def write(folder, positions):
    """Writes the folder row by row, as the word table alone is 1 GB."""
    os.makedirs(folder, exist_ok=True)
    random, header, at = np.random.default_rng(1), {}, 0
    for name, shape in shapes(positions).items():
        end = at + 4 * int(np.prod(shape))
        header[name] = dict(dtype="F32", shape=shape, data_offsets=[at, end])
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(folder, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in shapes(positions).items():
            scale = 0.5 if "embeddings." in name else 0.1 if len(shape) == 1 else shape[1] ** -0.5
            for first in range(0, shape[0], 8192):
                part = random.standard_normal((min(8192, shape[0] - first), *shape[1:]), dtype=np.float32)
                part = 1 + 0.1 * part if "LayerNorm.weight" in name else scale * part
                file.write(part.astype(np.float32).tobytes())
    config = dict(SIZES, model_type="xlm-roberta", max_position_embeddings=positions, type_vocab_size=1,
                  hidden_act="gelu", layer_norm_eps=1e-5, pad_token_id=1)
    with open(os.path.join(folder, "config.json"), "w") as file:
        json.dump(config, file)


def resident(which):
    """VmHWM (the peak) or VmRSS of this process, in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(which)) / 1000


def measure(path, precision, threads):
    """Loads a model and runs it; prints a line a shape."""
    import cloze

    begin = time.perf_counter()
    model = cloze.load(path, precision=precision, threads=threads)
    loading = time.perf_counter() - begin
    print(f"{os.path.basename(path)}, {precision}: {loading:.2f} s, {resident('VmRSS'):.0f} MB resident, "
          f"{resident('VmHWM'):.0f} MB at most", flush=True)
    if not path.endswith(".cloze"):
        return
    random = np.random.default_rng(2)
    for texts, length in ((1, 16), (1, 128), (8, 128), (1, 512), (1, 2048), (1, 8192)):
        if length > model.info.max_position_embeddings:
            continue
        ids = random.integers(5, SIZES["vocab_size"], texts * length)
        bounds = np.arange(texts + 1) * length
        times, work = [], []
        while sum(times) < 5 and len(times) < 20:
            begin, busy = time.perf_counter(), time.process_time()
            vectors = model.run(ids, bounds, output="embedding")
            times.append(time.perf_counter() - begin)
            work.append(time.process_time() - busy)
        assert np.isfinite(vectors).all()
        tokens, middle = texts * length, statistics.median(times)
        print(f"  {texts} x {length:5}  {1000 * middle:9.1f} ms  {tokens / middle:8.0f} tokens/s  "
              f"{tokens / statistics.median(work):8.0f} per CPU second  {resident('VmRSS'):6.0f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder")
    parser.add_argument("--positions", type=int, default=514)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--measure", nargs=2, metavar=("PATH", "PRECISION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        return measure(*options.measure, options.threads or None)
    if not os.path.exists(os.path.join(options.folder, "config.json")):
        write(options.folder, options.positions)
    for precision in ("int8", "float32"):
        prepared = os.path.join(options.folder, precision + ".cloze")
        if not os.path.exists(prepared):
            code = f"import cloze; cloze.convert({options.folder!r}, {prepared!r}, precision={precision!r})"
            subprocess.run([sys.executable, "-c", code], check=True)
        for path in (options.folder, prepared):
            subprocess.run([sys.executable, __file__, options.folder, "--threads", str(options.threads),
                            "--measure", path, precision], check=True)


if __name__ == "__main__":
    main()
