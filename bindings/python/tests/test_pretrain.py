"""cloze.pretrain."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cloze
from test_load import refused

SMALL: dict[str, Any] = {
    "vocab_size": 60, "layers": 1, "hidden": 32, "heads": 2, "max_tokens": 24, "batch_size": 4, "threads": 1}


def corpus(path: Path, documents: int = 12) -> Path:
    texts = ("\n".join(f"the cat {number} sat on mat {line % 7}" for line in range(12)) for number in range(documents))
    path.write_text("\n\n".join(texts) + "\n")
    return path


def test_a_model_from_text(tmp_path: Path) -> None:
    file = corpus(tmp_path / "corpus.txt")
    result = cloze.pretrain(file, tmp_path / "bert", steps=12, **SMALL)
    assert result.steps == 12 and result.tokens > 0
    assert set(result.metrics) == {
        "mlm_loss", "mlm_perplexity", "mlm_accuracy", "nsp_loss", "nsp_accuracy", "tokens_per_second"}
    written = {path.name for path in (tmp_path / "bert").iterdir()}
    assert written == {
        "config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "metrics.json",
        "steps.jsonl", "report.html", "checkpoint.safetensors"}
    steps = [json.loads(line) for line in (tmp_path / "bert" / "steps.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps] == list(range(1, 13))
    assert set(steps[0]) >= {"loss", "mlm_loss", "nsp_loss", "tokens", "seconds", "learning_rate"}
    assert json.loads((tmp_path / "bert" / "metrics.json").read_text())["mlm_loss"] == result.metrics["mlm_loss"]
    model = result.model
    assert model.info.heads == {"pooler", "mlm", "nsp"} and model.info.num_hidden_layers == 1
    assert len(model.fill_mask("the [MASK] sat")[0]) == 5

    again = cloze.pretrain([file], tmp_path / "again", steps=12, **{**SMALL, "threads": 2})
    assert again.metrics["mlm_loss"] == result.metrics["mlm_loss"]
    base = cloze.load(tmp_path / "bert", precision="float32")
    more = cloze.pretrain(file, tmp_path / "more", base=base, steps=2, batch_size=4, objective="mlm", valid=[file])
    assert "nsp_loss" not in more.metrics


def test_bfloat16(tmp_path: Path) -> None:
    file = corpus(tmp_path / "corpus.txt")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this CPU has no instructions for bfloat16")
        result = cloze.pretrain(file, tmp_path / "bert", steps=6, precision="bfloat16", **SMALL)
        again = cloze.pretrain(file, tmp_path / "again", steps=6, precision="bfloat16", **{**SMALL, "threads": 2})
    exact = cloze.pretrain(file, tmp_path / "exact", steps=6, **SMALL)
    assert (result.precision, exact.precision) == ("bfloat16", "float32")
    assert again.metrics["mlm_loss"] == result.metrics["mlm_loss"] != exact.metrics["mlm_loss"]
    assert result.metrics["mlm_loss"] == pytest.approx(exact.metrics["mlm_loss"], rel=0.02)
    with refused("invalid_argument", "a training in bfloat16, not float32"):
        cloze.pretrain(file, tmp_path / "bert", steps=6, resume=True, **SMALL)


def test_transformers_reads_the_folder(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch = pytest.importorskip("torch", reason="torch is not installed")
    cloze.pretrain(corpus(tmp_path / "corpus.txt"), tmp_path / "bert", steps=6, **SMALL)
    theirs = transformers.BertForPreTraining.from_pretrained(tmp_path / "bert").eval()
    ours = cloze.load(tmp_path / "bert", precision="float32")
    encoding = ours.tokenize("the cat sat", "on mat 3")
    ids = encoding.ids.astype(np.int32)
    with torch.no_grad():
        out = theirs(torch.tensor([ids.tolist()]), token_type_ids=torch.tensor([encoding.type_ids.tolist()]))
    types = encoding.type_ids.astype(np.int32)
    words = ours.run(ids, np.array([0, len(ids)], np.int32), types, output="mlm")
    pairs = ours.run(ids, np.array([0, len(ids)], np.int32), types, output="nsp")
    assert np.abs(words - out.prediction_logits[0].numpy()).max() <= 5e-5
    assert np.abs(pairs - out.seq_relationship_logits.numpy()).max() <= 5e-5


def test_what_is_refused(tmp_path: Path) -> None:
    file = corpus(tmp_path / "corpus.txt")
    with refused("invalid_argument", "unknown option step; did you mean steps?"):
        cloze.pretrain(file, tmp_path / "a", step=3)
    with refused("invalid_argument", "epochs and steps contradict each other"):
        cloze.pretrain(file, tmp_path / "a", epochs=1, steps=3)
    with refused("invalid_argument", "precision is a string, one of float32, bfloat16 was expected"):
        cloze.pretrain(file, tmp_path / "a", precision="float16")
    with refused("not_found", "none.txt"):
        cloze.pretrain(tmp_path / "none.txt", tmp_path / "a", **SMALL)
    with refused("invalid_text", "1 document, and a second one is needed"):
        cloze.pretrain(corpus(tmp_path / "one.txt", 1), tmp_path / "a", **SMALL)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "model.onnx").write_bytes(b"x")
    with refused("invalid_argument", "has a model, model.onnx"):
        cloze.pretrain(file, tmp_path / "b", **SMALL)
    with refused("invalid_argument", "load it with that precision"):
        cloze.pretrain(file, tmp_path / "c", base=cloze.load(), steps=1)
