"""Predictions of heads that a model's own file brings: their labels, functions, windows, and forms of the model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest

import cloze
import tiny

TEXTS = ["paris is the capital of france .", ("is paris old ?", "rome is large"), "cats", ""]
QUERY = "is paris the capital ?"
DOCUMENTS = ["cats sleep .", "paris is the capital of france .", "", "rome is old", "cats sleep ."]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softmax(x: np.ndarray) -> np.ndarray:
    shares = np.exp(x - x.max(axis=-1, keepdims=True))
    return shares / shares.sum(axis=-1, keepdims=True)


def load(path: Path) -> cloze.Model:
    return cloze.load(path, precision="float32", threads=1)


def logits(model: cloze.Model, text: Any, output: str = "classes") -> np.ndarray:
    encoding = model.tokenize(text)
    return model.run(encoding.ids, [0, len(encoding)], encoding.type_ids, output=output).astype(np.float64)


def every_form(path: Path) -> dict[str, cloze.Model]:
    """A folder's model, as the folder, as a .cloze file, and as ONNX exported from both, without other files."""
    cloze.convert(path, path / "forms.cloze", precision="float32")
    forms = {"folder": load(path), "prepared": load(path / "forms.cloze")}
    tokenizer = forms["folder"].tokenizer
    for name in ("folder", "prepared"):
        target = path / "exported" / f"{name}.onnx"
        target.parent.mkdir(exist_ok=True)
        cloze.export(path if name == "folder" else path / "forms.cloze", target)
        forms[f"{name}, exported"] = cloze.load(target, precision="float32", threads=1, tokenizer=tokenizer)
    return forms


@pytest.mark.parametrize(("problem", "outputs", "task", "function"), [
    (None, 3, "classify", softmax), ("single_label_classification", 2, "classify", softmax),
    ("multi_label_classification", 3, "multilabel", sigmoid), ("regression", 1, "regress", None),
    (None, 1, "regress", sigmoid), ("regression", 3, "regress", None),
])
def test_classes(
    tmp_path: Path, problem: str, outputs: int, task: str, function: Callable[[np.ndarray], np.ndarray],
) -> None:
    names = [f"name {i}" for i in range(outputs)]
    path = tiny.folder(
        tmp_path, "classes", outputs, problem_type=problem, id2label={str(i): name for i, name in enumerate(names)})
    for form, model in every_form(path).items():
        assert (model.info.task, model.info.labels) == (task, tuple(names)), form
        assert "classes" in model.info.heads
        for text, said in zip(TEXTS, model.predict(TEXTS)):
            right = logits(model, text)[0]
            right = function(right) if function else right
            numbers = said.values if task == "regress" else said.probabilities
            assert numbers == pytest.approx(right, abs=2e-6), form
            if task == "classify":
                assert said.label == names[int(right.argmax())]
            elif task == "multilabel":
                assert said.labels == tuple(name for name, share in zip(names, right) if share >= 0.5)
            else:
                assert said.value == said.values[0]
                assert (said.label, said.probabilities) == (
                    (names[0], said.values) if function else (None, ()))


def gelu(x: np.ndarray) -> np.ndarray:
    return np.array([y * (1 + math.erf(y / math.sqrt(2))) / 2 for y in x])


@pytest.mark.parametrize(("kind", "activation"), [
    ("distilbert", lambda x: np.maximum(x, 0)), ("roberta", np.tanh), ("electra", gelu)])
def test_relatives_of_bert(
    tmp_path: Path, kind: str, activation: Callable[[np.ndarray], np.ndarray],
) -> None:
    head = tiny.relative(tmp_path, kind, 3)
    for form, model in every_form(tmp_path).items():
        assert model.info.task == "classify", form
        encoding = model.tokenize("paris is old")
        state = model.run(encoding.ids, [0, len(encoding)])[0].astype(np.float64)
        right = head["output.weight"] @ activation(head["dense.weight"] @ state + head["dense.bias"])
        assert model.predict(["paris is old"])[0].probabilities == pytest.approx(
            softmax(right + head["output.bias"]), abs=2e-6), form


@pytest.mark.parametrize(("config", "function"), [
    ({}, sigmoid),
    ({"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity", "version": "4.0.1"}}, None),
    ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Sigmoid"}}, sigmoid),
    ({"sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity"}, None),
    ({"problem_type": "regression"}, None),
    ({"problem_type": "regression", "sentence_transformers": {"activation_fn": "torch.nn.Sigmoid"}}, sigmoid),
])
def test_cross_encoder(tmp_path: Path, config: dict[str, Any], function: Any) -> None:
    """The function of the number is that of the files; reranking always gives the sigmoid."""
    path = tiny.folder(tmp_path, "classes", 1, id2label={"0": "LABEL_0"}, **config)
    pairs = [(QUERY, document) for document in DOCUMENTS]
    for form, model in every_form(path).items():
        raw = np.array([logits(model, pair)[0, 0] for pair in pairs])
        right = function(raw) if function else raw
        assert [said.value for said in model.predict(pairs)] == pytest.approx(right, abs=2e-6), form
        order = sorted(range(len(raw)), key=lambda i: (-raw[i], i))
        ranked = model.rerank(QUERY, DOCUMENTS)
        assert [index for index, _ in ranked] == order, form
        assert [score for _, score in ranked] == pytest.approx(sigmoid(raw[order]), abs=2e-6)
        assert model.rerank(QUERY, DOCUMENTS, top_k=2) == ranked[:2]
        assert model.rerank(QUERY, DOCUMENTS, top_k=99) == ranked and model.rerank(QUERY, []) == []


