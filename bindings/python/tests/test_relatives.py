"""Relatives of BERT as transformers saves them: limits of positions, MPNet's relative positions, training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cloze
import tiny
from test_file_heads import every_form

KINDS = ["roberta", "xlm-roberta", "camembert", "mpnet"]
#: Positions begin after the padding's, which is 0 in tiny.relative and always 1 in MPNet.
LONGEST = dict.fromkeys(KINDS, tiny.POSITIONS - 1) | {"mpnet": tiny.POSITIONS - 2}


def made(path: Path, kind: str) -> Path:
    if kind == "mpnet":
        return tiny.mpnet(path)
    tiny.relative(path, kind, 3)
    return path


def ids(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(5, len(tiny.VOCABULARY), count)


@pytest.mark.parametrize("kind", KINDS)
def test_longest(tmp_path: Path, kind: str) -> None:
    longest = LONGEST[kind]
    for name, model in every_form(made(tmp_path, kind)).items():
        assert model.info.max_position_embeddings == model.info.max_tokens == longest, name
        assert len(model.run(ids(longest), [0, longest], output="hidden")) == longest
        with pytest.raises(cloze.Error, match=f"has {longest + 1} tokens, the model takes {longest}") as caught:
            model.run(ids(longest + 1), [0, longest + 1], output="hidden")
        assert caught.value.status == "too_long"
        assert np.isfinite(model.embed(["cats sleep " * longest])).all()
        with pytest.raises(cloze.ArgumentError, match=f"the model takes 1 to {longest}"):
            model.embed(["cats"], max_tokens=longest + 1)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_relative_positions_in_any_batch(tmp_path: Path, precision: str) -> None:
    tiny.mpnet(tmp_path)
    lengths = [1, 2, 61, 17, 62, 33, 16, 5]
    texts = [ids(length, length) for length in lengths]
    right = [cloze.load(tmp_path, precision=precision, threads=1).run(text, [0, len(text)], output="hidden")
             for text in texts]
    for threads in (1, 2, 3):
        model = cloze.load(tmp_path, precision=precision, threads=threads)
        for order in (range(8), reversed(range(8)), [4, 0, 6], [1]):
            batch = [texts[place] for place in order]
            bounds = np.cumsum([0, *map(len, batch)])
            said = model.run(np.concatenate(batch), bounds, output="hidden")
            for place, (begin, end) in zip(order, zip(bounds, bounds[1:])):
                assert np.array_equal(said[begin:end], right[place])


def test_relative_positions_matter(tmp_path: Path) -> None:
    """The bias says something that the rest of the model doesn't."""
    text = ids(40)
    first = cloze.load(tiny.mpnet(tmp_path / "a"), precision="float32").run(text, [0, 40], output="hidden")
    path = tiny.mpnet(tmp_path / "b")
    content = (path / "model.safetensors").read_bytes()
    table = np.random.default_rng(3).standard_normal((32, 2)).astype(np.float32).tobytes()
    assert content.count(table) == 1
    (path / "model.safetensors").write_bytes(content.replace(table, bytes(len(table))))
    second = cloze.load(path, precision="float32").run(text, [0, 40], output="hidden")
    assert np.abs(first - second).max() > 0.1


@pytest.mark.parametrize(("more", "message"), [
    (dict(bias=(31, 2)), r"relative_attention_bias.weight.*\[32, 2\]"),
    (dict(bias=(32, 3)), r"relative_attention_bias.weight.*\[32, 2\]"),
    (dict(relative_attention_num_buckets=64), "relative_attention_num_buckets 64"),
    (dict(bias=(64, 2), relative_attention_num_buckets=64), "relative_attention_num_buckets 64"),
    (dict(relative_attention_num_buckets=-1), "relative_attention_num_buckets -1"),
])
def test_other_tables_are_refused(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    tiny.mpnet(tmp_path, **more)
    with pytest.raises(cloze.Error, match=message):
        cloze.load(tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    tiny.mpnet(tmp_path)
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content.replace(b"relative_attention", b"relative_attentiom"))
    with pytest.raises(cloze.Error, match="encoder.relative_attention_bias.weight\" is missing"):
        cloze.load(tmp_path)


@pytest.mark.parametrize("padding", [-1, 63, 2**63 - 1])
def test_padding_outside_the_positions(tmp_path: Path, padding: int) -> None:
    tiny.folder(tmp_path, "tags", 3, model_type="roberta", pad_token_id=padding)
    with pytest.raises(cloze.Error, match="position_embeddings.*pad_token_id"):
        cloze.load(tmp_path)


def sentences(count: int, seed: int) -> list[tuple[list[str], list[str]]]:
    """Sentences whose place names are tagged."""
    chance = np.random.default_rng(seed)
    names, others = ["paris", "london", "rome"], "is the capital of large old city cats sleep".split()
    found = []
    for _ in range(count):
        words = [str(chance.choice(names if chance.random() < 0.3 else others)) for _ in range(7)]
        found.append((words, ["B-LOC" if word in names else "O" for word in words]))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_training(tmp_path: Path, kind: str) -> None:
    """The more layers learn, the better; what was trained is predicted, from its file and exported too."""
    path = made(tmp_path / "model", kind)
    model = cloze.load(path, precision="float32", threads=2)
    texts = [" ".join(words) for words, _ in sentences(10, 3)]
    scores = []
    for unfreeze in (0, 1, 2):
        head, trained = tmp_path / f"head{unfreeze}", tmp_path / f"trained{unfreeze}.onnx"
        result = cloze.train(
            "tag", sentences(150, 1), sentences(40, 2), base=model, output=head, unfreeze=unfreeze, epochs=6,
            learning_rate=0.005 if unfreeze else 0.02, optimizer="adamw")
        scores.append(result.metrics["f1"])
        said = result.model.predict(texts)
        assert cloze.load(path, precision="float32", head=head).predict(texts) == said
        cloze.export(path, trained, head=head)
        exported = cloze.load(trained, precision="float32", tokenizer=model.tokenizer)
        for one, other in zip(exported.predict(texts), said):
            assert [tag[:3] for tag in one.tags] == [tag[:3] for tag in other.tags]
            assert [tag[3] for tag in one.tags] == pytest.approx([tag[3] for tag in other.tags], rel=0, abs=2e-5)
    assert scores == sorted(scores) and scores[2] > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_training_of_classes(tmp_path: Path, kind: str) -> None:
    model = cloze.load(made(tmp_path, kind), threads=1)
    examples = [(" ".join(words), "city" if "B-LOC" in tags else "none") for words, tags in sentences(200, 4)]
    result = cloze.train("classify", examples[:150], examples[150:], base=model, hidden=[16])
    assert result.metrics["accuracy"] > 0.8
