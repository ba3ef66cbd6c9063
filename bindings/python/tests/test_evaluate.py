"""Judging heads by labelled examples."""

from __future__ import annotations

import dataclasses
import random
import re
from pathlib import Path
from typing import Optional

import numpy as np
import pytest

import cloze
import tiny
from conftest import ROOT
from test_file_heads import TEXTS, load
from test_train import BAD, GOOD, NOUNS, reviews

pytestmark = pytest.mark.filterwarnings("ignore:the label", "ignore:.*labels occur once", "ignore:.*is not above")


@pytest.fixture(scope="module")
def noisy(model: cloze.Model) -> cloze.TrainingResult:
    """A head of three classes, of which it confuses some."""
    return cloze.train("classify", mixed(120, 1), mixed(60, 2), base=model, max_tokens=16)


def mixed(count: int, seed: int) -> list[tuple[str, str]]:
    chance = random.Random(seed)
    kinds = {"good": GOOD, "bad": BAD, "fair": GOOD[:3] + BAD[:3]}
    labels = [chance.choice(["good", "bad", "fair", "good"]) for _ in range(count)]
    return [(f"a {chance.choice(kinds[label])} {chance.choice(NOUNS)}", label) for label in labels]


def test_equals_predictions(noisy: cloze.TrainingResult) -> None:
    model, data = noisy.model, mixed(80, 3)
    result = model.evaluate(data)
    said = [prediction.label for prediction in model.predict([text for text, _ in data])]
    confusion = np.zeros((3, 3), int)
    for (_, truth), guess in zip(data, said):
        confusion[model.info.labels.index(truth), model.info.labels.index(guess)] += 1
    assert result.labels == model.info.labels == ("bad", "fair", "good")
    assert np.array_equal(result.confusion, confusion) and result.examples == 80
    assert result.metrics["accuracy"] == np.trace(confusion) / 80 == result.value
    for index, label in enumerate(result.labels):
        score = result.classes[label]
        assert score.support == confusion[index].sum()
        assert score.recall == pytest.approx(confusion[index, index] / confusion[index].sum(), abs=1e-12)
    wrong = [index for index, ((_, truth), guess) in enumerate(zip(data, said)) if truth != guess]
    assert sorted(mistake.example for mistake in result.most_wrong) == wrong
    losses = [mistake.loss for mistake in result.most_wrong]
    assert losses == sorted(losses, reverse=True) and result.most_wrong[0].text == data[result.most_wrong[0].example][0]
    assert result.most_wrong[0].place is None
    assert repr(result) == (
        f"<Evaluation of classify: accuracy {result.value:.4f} (baseline {result.baseline:.4f}), 80 examples>")


def test_baseline_is_of_the_training_labels(noisy: cloze.TrainingResult) -> None:
    truth = [label for _, label in mixed(80, 3)]
    result = noisy.model.evaluate(mixed(80, 3))
    assert result.baseline == truth.count("good") / 80
    assert result.baseline_is == noisy.evaluation.baseline_is == 'always "good", the most frequent in training'
    assert noisy.baseline == [label for _, label in mixed(60, 2)].count("good") / 60


def test_training_has_the_same(noisy: cloze.TrainingResult, tmp_path: Path) -> None:
    result = noisy.model.evaluate(mixed(60, 2))
    assert np.array_equal(noisy.confusion, result.confusion) and noisy.classes == result.classes
    assert noisy.metrics == noisy.evaluation.metrics and list(noisy.metrics) == list(result.metrics)
    assert [one.example for one in noisy.most_wrong] == [one.example for one in result.most_wrong]
    for name, one in (("training.html", noisy), ("test.html", result)):
        one.report(tmp_path / name)
        page = (tmp_path / name).read_text()
        assert page.startswith("<!doctype html>") and "baseline" in page and "http" not in page
    assert "Training loss" in (tmp_path / "training.html").read_text()
    with pytest.raises(cloze.Error):
        result.report(tmp_path)