def test_rerank_by_two_classes(tmp_path: Path) -> None:
    model = load(tiny.folder(tmp_path, "classes", 2))
    right = softmax(np.concatenate([logits(model, (QUERY, document)) for document in DOCUMENTS]))[:, 1]
    ranked = model.rerank(QUERY, DOCUMENTS)
    assert ranked == [(i, pytest.approx(right[i], abs=2e-6)) for i in np.argsort(-right, kind="stable")]


@pytest.mark.parametrize(("config", "labels"), [
    ({}, ("LABEL_0", "LABEL_1", "LABEL_2")), ({"id2label": {"1": "b"}}, ("LABEL_0", "b", "LABEL_2")),
    ({"id2label": {"0": "a", "2": "c", "7": "h"}}, ("a", "LABEL_1", "c")),
    ({"id2label": {"0": 5, "1": True, "2": None}}, ("5", "true", "LABEL_2")),
])
def test_labels_with_holes(tmp_path: Path, config: dict[str, Any], labels: tuple[str, ...]) -> None:
    for form, model in every_form(tiny.folder(tmp_path, "classes", 3, **config)).items():
        assert model.info.labels == labels, form
        assert model.predict(["cats"])[0].label in labels


def words_of(model: cloze.Model, text: str) -> list[int]:
    """The token of each word's first piece."""
    return [i for i, token in enumerate(model.tokenize(text).tokens) if not token.startswith(("##", "[CLS]", "[SEP]"))]


def test_tags(tmp_path: Path) -> None:
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    path = tiny.folder(tmp_path, "tags", 5, id2label=dict(enumerate(names)))
    text = "Anna Berg works in Paris, old Rome."
    for form, model in every_form(path).items():
        assert (model.info.task, model.info.labels) == ("tag", tuple(names)), form
        said = model.predict([text, text.split()])
        right = softmax(logits(model, text, "tags"))[words_of(model, text)]
        tags = said[0].tags
        assert [tag for _, _, tag, _ in tags] == [names[i] for i in right.argmax(axis=1)], form
        assert [share for *_, share in tags] == pytest.approx(right.max(axis=1), abs=2e-6)
        assert [text[begin:end] for begin, end, _, _ in tags] == [
            "Anna", "Berg", "works", "in", "Paris", ",", "old", "Rome", "."]
        assert not said[0].truncated and len(said[1].tags) == len(text.split())


def test_entities(tmp_path: Path) -> None:
    model = load(tiny.folder(tmp_path, "tags", 3, id2label={0: "O", 1: "B-X", 2: "I-X"}))
    words = "änna berg works in paris . anna lives in rome .".split()
    text = " ".join(words)
    of_text, of_words = model.predict([text, words])
    assert of_text.entities and len(of_text.entities) == len(of_words.entities)
    for entity, same in zip(of_text.entities, of_words.entities):
        assert entity.text == text[entity.begin:entity.end] == same.text == " ".join(words[same.begin:same.end])
        assert entity.type == same.type == "X"
        shares = [tag.probability for tag in of_text.tags if entity.begin <= tag.begin < entity.end]
        assert entity.probability == same.probability == min(shares)
        assert all(tag.tag != "O" for tag in of_text.tags if entity.begin <= tag.begin < entity.end)


def test_tags_of_a_text_longer_than_the_model(tmp_path: Path) -> None:
    """Each word has the tag of the window in which it has most context, and no window cuts a word's result."""
    model = load(tiny.folder(tmp_path, "tags", 4))
    chance = np.random.default_rng(3)
    vocabulary = ["paris", "cats", "zebra", "sleep", "xylophone"]
    text = " ".join(chance.choice(vocabulary, 150))
    ids = model.tokenize(text, max_tokens=None).ids
    inner, firsts = ids[1:-1], [i - 1 for i in words_of(model, text)]
    room, stride = tiny.POSITIONS - 2, tiny.POSITIONS // 2
    windows = [(b, min(b + room, len(inner))) for b in range(0, len(inner), room - stride)]
    windows = windows[: next(i for i, (_, end) in enumerate(windows) if end == len(inner)) + 1]
    shares = []
    for begin, end in windows:
        part = np.concatenate((ids[:1], inner[begin:end], ids[-1:])).astype(np.int32)
        shares.append(softmax(model.run(part, [0, len(part)], output="tags").astype(np.float64))[1:-1])
    right = []
    for first, after in zip(firsts, [*firsts[1:], len(inner)]):
        def context(i: int) -> tuple[float, int]:
            begin, end = windows[i]
            left = np.inf if begin == 0 else first - begin
            return min(left, np.inf if end == len(inner) else end - after), i
        inside = [i for i, (begin, end) in enumerate(windows) if begin <= first < end]
        best = max(inside, key=context)
        right.append(shares[best][first - windows[best][0]])
    right = np.array(right)
    said = model.predict(["cats", text, "sleep"])[1]
    assert len(windows) > 5 and len(said.tags) == 150 and not said.truncated
    assert [tag for _, _, tag, _ in said.tags] == [f"LABEL_{i}" for i in right.argmax(axis=1)]
    assert [share for *_, share in said.tags] == pytest.approx(right.max(axis=1), abs=2e-6)
    assert model.predict([text.split()])[0].tags == tuple(tag for _, _, tag, _ in said.tags)


