"""The members of every command's JSON are those of the table in docs/COMMAND-LINE.md."""

import json
import re
import sys

import pytest
from conftest import ROOT

sys.path.append(str(ROOT / "bindings" / "python" / "tests"))
import tiny  # noqa: E402

PLACE = {"begin", "end", "byte_begin", "byte_end"}


def first(output):
  return json.loads(output.splitlines()[0])


@pytest.fixture(scope="module")
def table(root):
  text = (root / "docs/COMMAND-LINE.md").read_text()
  text = text[text.index("## JSON"):]
  rows = re.findall(r"^\| `(.+?)\|(.+)\|$", text[:text.index("## Exit status")], re.MULTILINE)
  return {name.replace("`", "").strip(): set(re.findall(r"`(\w+)`", members)) for name, members in rows}


def test_tokens_and_vectors(cloze, table):
  tokens = {"tokens", "ids", "type_ids", "sequence_ids", "offsets", "byte_offsets"}
  common = {"text", "truncated"}
  assert table["encode"] == tokens | {"vectors"}
  assert set(first(cloze("tokenize", "--json", "a"))) == tokens | common
  assert set(first(cloze("encode", "--json", "a"))) == table["encode"] | common
  assert set(first(cloze("embed", "--json", "a"))) == table["embed"] | common
  assert set(first(cloze("next-sentence", "--json", "a", "b"))) == table["next-sentence"] | common | {"pair"}
  entry = first(cloze("tokenize", "--json", "--pair-arguments", "é", "zürich"))
  pieces = [(entry["text"], entry["pair"])[which][begin:end]
            for which, (begin, end) in zip(entry["sequence_ids"], entry["offsets"]) if which >= 0]
  assert "".join(pieces) == "ézürich"


def test_masks(cloze, table):
  entry = first(cloze("fill-mask", "--json", "--pair-arguments", "ü", "é [MASK]"))
  (mask,) = entry["masks"]
  assert set(mask) | {"masks", "token", "id", "probability"} == table["fill-mask"]
  assert entry["pair"][mask["begin"]:mask["end"]] == "[MASK]" and mask["sequence_id"] == 1
  assert entry["pair"].encode()[mask["byte_begin"]:mask["byte_end"]] == b"[MASK]"


def test_predictions(cloze, table, tmp_path):
  def predicted(kind, count, *texts, **settings):
    model = tiny.folder(tmp_path / f"{kind}{count}{len(settings)}", kind, count, **settings)
    return first(cloze("predict", "-m", model, "--json", *texts))

  common = {"text", "truncated"}
  assert set(predicted("classes", 3, "a")) == common | {"label", "probabilities"}
  several = predicted("classes", 3, "a", problem_type="multi_label_classification")
  assert set(several) == common | {"labels", "probabilities"}
  assert table["predict, classes"] == {"label", "probabilities", "labels"}
  assert set(predicted("classes", 2, "a", problem_type="regression")) == common | table["predict, numbers"]
  tags = predicted("tags", 3, "anna berg works in paris", id2label={"0": "B-X", "1": "B-X", "2": "I-X"})
  span = PLACE | {"text", "probability"}
  assert set(tags) == common | {"tags", "entities"}
  assert set(tags["tags"][0]) == span | {"tag"} and set(tags["entities"][0]) == span | {"type"}
  assert table["predict, tags"] == span | {"tags", "tag", "entities", "type"}
  answer = predicted("answer", 2, "capital ?", "paris is the capital of france")
  assert set(answer) == common | {"pair", "answer"} | PLACE | {"probability"}
  assert table["predict, answers"] == PLACE | {"answer", "pair", "probability"}
  ranking = tiny.folder(tmp_path / "ranking", "classes", 1)
  assert set(first(cloze("rerank", "-m", ranking, "--json", "a", "b"))) == table["rerank"] | common