def test_warnings(model: cloze.Model) -> None:
    data = [(text, "x" if index else "rare") for index, (text, _) in enumerate(reviews(30, 1))]
    data[1:4] = [(text, "y") for text, _ in data[1:4]]
    valid = [(text, "y") for text, _ in data[1:4]] + [(text, "x") for text, _ in data[4:20]]
    with pytest.warns(UserWarning) as warned:
        result = cloze.train("classify", data, valid, base=model)
    assert 'the label "rare" occurs once in training' in result.remarks
    assert [str(one.message) for one in warned] == list(result.remarks)
    with pytest.warns(UserWarning, match=r"is not above the baseline, 1\.0000"):
        result.model.evaluate([(text, "x") for text, _ in data])


def test_every_task(model: cloze.Model, tmp_path: Path) -> None:
    texts = [text for text, _ in reviews(80, 4)]
    good = [label == "good" for _, label in reviews(80, 4)]
    numbers = [(text, 1.5 if one else -1.0) for text, one in zip(texts, good)]
    result = cloze.train("regress", numbers, base=model).model.evaluate(numbers)
    assert result.metrics["pearson"] > 0.8 and result.confusion is None and result.baseline == 0
    assert result.baseline_is.startswith("always ") and "the mean" in result.baseline_is
    labels = [(text, ["good"] * one + ["song"] * ("song" in text)) for text, one in zip(texts, good)]
    result = cloze.train("multilabel", labels, base=model).model.evaluate(labels)
    assert set(result.classes) == {"good", "song"} and result.metrics["f1_micro"] > result.baseline
    tagged = [(text.split(), ["O", "B-ADJ", "B-N"]) for text in texts]
    head = cloze.train("tag", tagged, base=model, epochs=3, learning_rate=0.02).model
    result = head.evaluate(tagged)
    assert set(result.entities) == {"ADJ", "N"} and result.value > result.baseline
    assert result.entities["N"].support == 80
    answers = [{"question": "what", "context": text,
                "answers": [{"text": text.split()[2], "answer_start": text.rindex(" ") + 1}]} for text in texts]
    head = cloze.train("answer", answers, base=model, epochs=2, learning_rate=0.01, max_tokens=32, stride=8).model
    result = head.evaluate(answers)
    assert result.metrics["f1"] > 0 and result.baseline_is == "always the whole passage"
    documents = [[f"{text}." for text in texts[i:i + 4]] for i in range(0, 40, 4)]
    for task in ("mlm", "nsp"):
        result = model.evaluate(documents, task=task)
        assert result.task == task and result.baseline is not None


def test_files(noisy: cloze.TrainingResult, tmp_path: Path) -> None:
    path = tmp_path / "test.csv"
    path.write_text("review,verdict\n" + "".join(f"{text},{label}\n" for text, label in mixed(20, 5)))
    result = noisy.model.evaluate(path, text="review", label="verdict")
    assert result.examples == 20
    assert all(one.place == f"{path}:{one.example + 2}" for one in result.most_wrong)
    path.write_text(path.read_text() + "a film,odd\nno label\n")
    with pytest.raises(cloze.Error, match=r"test\.csv:23: 1 field"):
        noisy.model.evaluate(path, text="review", label="verdict")
    with pytest.warns(UserWarning, match=r'1 example with unknown labels left out; .*test\.csv:22.*"odd"'):
        result = noisy.model.evaluate(path, text="review", label="verdict", skip_bad=True)
    assert (result.examples, result.skipped) == (20, 2)
    seen: list[tuple[int, int]] = []
    noisy.model.evaluate(mixed(20, 5), progress=lambda done, total: seen.append((done, total)))


def test_what_is_refused(model: cloze.Model, noisy: cloze.TrainingResult, tmp_path: Path) -> None:
    trained = noisy.model
    with pytest.raises(cloze.Error, match='example 1: the head has no label "Good"; there is "good"'):
        trained.evaluate([("a film", "good"), ("a film", "Good")])
    with pytest.raises(cloze.Error, match='its labels are "bad", "fair", "good"'):
        trained.evaluate([("a film", "odd")])
    with pytest.raises(cloze.Error, match="no example"):
        trained.evaluate([])
    (tmp_path / "empty.tsv").write_text("")
    with pytest.raises(cloze.Error, match="empty.tsv has no example"):
        trained.evaluate(tmp_path / "empty.tsv")
    with pytest.raises(cloze.Error) as refused:
        model.evaluate(mixed(3, 1))
    assert refused.value.status == "no_head"
    with pytest.raises(cloze.ArgumentError, match="answers classify, not tag"):
        trained.evaluate([(["a"], ["O"])], task="tag")
    with pytest.raises(cloze.ArgumentError, match="task is 'judge'"):
        trained.evaluate([], task="judge")
    with pytest.raises(cloze.Error, match="pair"):
        trained.evaluate([(("a", "b"), "good")])
    with pytest.raises(TypeError, match="is for a file"):
        trained.evaluate(mixed(3, 1), text="review")
    with pytest.raises(TypeError, match="unexpected keyword"):
        trained.evaluate(mixed(3, 1), epochs=3)
    with pytest.raises(TypeError, match="data is int"):
        trained.evaluate(3)


