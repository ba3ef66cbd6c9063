"""Folders with random BERTs of a few thousand parameters, as transformers saves them."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

#: Words that are split into pieces, and letters for all others.
VOCABULARY = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
    *"paris london rome is the capital of france old large city cats sleep anna berg works in ? .".split(),
    *"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"),
]
HIDDEN = 32
POSITIONS = 64


def save_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    header: dict[str, Any] = {}
    at = 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(values.tobytes() for values in tensors.values()))


def encoder(seed: int, *, pooler: bool = True) -> dict[str, np.ndarray]:
    """The tensors of two layers with random weights."""
    chance = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}

    def linear(name: str, outputs: int, inputs: int) -> None:
        tensors[f"{name}.weight"] = (0.25 * chance.standard_normal((outputs, inputs))).astype(np.float32)
        tensors[f"{name}.bias"] = (0.1 * chance.standard_normal(outputs)).astype(np.float32)

    def norm(name: str) -> None:
        tensors[f"{name}.weight"] = (1 + 0.1 * chance.standard_normal(HIDDEN)).astype(np.float32)
        tensors[f"{name}.bias"] = (0.1 * chance.standard_normal(HIDDEN)).astype(np.float32)

    for name, rows in (("word", len(VOCABULARY)), ("position", POSITIONS), ("token_type", 2)):
        values = 0.5 * chance.standard_normal((rows, HIDDEN))
        tensors[f"bert.embeddings.{name}_embeddings.weight"] = values.astype(np.float32)
    norm("bert.embeddings.LayerNorm")
    for layer in range(2):
        stem = f"bert.encoder.layer.{layer}"
        for name in ("query", "key", "value"):
            linear(f"{stem}.attention.self.{name}", HIDDEN, HIDDEN)
        linear(f"{stem}.attention.output.dense", HIDDEN, HIDDEN)
        norm(f"{stem}.attention.output.LayerNorm")
        linear(f"{stem}.intermediate.dense", 2 * HIDDEN, HIDDEN)
        linear(f"{stem}.output.dense", HIDDEN, 2 * HIDDEN)
        norm(f"{stem}.output.LayerNorm")
    if pooler:
        linear("bert.pooler.dense", HIDDEN, HIDDEN)
    return tensors


#: The names of DistilBERT's tensors for BERT's.
_DISTILLED = {
    "encoder.layer": "transformer.layer", "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin", "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin", "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1", "output.dense": "ffn.lin2", "output.LayerNorm": "output_layer_norm",
}


def relative(path: Path, kind: str, outputs: int) -> dict[str, np.ndarray]:
    """A folder with a "distilbert", "electra", "roberta", "xlm-roberta" or "camembert" and its head of two layers for classes; returns the head's
    tensors as dense.weight, dense.bias, output.weight, output.bias."""
    folder(path, "classes", outputs, model_type=kind, n_heads=2, activation="gelu",
           architectures=["ForSequenceClassification"])
    tensors = {}
    for name, values in encoder(1, pooler=False).items():
        name = name.replace("bert.", f"{'roberta' if kind in ('xlm-roberta', 'camembert') else kind}.", 1)
        for old, new in _DISTILLED.items() if kind == "distilbert" else ():
            name = name.replace(old, new)
        if not (kind == "distilbert" and "token_type" in name):
            tensors[name] = values
    chance = np.random.default_rng(2)
    head = {
        f"{name}.{part}": (0.5 * chance.standard_normal(shape)).astype(np.float32)
        for name, rows in (("dense", HIDDEN), ("output", outputs))
        for part, shape in (("weight", (rows, HIDDEN)), ("bias", (rows,)))}
    first, second = ("pre_classifier", "classifier") if kind == "distilbert" else (
        "classifier.dense", "classifier.out_proj")
    for name, values in head.items():
        tensors[name.replace("dense", first).replace("output", second)] = values
    save_safetensors(path / "model.safetensors", tensors)
    return head


#: The names of MPNet's tensors for BERT's.
_MPNET = {
    "attention.self.query": "attention.attn.q", "attention.self.key": "attention.attn.k",
    "attention.self.value": "attention.attn.v", "attention.output.dense": "attention.attn.o",
    "attention.output.LayerNorm": "attention.LayerNorm",
}


def mpnet(path: Path, *, bias: tuple[int, int] = (32, 2), **config: Any) -> Path:
    """A folder with an MPNet, which has a bias of attention scores by relative position, and no head."""
    folder(path, "tags", 3, model_type="mpnet", **config)
    tensors = {}
    for name, values in encoder(1).items():
        for old, new in _MPNET.items():
            name = name.replace(old, new)
        if "token_type" not in name:
            tensors[name.replace("bert.", "mpnet.", 1)] = values
    values = np.random.default_rng(3).standard_normal(bias).astype(np.float32)
    tensors["mpnet.encoder.relative_attention_bias.weight"] = values
    save_safetensors(path / "model.safetensors", tensors)
    return path


def folder(path: Path, kind: str, outputs: int, *, seed: int = 1, **config: Any) -> Path:
    """A folder with a BERT and a head: ``kind`` is "classes", "tags" or "answer"."""
    path.mkdir(parents=True, exist_ok=True)
    tensors = encoder(seed, pooler=kind == "classes")
    chance = np.random.default_rng(seed + 100)
    name = "qa_outputs" if kind == "answer" else "classifier"
    tensors[f"{name}.weight"] = chance.standard_normal((outputs, HIDDEN)).astype(np.float32)
    tensors[f"{name}.bias"] = chance.standard_normal(outputs).astype(np.float32)
    save_safetensors(path / "model.safetensors", tensors)
    task = {"classes": "SequenceClassification", "tags": "TokenClassification", "answer": "QuestionAnswering"}[kind]
    (path / "config.json").write_text(json.dumps({
        "model_type": "bert", "architectures": [f"BertFor{task}"], "vocab_size": len(VOCABULARY),
        "hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 2 * HIDDEN,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
        "pad_token_id": 0, **config}))
    (path / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (path / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
    return path