def test_answers(tmp_path: Path) -> None:
    path = tiny.folder(tmp_path, "answer", 2)
    passage = "Paris is the capital of France, Rome an old city."
    for form, model in every_form(path).items():
        assert (model.info.task, model.info.labels) == ("answer", ()), form
        said = model.predict([("capital ?", passage)])[0]
        encoding = model.tokenize("capital ?", passage)
        scores = logits(model, ("capital ?", passage), "answer")
        inside = [i for i in range(len(encoding)) if encoding.type_ids[i] == 1 and encoding.tokens[i] != "[SEP]"]
        spans = ((s, e) for s in inside for e in inside if s <= e < s + 30)
        start, end = max(spans, key=lambda span: scores[span[0], 0] + scores[span[1], 1])
        kept = [0, *inside]
        share = [softmax(scores[kept, column])[kept.index(at)] for column, at in ((0, start), (1, end))]
        span = (encoding.offsets[start][0], encoding.offsets[end][1])
        assert (said.span, said.answer) == (span, passage[slice(*span)]), form
        assert said.probabilities == pytest.approx((share[0] * share[1],), abs=2e-6)
    with pytest.raises(cloze.Error, match="not a pair"):
        model.predict(["capital ?"])


def test_long_passage(tmp_path: Path) -> None:
    model = load(tiny.folder(tmp_path, "answer", 2))
    passage = " ".join(np.random.default_rng(5).choice(["paris", "cats", "zebra"], 300))
    said = model.predict([("capital ?", passage)])[0]
    assert not said.truncated and passage[slice(*said.span)] == said.answer


def test_what_is_refused(tmp_path: Path, model: cloze.Model) -> None:
    assert model.info.task is None
    for call in (lambda: model.predict(["a"]), lambda: model.rerank("a", ["b"])):
        with pytest.raises(cloze.Error, match="classes, tags or answers") as failure:
            call()
        assert failure.value.status == "no_head"
    for name, config in (("odd", {"problem_type": "ranking"}), ("tanh", {
            "sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh"}})):
        path = tiny.folder(tmp_path / name, "classes", 1, **config)
        for form, odd in every_form(path).items():
            if form == "folder" or form == "prepared":
                assert odd.info.task is None and "classes" in odd.info.heads
                with pytest.raises(cloze.Error, match='"(ranking|torch.nn.modules.activation.Tanh)"'):
                    odd.predict(["cats"])
                assert logits(odd, "cats").shape == (1, 1)
    three = load(tiny.folder(tmp_path / "three", "classes", 3))
    with pytest.raises(cloze.Error, match="one output or of two classes"):
        three.rerank(QUERY, DOCUMENTS)
    with pytest.raises(cloze.ArgumentError, match="top_k"):
        three.rerank(QUERY, DOCUMENTS, top_k=0)
    with pytest.raises(TypeError, match="documents"):
        three.rerank(QUERY, "cats")
    with pytest.raises(TypeError, match=r"documents\[0\]"):
        three.rerank(QUERY, [("a", "b")])


def test_a_trained_head_replaces_the_file_s(tmp_path: Path) -> None:
    model = load(tiny.folder(tmp_path, "classes", 3))
    examples = [("cats sleep", "x"), ("rome is old", "y")] * 20
    trained = cloze.train("classify", examples, examples, base=model).model
    assert (trained.info.task, trained.info.labels) == ("classify", ("x", "y"))
    assert [said.label for said in trained.predict(["cats sleep", "rome is old"])] == ["x", "y"]
    assert model.info.labels == ("LABEL_0", "LABEL_1", "LABEL_2")


def test_inspect(tmp_path: Path) -> None:
    path = tiny.folder(tmp_path, "classes", 2, id2label={"0": "no", "1": "yes"})
    cloze.convert(path, path / "model.cloze")
    cloze.export(path, path / "exported.onnx")
    for form in (path, path / "model.cloze", path / "exported.onnx"):
        said = cloze.inspect(form)
        assert (said["task"], said["labels"]) == ("classify", ["no", "yes"])