@pytest.mark.parametrize(("problem", "outputs"), [
    (None, 3), ("multi_label_classification", 3), ("regression", 1), (None, 1)])
def test_classes_and_numbers_of_files(tmp_path: Path, problem: Optional[str], outputs: int) -> None:
    """What a file's head predicts, of texts and pairs alike, is what it is judged by."""
    model = load(tiny.folder(tmp_path, "classes", outputs, problem_type=problem))
    said = model.predict(TEXTS)
    if model.info.task == "classify":
        truth = [said[0].label, said[1].label, "LABEL_0", "LABEL_1"]
        result = model.evaluate(list(zip(TEXTS, truth)))
        assert result.value == sum(one.label == label for one, label in zip(said, truth)) / 4
        assert result.baseline_is.endswith("the most frequent of these examples")
        path = tmp_path / "pairs.tsv"
        path.write_text("text\tpair\tlabel\n" + "".join(f"cats\trome {i}\tLABEL_{i % 3}\n" for i in range(6)))
        labels = [one.label for one in model.predict([("cats", f"rome {i}") for i in range(6)])]
        right = sum(label == f"LABEL_{i % 3}" for i, label in enumerate(labels)) / 6
        assert model.evaluate(path, pair="pair", text="text", label="label").value == right
        assert model.evaluate(path, task="classify-pairs").value == right
    elif model.info.task == "multilabel":
        result = model.evaluate([(text, one.labels or ("LABEL_0",)) for text, one in zip(TEXTS, said)])
        assert result.metrics["accuracy"] == sum(bool(one.labels) for one in said) / 4
    else:
        truth = np.array([1.0, 0.5, 0.0, 0.25])
        result = model.evaluate(list(zip(TEXTS, truth)))
        values = np.array([one.value for one in said])
        assert result.metrics["mse"] == pytest.approx(np.mean((values - truth) ** 2), rel=1e-6)
        assert result.metrics["pearson"] == pytest.approx(np.corrcoef(values, truth)[0, 1], rel=1e-5)


def test_tags_and_answers_of_files(tmp_path: Path) -> None:
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    model = load(tiny.folder(tmp_path / "tags", "tags", 5, id2label=dict(enumerate(names))))
    words = "anna berg works in paris , old rome .".split()
    said = model.predict([words])[0].tags
    assert model.evaluate([(words, list(said))]).value == 1
    # A sentence of more words than the model takes.
    long = words * 20
    result = model.evaluate([(long, list(model.predict([long])[0].tags))])
    assert result.metrics["accuracy"] == 1 and result.truncated == 0
    model = load(tiny.folder(tmp_path / "answer", "answer", 2))
    passage = "paris is the capital of france , rome an old city ."
    answer = model.predict([("capital ?", passage)])[0]
    question = {"question": "capital ?", "context": passage}
    right = {**question, "answers": [{"text": answer.answer, "answer_start": answer.span[0]}]}
    assert model.evaluate([right]).metrics["exact_match"] == 1
    assert model.evaluate([right, {**question, "answers": []}]).metrics["exact_match"] == 0.5
    model = load(tiny.folder(tmp_path / "numbers", "classes", 3, problem_type="regression"))
    with pytest.raises(cloze.Error, match="gives 3 numbers"):
        model.evaluate([("cats", 1.0)])


