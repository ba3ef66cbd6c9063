"""Predictions of heads of model files are those of transformers and sentence-transformers, on random small models.

Skipped where torch and transformers are not installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cloze
import tiny

REASON = "torch and transformers are not installed: the reference"
torch = pytest.importorskip("torch", reason=REASON)
transformers = pytest.importorskip("transformers", reason=REASON)

SIZES = dict(vocab_size=len(tiny.VOCABULARY), initializer_range=0.4)
CONFIGS = {
    "bert": lambda **more: transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64,
        **SIZES, **more),
    "distilbert": lambda **more: transformers.DistilBertConfig(
        dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=64, **SIZES, **more),
    "electra": lambda **more: transformers.ElectraConfig(
        embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, **SIZES, **more),
    "roberta": lambda **more: transformers.RobertaConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=66,
        type_vocab_size=1, pad_token_id=1, bos_token_id=2, eos_token_id=3, **SIZES, **more),
    "xlm-roberta": lambda **more: transformers.XLMRobertaConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=66,
        type_vocab_size=1, pad_token_id=1, bos_token_id=2, eos_token_id=3, layer_norm_eps=1e-5, **SIZES, **more),
    "camembert": lambda **more: transformers.CamembertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=66,
        type_vocab_size=1, pad_token_id=1, bos_token_id=2, eos_token_id=3, **SIZES, **more),
    # Long enough for every bucket of relative positions.
    "mpnet": lambda **more: transformers.MPNetConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=162,
        layer_norm_eps=1e-5, **SIZES, **more),
}
#: Tokens of a sequence.
LENGTHS = dict(mpnet=160)
WITH_WORDPIECE = ["bert", "distilbert", "electra"]
TEXTS = ["paris is the capital of france .", "cats sleep", "an old xylophone in rome", "?"]
PAIRS = [("is paris old ?", "rome is large"), ("capital", "france of paris is the old large city of cats")]
#: Of a score in float32 over so small a model, compared with PyTorch's.
CLOSE = dict(rel=0, abs=2e-5)


def saved(path: Path, kind: str, task: str, **config: Any) -> Any:
    """Saves a random model and its tokenizer; returns the model."""
    torch.manual_seed(len(kind) + len(task))
    model = getattr(transformers, f"AutoModelFor{task}").from_config(CONFIGS[kind](**config)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases are zero and gains one at first
            parameter += 0.1 * torch.randn_like(parameter)
    model.save_pretrained(path)
    if kind in WITH_WORDPIECE:
        (path / "vocab.txt").write_text("\n".join(tiny.VOCABULARY) + "\n")
        (path / "tokenizer_config.json").write_text('{"do_lower_case": true, "tokenizer_class": "BertTokenizer"}')
    return model


def tokenizer(path: Path) -> Any:
    return transformers.BertTokenizerFast(vocab_file=str(path / "vocab.txt"), vocab=str(path / "vocab.txt"))


def load(path: Path) -> cloze.Model:
    return cloze.load(path, precision="float32", threads=1)


def as_input(text: Any) -> Any:
    return text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]}


@pytest.mark.parametrize("kind", WITH_WORDPIECE)
@pytest.mark.parametrize(("count", "config"), [
    (3, {}), (2, {}), (1, {}), (3, {"problem_type": "multi_label_classification"}),
    (3, {"problem_type": "single_label_classification"}), (1, {"problem_type": "regression"}),
    (3, {"problem_type": "regression"}),
])
def test_text_classification(tmp_path: Path, kind: str, count: int, config: dict[str, Any]) -> None:
    names = {i: f"name {i}" for i in range(count)}
    reference = saved(tmp_path, kind, "SequenceClassification", id2label=names, **config)
    pipe = transformers.pipeline("text-classification", model=reference, tokenizer=tokenizer(tmp_path), top_k=None)
    model = load(tmp_path)
    inputs = [*TEXTS, *PAIRS]
    for text, said in zip(inputs, model.predict(inputs)):
        result = pipe(as_input(text))
        right = {entry["label"]: entry["score"] for entry in (result[0] if isinstance(result[0], list) else result)}
        numbers = said.values or said.probabilities
        assert dict(zip(model.info.labels, numbers)) == pytest.approx(right, **CLOSE)
        if said.label is not None:
            assert said.label == max(right, key=right.get)


@pytest.mark.parametrize("kind", WITH_WORDPIECE)
def test_token_classification(tmp_path: Path, kind: str) -> None:
    names = dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))
    reference = saved(tmp_path, kind, "TokenClassification", id2label=names)
    pipe = transformers.pipeline(
        "token-classification", model=reference, tokenizer=tokenizer(tmp_path), ignore_labels=[])
    model = load(tmp_path)
    for text in TEXTS:
        right = [
            (entry["start"], entry["entity"], pytest.approx(entry["score"], **CLOSE))
            for entry in pipe(text) if not entry["word"].startswith("##")]
        assert [(begin, tag, share) for begin, _, tag, share in model.predict([text])[0].tags] == right


@pytest.mark.parametrize("kind", WITH_WORDPIECE)
def test_question_answering(tmp_path: Path, kind: str) -> None:
    reference = saved(tmp_path, kind, "QuestionAnswering")
    words = tokenizer(tmp_path)
    model = load(tmp_path)
    for question, passage in PAIRS:
        given = words(question, passage, return_tensors="pt", return_offsets_mapping=True)
        spans = given.pop("offset_mapping")[0].tolist()
        if kind == "distilbert":
            given.pop("token_type_ids", None)
        with torch.no_grad():
            result = reference(**given)
        kept = [0] + [i for i, part in enumerate(given.sequence_ids(0)) if part == 1]
        start, end = (x[0, kept].softmax(-1).double().numpy() for x in (result.start_logits, result.end_logits))
        # As the pipeline decodes them: the best product, of at most 30 tokens, without the empty answer.
        scores = np.tril(np.triu(np.outer(start, end)), 29)
        scores[0] = scores[:, 0] = 0
        first, last = np.unravel_index(scores.argmax(), scores.shape)
        span = (spans[kept[first]][0], spans[kept[last]][1])
        said = model.predict([(question, passage)])[0]
        assert (said.span, said.answer) == (span, passage[slice(*span)])
        assert said.probabilities == pytest.approx((scores[first, last],), **CLOSE)


HEADS = [("SequenceClassification", "classes"), ("TokenClassification", "tags"), ("QuestionAnswering", "answer"),
         ("MaskedLM", "mlm")]


def logits(result: Any) -> Any:
    return torch.stack((result.start_logits, result.end_logits), -1) if "start_logits" in result else result.logits


@pytest.mark.parametrize("kind", list(CONFIGS))
@pytest.mark.parametrize(("task", "output"), HEADS)
def test_logits_by_ids(tmp_path: Path, kind: str, task: str, output: str) -> None:
    if (kind, task) == ("electra", "MaskedLM"):
        pytest.skip("the decoder of ELECTRA's generator reads its narrower embeddings, which is not supported")
    reference = saved(tmp_path, kind, task, **({} if output in ("answer", "mlm") else {"num_labels": 4}))
    model = load(tmp_path)
    assert model.info.task == {"classes": "classify", "tags": "tag", "answer": "answer", "mlm": None}[output]
    length = LENGTHS.get(kind, 20)
    ids = np.random.default_rng(1).integers(5, len(tiny.VOCABULARY), length)
    with torch.no_grad():
        right = logits(reference(torch.tensor(ids)[None]))
    said = model.run(ids, [0, length], output=output)
    close = dict(rel=0, abs=2e-5 * float(right.abs().max()))
    assert said == pytest.approx(right.numpy().reshape(said.shape), **close)
    for form in ("cloze", "onnx"):
        if form == "cloze":
            cloze.convert(tmp_path, tmp_path / "model.cloze", precision="float32")
        else:
            cloze.export(tmp_path, tmp_path / "model.onnx")
        again = cloze.load(tmp_path / f"model.{form}", precision="float32").run(ids, [0, length], output=output)
        assert again == pytest.approx(right.numpy().reshape(said.shape), **close), form


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("kind", ["roberta", "mpnet"])
@pytest.mark.parametrize(("task", "output"), HEADS)
def test_onnx_of_torch(tmp_path: Path, kind: str, task: str, output: str, dynamo: bool) -> None:
    pytest.importorskip("onnxscript" if dynamo else "onnx", reason="torch's exporter of ONNX files needs it")
    reference = saved(tmp_path, kind, task, **({} if output in ("answer", "mlm") else {"num_labels": 4}))
    length = LENGTHS.get(kind, 20)
    ids = np.random.default_rng(1).integers(5, len(tiny.VOCABULARY), length)
    given = (torch.tensor(ids[:9])[None].repeat(2, 1), torch.ones(2, 9, dtype=torch.int64))
    names = ["input_ids", "attention_mask"]
    axes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC} if dynamo else {0: "batch", 1: "sequence"}
    shapes = dict(dynamic_shapes=dict.fromkeys(names, axes)) if dynamo else dict(
        dynamic_axes=dict.fromkeys(names, axes))
    outputs = ["start_logits", "end_logits"] if output == "answer" else ["logits"]
    (tmp_path / "model.safetensors").unlink()
    torch.onnx.export(reference, (), tmp_path / "model.onnx", kwargs=dict(zip(names, given)), dynamo=dynamo,
                      input_names=names, output_names=outputs, **shapes)
    with torch.no_grad():
        right = logits(reference(torch.tensor(ids)[None]))
    said = load(tmp_path).run(ids, [0, length], output=output)
    assert said == pytest.approx(right.numpy().reshape(said.shape), rel=0, abs=2e-5 * float(right.abs().max()))


@pytest.mark.parametrize("function", [None, "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"])
def test_cross_encoder(tmp_path: Path, function: Any) -> None:
    sentence_transformers = pytest.importorskip(
        "sentence_transformers", reason="sentence-transformers is not installed: the reference")
    saved(tmp_path, "bert", "SequenceClassification", num_labels=1)
    tokenizer(tmp_path).save_pretrained(tmp_path)
    if function:
        config = json.loads((tmp_path / "config.json").read_text())
        config["sentence_transformers"] = {"activation_fn": function, "version": "4.0.0"}
        (tmp_path / "config.json").write_text(json.dumps(config))
    reference = sentence_transformers.CrossEncoder(str(tmp_path), device="cpu")
    model = load(tmp_path)
    query, documents = "is paris old ?", [*TEXTS, "rome is large"]
    pairs = [(query, document) for document in documents]
    assert [said.value for said in model.predict(pairs)] == pytest.approx(reference.predict(pairs).tolist(), **CLOSE)
    right = reference.rank(query, documents)
    ranked = model.rerank(query, documents)
    assert [index for index, _ in ranked] == [entry["corpus_id"] for entry in right]
    shares = reference.predict(pairs, activation_fn=torch.nn.Sigmoid())
    assert [score for _, score in ranked] == pytest.approx([shares[index] for index, _ in ranked], **CLOSE)
