#!/usr/bin/env python3
"""Makes pretraining.expected: fifty steps of pre-training as PyTorch takes them, from the weights in ../pretrained/bert,
on masked pairs drawn at random: the batches, and the losses of each step.

    python3 -m venv /some/venv && /some/venv/bin/pip install torch transformers safetensors numpy
    /some/venv/bin/python Tests/Fixtures/training/make_pretraining.py

float32, no dropout; AdamW with weight decay 0.01 but for biases and norms, gradients clipped to a norm of 1, a learning
rate of 1e-3. The fixture is committed; the script is for making it anew.
"""

import struct
from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining

FOLDER = Path(__file__).parent
STEPS, SEQUENCES, LENGTH = 50, 6, 20


def model():
    config = BertConfig.from_pretrained(FOLDER / "../pretrained/bert")
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0
    return BertForPreTraining.from_pretrained(
        FOLDER / "../pretrained/bert", config=config, attn_implementation="eager").float().train()


def main():
    torch.manual_seed(0)
    random = np.random.default_rng(1)
    bert = model()
    vocabulary = bert.config.vocab_size
    decayed = [p for name, p in bert.named_parameters() if not (name.endswith("bias") or "LayerNorm" in name)]
    others = [p for name, p in bert.named_parameters() if name.endswith("bias") or "LayerNorm" in name]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0}], lr=1e-3)
    arrays = {name: [] for name in ("ids", "types", "offsets", "positions", "targets", "classes", "losses")}
    for _ in range(STEPS):
        lengths = random.integers(6, LENGTH + 1, SEQUENCES)
        ids = np.zeros((SEQUENCES, LENGTH), np.int64)
        types, mask = np.zeros_like(ids), np.zeros_like(ids)
        labels = np.full_like(ids, -100)
        for row, length in enumerate(lengths):
            ids[row, :length] = random.integers(5, vocabulary, length)
            types[row, length // 2:length] = 1
            mask[row, :length] = 1
            chosen = np.sort(random.choice(length, max(1, length // 5), replace=False))
            labels[row, chosen] = ids[row, chosen]
            ids[row, chosen[: len(chosen) // 2 + 1]] = 4
        classes = random.integers(0, 2, SEQUENCES)
        out = bert(
            torch.from_numpy(ids), attention_mask=torch.from_numpy(mask), token_type_ids=torch.from_numpy(types))
        words = torch.nn.functional.cross_entropy(
            out.prediction_logits.reshape(-1, vocabulary), torch.from_numpy(labels).reshape(-1), ignore_index=-100)
        pairs = torch.nn.functional.cross_entropy(out.seq_relationship_logits, torch.from_numpy(classes))
        optimizer.zero_grad()
        (words + pairs).backward()
        torch.nn.utils.clip_grad_norm_(bert.parameters(), 1.0)
        optimizer.step()
        real = mask.reshape(-1) == 1
        flat = labels.reshape(-1)[real]
        arrays["ids"].append(ids.reshape(-1)[real])
        arrays["types"].append(types.reshape(-1)[real])
        arrays["offsets"].append(np.concatenate([[0], np.cumsum(lengths)]))
        arrays["positions"].append(np.flatnonzero(flat >= 0))
        arrays["targets"].append(flat[flat >= 0])
        arrays["classes"].append(classes)
        arrays["losses"].append(np.array([words.item(), pairs.item()], np.float32))
    counts = np.array([[len(a) for a in (arrays["ids"][i], arrays["positions"][i])] for i in range(STEPS)], np.int64)
    joined = {name: np.concatenate(parts) for name, parts in arrays.items()} | {"counts": counts}
    write(FOLDER / "pretraining.expected", joined)


def write(path, arrays):
    """The format is in ../README.md."""
    with path.open("wb") as file:
        file.write(b"CLZEXP1\n" + struct.pack("<I", len(arrays)))
        for name, array in arrays.items():
            array = array.astype(np.int32 if array.dtype.kind == "i" else np.float32)
            file.write(struct.pack("<I", len(name)) + name.encode())
            file.write(struct.pack("<II", array.dtype.kind == "i", array.ndim))
            file.write(struct.pack(f"<{array.ndim}I", *array.shape) + array.tobytes())


if __name__ == "__main__":
    main()