def test_fields_are_documented(noisy: cloze.TrainingResult) -> None:
    text = (ROOT / "docs" / "PYTHON.md").read_text()
    table = text[text.index("returns an `Evaluation`"):text.index("`cloze.train` returns a")]
    rows = re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
    fields = [field.name for field in dataclasses.fields(cloze.Evaluation) if not field.name.startswith("_")]
    assert sorted(re.findall(r"`(\w+)", " ".join(rows))) == sorted(fields + ["value", "report"])
    assert all(f"`{name}`" in text for name in ("evaluation", "baseline", "confusion", "most_wrong"))


def tagged(seed: int) -> list[tuple[list[str], list[str]]]:
    """Sentences whose tags do not follow from their words, with entities of several words."""
    chance = random.Random(seed)
    sentences = []
    for _ in range(40):
        words, tags = [], []
        while len(words) < 9:
            kind = chance.choice(["O", "O", "PER", "LOC"])
            for place in range(1 if kind == "O" else chance.randint(1, 3)):
                pool = GOOD if kind == "PER" and chance.random() < 0.8 else BAD if kind == "LOC" else NOUNS
                words.append(chance.choice(pool))
                tags.append("O" if kind == "O" else f"{'I' if place else 'B'}-{kind}")
        sentences.append((words, tags))
    return sentences


def test_equal_to_scikit_learn(noisy: cloze.TrainingResult, model: cloze.Model) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    data = mixed(80, 3)
    result = noisy.model.evaluate(data)
    truth = [label for _, label in data]
    said = [one.label for one in noisy.model.predict([text for text, _ in data])]
    assert result.metrics["accuracy"] == pytest.approx(metrics.accuracy_score(truth, said), abs=1e-12)
    for average in ("macro", "micro"):
        expected = metrics.f1_score(truth, said, average=average, zero_division=0)
        assert result.metrics[f"f1_{average}"] == pytest.approx(expected, abs=1e-12)
    assert result.metrics["matthews"] == pytest.approx(metrics.matthews_corrcoef(truth, said), abs=1e-12)
    assert np.array_equal(result.confusion, metrics.confusion_matrix(truth, said, labels=list(result.labels)))
    expected = metrics.precision_recall_fscore_support(truth, said, labels=list(result.labels), zero_division=0)
    assert np.array([tuple(one) for one in result.classes.values()]).T == pytest.approx(np.array(expected), abs=1e-12)
    labels = [(text, sorted({label, "x"} - {"bad"})) for text, label in data]
    head = cloze.train("multilabel", labels[:40], labels[40:], base=model)
    result = head.model.evaluate(labels)
    names = head.model.info.labels
    truths, guesses = (
        np.array([[name in one for name in names] for one in list_]) for list_ in
        ([one for _, one in labels], [one.labels for one in head.model.predict([text for text, _ in labels])]))
    for average in ("macro", "micro"):
        expected = metrics.f1_score(truths, guesses, average=average, zero_division=0)
        assert result.metrics[f"f1_{average}"] == pytest.approx(expected, abs=1e-12)
    assert result.metrics["accuracy"] == pytest.approx(metrics.accuracy_score(truths, guesses), abs=1e-12)
    expected = metrics.precision_recall_fscore_support(truths, guesses, zero_division=0)
    assert np.array([tuple(one) for one in result.classes.values()]).T == pytest.approx(np.array(expected), abs=1e-12)


def test_equal_to_seqeval(model: cloze.Model) -> None:
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed")
    data = tagged(7)
    head = cloze.train("tag", data[:20], data[20:], base=model, epochs=4, learning_rate=0.02).model
    result = head.evaluate(data)
    truth, said = [tags for _, tags in data], [list(one.tags) for one in head.predict([words for words, _ in data])]
    assert 0.1 < result.value < 0.95
    for name, function in (("f1", seqeval.f1_score), ("precision", seqeval.precision_score),
                           ("recall", seqeval.recall_score), ("accuracy", seqeval.accuracy_score)):
        assert result.metrics[name] == pytest.approx(function(truth, said), abs=1e-12)
    report = seqeval.classification_report(truth, said, output_dict=True, zero_division=0)
    for kind, score in result.entities.items():
        expected = [report[kind][key] for key in ("precision", "recall", "f1-score", "support")]
        assert list(score) == pytest.approx(expected, abs=1e-12)
