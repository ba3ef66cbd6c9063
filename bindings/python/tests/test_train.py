"""Training heads and predicting with them."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import ROOT

GOOD = "wonderful great lovely charming brilliant delightful".split()
BAD = "terrible awful boring dreadful poor horrible".split()
NOUNS = "film book song play meal hotel".split()


def reviews(count: int, seed: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    examples = []
    for _ in range(count):
        good = chance.random() < 0.5
        word = chance.choice(GOOD if good else BAD)
        examples.append((f"a {word} {chance.choice(NOUNS)}", "good" if good else "bad"))
    return examples


def test_classes(model: cloze.Model, tmp_path: Path) -> None:
    result = cloze.train("classify", reviews(200, 1), reviews(60, 2), base=model, output=tmp_path)
    assert result.metrics["accuracy"] > 0.9
    assert result.model.info.labels == ("bad", "good") and "classes" in result.model.info.heads
    said = result.model.predict(["a charming play", "an awful meal"])
    assert [item.label for item in said] == ["good", "bad"]
    assert all(sum(item.probabilities) == pytest.approx(1) for item in said)
    again = cloze.load(head=tmp_path).predict(["a charming play", "an awful meal"])
    assert again == said
    # The same through the ragged entry.
    encoding = result.model.tokenize("a charming play")
    logits = result.model.run(encoding.ids, np.array([0, len(encoding)]), output="classes")
    shares = np.exp(logits[0]) / np.exp(logits[0]).sum()
    assert shares == pytest.approx(np.array(said[0].probabilities), abs=1e-6)


def test_same_seed_same_bits(model: cloze.Model) -> None:
    options = dict(hidden=[8], epochs=3, dropout=0.2)
    first, second, other = (
        cloze.train("classify", reviews(80, 1), base=model, seed=seed, **options).model.predict(["a poor song"])
        for seed in (1, 1, 2))
    assert first == second != other


def test_numbers_and_labels(model: cloze.Model) -> None:
    numbers = [(text, 1.0 if label == "good" else -1.0) for text, label in reviews(200, 3)]
    result = cloze.train("regress", numbers, base=model)
    assert result.metrics["pearson"] > 0.8
    assert result.model.predict(["a lovely book"])[0].value > 0
    labels = [(text, [label] + (["art"] if "song" in text or "play" in text else [])) for text, label in reviews(300, 4)]
    result = cloze.train("multilabel", labels, base=model)
    assert set(result.model.predict(["a great song"])[0].labels) == {"art", "good"}


def test_tags(model: cloze.Model) -> None:
    sentences = [
        (text.split(), ["O", "B-ADJ", "O"]) for text, _ in reviews(200, 5)]
    result = cloze.train("tag", sentences, base=model, epochs=5, learning_rate=0.01)
    assert result.metrics["f1"] > 0.95
    words, text = result.model.predict([["the", "dreadful", "hotel"], "Ü dreadful hotel"])
    assert words.tags == ("O", "B-ADJ", "O")
    assert [("Ü dreadful hotel"[begin:end], tag) for begin, end, tag, _ in text.tags] == [
        ("Ü", "O"), ("dreadful", "B-ADJ"), ("hotel", "O")]


def test_answers(model: cloze.Model) -> None:
    chance = random.Random(6)
    questions = []
    for _ in range(200):
        words = chance.sample(GOOD + BAD + ["über"], 6)
        place = chance.randrange(6)
        words[place] = chance.choice(NOUNS)
        context = " ".join(words)
        questions.append({
            "question": "what", "context": context,
            "answers": {"text": [words[place]], "answer_start": [context.index(words[place])]}})
    result = cloze.train("answer", questions, base=model, epochs=10, learning_rate=0.01, max_tokens=32, stride=8)
    assert result.metrics["exact_match"] > 0.9
    passage = "über awful boring hotel poor"
    said = result.model.predict([("what", passage)])[0]
    assert said.answer == "hotel" and passage[slice(*said.span)] == "hotel"


def test_labels_that_are_none(model: cloze.Model) -> None:
    texts = [text for text, _ in reviews(20, 1)]
    for missing in (None, float("nan"), np.float32("nan"), "", "  ", ["a"], object()):
        with pytest.raises(cloze.ArgumentError, match=r"train\[1\].*label"):
            cloze.train("classify", [(texts[0], "a"), (texts[1], missing)], base=model)
    for task, label in (("regress", None), ("regress", float("nan")), ("multilabel", None), ("multilabel", ["a", None])):
        with pytest.raises(cloze.ArgumentError, match=r"train\[0\]"):
            cloze.train(task, [(texts[0], label)], base=model)
    with pytest.raises(cloze.ArgumentError, match="tag"):
        cloze.train("tag", [(["a", "b"], ["O", ""])], base=model)
    with pytest.raises(cloze.ArgumentError, match="but for blanks"):
        cloze.train("classify", [(text, ("a", "b", "b ")[i % 3]) for i, text in enumerate(texts)], base=model)


@pytest.mark.parametrize("kind", [int, bool, float, np.int64, str])
def test_labels_keep_their_type(model: cloze.Model, kind: type, tmp_path: Path) -> None:
    train = [(text, kind(int(label == "good"))) for text, label in reviews(60, 7)]
    result = cloze.train("classify", train, train[:20], base=model)
    said = result.model.predict(["a lovely meal"])[0].label
    assert said == kind(1) and type(said) is kind
    names = tuple(sorted({str(kind(0)), str(kind(1))}))
    assert result.model.info.labels == names
    assert result.model.evaluate(train).metrics["accuracy"] > 0.9
    result.save(tmp_path)
    assert cloze.load(head=tmp_path).predict(["a lovely meal"])[0].label == str(kind(1))


def test_other_labels_keep_their_type(model: cloze.Model, tmp_path: Path) -> None:
    several = [(text, [1, "art"] if label == "good" else [2]) for text, label in reviews(120, 8)]
    assert cloze.train("multilabel", several, base=model).model.predict(["a lovely meal"])[0].labels == (1, "art")
    sentences = [(["a", "dog", "runs"], [0, 1, 0]), (["a", "cat"], [0, 1])] * 10
    tagger = cloze.train("tag", sentences, sentences, base=model, epochs=2).model
    words, text = tagger.predict([["a", "dog"], "a dog"])
    assert {type(tag) for tag in words.tags} == {int} == {type(tag.tag) for tag in text.tags}
    # 1 and "1" are one label, which is its text.
    mixed = [(text, 1 if label == "good" else 0) for text, label in reviews(60, 7)] + [("a lovely song", "1")]
    assert cloze.train("classify", mixed, base=model).model.predict(["a lovely meal"])[0].label == "1"
    # A file has texts.
    data = tmp_path / "data.tsv"
    data.write_text("text\tlabel\n" + "".join(f"{text}\t{label == 'good':d}\n" for text, label in reviews(60, 7)))
    valid = [(text, int(label == "good")) for text, label in reviews(20, 9)]
    assert cloze.train("classify", data, valid, base=model).model.predict(["a lovely meal"])[0].label == "1"


def test_output_is_that_of_the_command(model: cloze.Model, tmp_path: Path) -> None:
    files = {"head.safetensors", "metrics.json", "steps.jsonl", "report.html"}
    result = cloze.train("classify", reviews(60, 1), base=model, output=tmp_path, hidden=[8], epochs=2)
    assert files == {path.name for path in tmp_path.iterdir() if path.name != "checkpoint.safetensors"}
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["metrics"] == result.metrics and metrics["task"] == "classify" and metrics["seconds"] > 0
    assert metrics["train"] + metrics["valid"] == 60
    steps = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in steps if "mean_loss" in line] == [1, 2]
    assert "<html" in (tmp_path / "report.html").read_text()
    # What is refused leaves the files alone.
    before = (tmp_path / "steps.jsonl").read_bytes()
    with pytest.raises(cloze.Error, match="has a trained head"):
        cloze.train("classify", reviews(60, 1), base=model, output=tmp_path)
    assert (tmp_path / "steps.jsonl").read_bytes() == before
    data = tmp_path / "metrics.json"
    with pytest.raises(cloze.Error):
        cloze.train("classify", data, base=model, output=tmp_path, overwrite=True)


@pytest.mark.parametrize("task, example, reason", [
    ("classify", ("a", None), "the label is None"),
    ("classify", ("a", float("nan")), "the label is nan"),
    ("classify", ("a", ["x"]), r"the label is \['x'\]"),
    ("classify", ("a",), "tuple of 1; a pair"),
    ("classify", {"text": "a"}, "dict; a pair"),
    ("classify", (3, "x"), "the text is int"),
    ("classify", (float("nan"), "x"), "the text is float"),
    ("classify", (("a",), "x"), "the text is tuple of 1"),
    ("classify-pairs", (("a", None), "x"), "the second text is NoneType"),
    ("classify-pairs", ("a", "x"), r"a pair \(a, b\) is needed"),
    ("regress", ("a", float("nan")), "value is not finite"),
    ("regress", ("a", None), "a number is needed"),
    ("multilabel", ("a", None), "a list of labels is needed"),
    ("tag", (["a"], None), "lists of words and tags"),
    ("tag", (["a", 3], ["x", "y"]), r"word\[1\] is int"),
    ("nsp", 3, "a list of sentences"),
    ("answer", {"question": None, "context": "a", "answers": []}, "question is NoneType"),
])
def test_bad_examples_are_named(model: cloze.Model, task: str, example: object, reason: str) -> None:
    good = {"tag": (["a"], ["x"]), "regress": ("a", 1), "multilabel": ("a", ["x"]), "nsp": ["a", "b"],
            "classify-pairs": (("a", "b"), "x"),
            "answer": {"question": "a", "context": "a", "answers": []}}.get(task, ("a", "x"))
    for sets in (([good, example], None), ([good], [good, example])):
        with pytest.raises((cloze.Error, TypeError), match=rf"{'valid' if sets[1] else 'train'}\[1\].*{reason}"):
            cloze.train(task, *sets, base=model)


def test_what_is_no_list(model: cloze.Model) -> None:
    for source in (3, b"x", {"a": "x"}):
        with pytest.raises(TypeError, match="a path or a list of examples"):
            cloze.train("classify", source, base=model)  # type: ignore[arg-type]
    with pytest.raises(cloze.Error, match="no example"):
        cloze.train("classify", [], base=model)


def test_remarks_are_warnings(model: cloze.Model, tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    path.write_text("Text,Label\n" + "".join(f"{text},{label}\n" for text, label in reviews(60, 1)) + "a film,Good\n")
    with pytest.warns(UserWarning) as warned:
        result = cloze.train("classify", path, reviews(20, 2), base=model)
    assert len(warned) == len(result.remarks) == 3
    assert "header" in result.remarks[0] and '"Good" (1)' in result.remarks[1]
    assert result.remarks[2] == 'the label "Good" occurs once in training'
    assert result.model.info.labels == ("Good", "bad", "good")


def test_a_trained_head_stays(model: cloze.Model, tmp_path: Path) -> None:
    cloze.train("classify", reviews(60, 1), base=model, output=tmp_path)
    before = (tmp_path / "head.safetensors").read_bytes()
    with pytest.raises(cloze.ArgumentError, match="overwrite"):
        cloze.train("classify", reviews(60, 2), base=model, output=tmp_path)
    assert (tmp_path / "head.safetensors").read_bytes() == before
    cloze.train("classify", reviews(60, 2), base=model, output=tmp_path, overwrite=True)
    assert (tmp_path / "head.safetensors").read_bytes() != before


def test_forms_of_answers(model: cloze.Model) -> None:
    def train(answers: object, context: str = "😀 Köln am Rhein", **more: object) -> cloze.TrainingResult:
        example = {"question": "where", "context": context, "answers": answers, **more}
        return cloze.train("answer", [example] * 4, [example], base=model, epochs=1)

    train([{"text": "Köln", "answer_start": 2}])
    train({"text": np.array(["Köln"]), "answer_start": np.array([2])})
    train([])
    train(None, is_impossible=True)
    for answers, words in (
            ([{"text": "Köln", "answer_start": 3}], "UTF-16"), ([{"text": "Rhein", "answer_start": 0}], "character 10"),
            ([{"text": "Bonn", "answer_start": 0}], "does not contain"), ({"text": ["Köln"], "answer_start": []}, "0 answer"),
            ([{"text": "Köln"}], "answer_start"), (None, "no answers"), ([{"text": "", "answer_start": 0}], "part of")):
        with pytest.raises(cloze.ArgumentError, match=words):
            train(answers)
    with pytest.raises(cloze.ArgumentError, match="no 'context'"):
        cloze.train("answer", [{"question": "where", "answers": []}], base=model)


def test_a_head_of_single_texts_refuses_pairs(model: cloze.Model) -> None:
    result = cloze.train("classify", reviews(60, 1), base=model)
    with pytest.raises(cloze.ArgumentError, match="text 1: a pair"):
        result.model.predict(["a film", ("a", "b")])


def test_what_is_refused(model: cloze.Model, tmp_path: Path) -> None:
    with pytest.raises(cloze.ArgumentError, match="task is"):
        cloze.train("translate", [], base=model)
    with pytest.raises(cloze.ArgumentError, match="unknown option epoch"):
        cloze.train("classify", reviews(20, 1), base=model, epoch=3)
    with pytest.raises(TypeError, match=r"train\[0\]"):
        cloze.train("classify", ["text"], base=model)
    with pytest.raises(cloze.ArgumentError, match="labels"):
        cloze.train("classify", [("a", "x"), ("b", "x")] * 20, base=model)
    with pytest.raises(cloze.Error) as failure:
        model.predict(["a"])
    assert failure.value.status == "no_head"
    bad = tmp_path / "bad.tsv"
    bad.write_text("text\tlabel\na\tx\nb\n")
    with pytest.raises(cloze.ArgumentError, match="bad.tsv:3"):
        cloze.train("classify", bad, base=model, text="text", label="label")
    with pytest.raises(cloze.Error, match="no such file"):
        cloze.load(head=tmp_path / "none")


def test_a_pooling_that_the_files_ask_for_in_vain(tmp_path: Path) -> None:
    """Heads read the pooling of the model's files, or one that is named; never another in its place."""
    for file in (ROOT / "models" / "cloze-mini").iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "1_Pooling").mkdir()
    settings = tmp_path / "1_Pooling" / "config.json"
    settings.write_text('{"pooling_mode": ["cls", "mean"]}')
    with pytest.raises(cloze.Error, match="cls, mean is not supported; name a pooling") as failure:
        cloze.train("classify", reviews(40, 1), base=cloze.load(tmp_path))
    assert failure.value.status == "unsupported_model"
    assert cloze.train("classify", reviews(40, 1), base=cloze.load(tmp_path), pooling="last_token").model.info.labels
    settings.write_text('{"pooling_mode": "weightedmean"}')
    found, named = (
        cloze.train("classify", reviews(40, 1), base=cloze.load(tmp_path), **options).model.predict(["a poor song"])
        for options in ({}, {"pooling": "weighted_mean"}))
    assert found == named
