"""`cloze predict` and `cloze rerank` with the heads of model files."""

import json
import math
import sys

from conftest import ROOT

sys.path.append(str(ROOT / "bindings" / "python" / "tests"))
import tiny  # noqa: E402

QUERY = "is paris the capital ?"
DOCUMENTS = ["cats sleep .", "paris is the capital of france .", "rome is old"]


def objects(text):
  return [json.loads(line) for line in text.splitlines()]


def test_classes(cloze, tmp_path):
  model = tiny.folder(tmp_path / "model", "classes", 3, id2label={"0": "red", "2": "blue"})
  said = objects(cloze("predict", "-m", model, "--json", "cats sleep", "rome"))
  for entry in said:
    assert set(entry["probabilities"]) == {"red", "LABEL_1", "blue"}
    assert math.isclose(sum(entry["probabilities"].values()), 1, abs_tol=1e-5)
    assert entry["label"] == max(entry["probabilities"], key=entry["probabilities"].get)
  lines = cloze("predict", "-m", model, "cats sleep", "rome").splitlines()
  assert [line.split("\t")[0] for line in lines] == [entry["label"] for entry in said]
  # Pairs, as arguments and as fields.
  one, = objects(cloze("predict", "-m", model, "--json", "--pair-arguments", "cats", "rome is old"))
  assert one["pair"] == "rome is old" and one["probabilities"] != said[0]["probabilities"]
  (tmp_path / "pairs.tsv").write_text("cats\trome is old\n")
  again, = objects(cloze(
      "predict", "-m", model, "--json", "--input", tmp_path / "pairs.tsv", "--text", "1", "--pair", "2"))
  assert again == one
  # Length limits; truncation is said.
  long = "cats sleep . " * 3
  short, = objects(cloze("predict", "-m", model, "--json", "--max-tokens", "4", long))
  again, = objects(cloze("predict", "-m", model, "--json", "cats sleep"))
  assert short["truncated"] and short["probabilities"] == again["probabilities"]
  cloze("predict", "-m", model, "--max-tokens", "0", "cats", expect=64)
  cloze("predict", "-m", model, "--max-tokens", "100000", "cats", expect=64)
  (tmp_path / "data.tsv").write_text(f"text\tlabel\n{long}\tred\ncats\tblue\n")
  judged = json.loads(cloze(
      "evaluate", "-m", model, "--data", tmp_path / "data.tsv", "--max-tokens", "4", "--json"))
  assert judged["truncated"] == 1
  # The head is kept by the other forms.
  cloze("convert", model, tmp_path / "model.cloze", "--precision", "float32")
  cloze("export", model, tmp_path / "out.onnx")
  for path in (tmp_path / "model.cloze", tmp_path / "out.onnx"):
    for line in ("task", "labels"):
      assert line in cloze("inspect", path)
    entry = json.loads(cloze("inspect", "--json", path))
    assert (entry["task"], entry["labels"]) == ("classify", ["red", "LABEL_1", "blue"])


def test_numbers(cloze, tmp_path):
  identity = {"sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"}}
  models = [tiny.folder(tmp_path / name, "classes", 1, **config) for name, config in (
      ("plain", {}), ("identity", identity))]
  share, number = (
      objects(cloze("predict", "-m", model, "--precision", "float32", "--json", "cats"))[0]["value"]
      for model in models)
  assert math.isclose(share, 1 / (1 + math.exp(-number)), abs_tol=1e-5)
  several = tiny.folder(tmp_path / "several", "classes", 2, problem_type="regression")
  entry, = objects(cloze("predict", "-m", several, "--json", "cats"))
  assert list(entry["values"]) == ["LABEL_0", "LABEL_1"] and entry["value"] == entry["values"]["LABEL_0"]
  assert cloze("predict", "-m", several, "cats").startswith("LABEL_0: ")


def test_tags_and_answers(cloze, tmp_path):
  tags = tiny.folder(tmp_path / "tags", "tags", 3, id2label={"0": "O", "1": "B-X", "2": "I-X"})
  text = "änna berg works in paris . " * 30
  entry, = objects(cloze("predict", "-m", tags, "--json", text))
  assert len(entry["tags"]) == 6 * 30 and not entry["truncated"]
  covered = sum(1 for tag in entry["tags"] if tag["tag"] != "O")
  assert covered == sum(len(text[span["begin"]:span["end"]].split()) for span in entry["entities"])
  for span in entry["entities"] + entry["tags"]:
    assert span["text"] == text[span["begin"]:span["end"]]
    assert span["text"].encode() == text.encode()[span["byte_begin"]:span["byte_end"]]
  answer = tiny.folder(tmp_path / "answer", "answer", 2)
  entry, = objects(cloze("predict", "-m", answer, "--json", "capital ?", "paris is the capital of france"))
  assert entry["answer"] == entry["pair"][entry["begin"]:entry["end"]] != ""
  cloze("predict", "-m", answer, "one text", expect=64)


def test_rerank(cloze, tmp_path):
  model = tiny.folder(tmp_path / "model", "classes", 1)
  ranked = objects(cloze("rerank", "-m", model, "--json", QUERY, *DOCUMENTS))
  assert sorted(entry["index"] for entry in ranked) == [0, 1, 2]
  assert all(entry["text"] == DOCUMENTS[entry["index"]] and 0 < entry["score"] < 1 for entry in ranked)
  assert [entry["score"] for entry in ranked] == sorted((entry["score"] for entry in ranked), reverse=True)
  (tmp_path / "documents.txt").write_text("\n".join(DOCUMENTS) + "\n")
  given = ["rerank", "-m", model, "--json", "--top-k", "2", QUERY]
  assert objects(cloze(*given, "--input", tmp_path / "documents.txt")) == ranked[:2]
  assert objects(cloze(*given, input="\n".join(DOCUMENTS))) == ranked[:2]
  lines = cloze("rerank", "-m", model, QUERY, *DOCUMENTS).splitlines()
  assert [line.split("\t")[1] for line in lines] == [entry["text"] for entry in ranked]
  # In batches as at once.
  many = [f"{DOCUMENTS[i % 3]} {'cats ' * (i % 7)}" for i in range(700)]
  ranked = objects(cloze("rerank", "-m", model, "--json", QUERY, input="\n".join(many)))
  assert len(ranked) == 700
  assert [(-entry["score"], entry["index"]) for entry in ranked] == sorted(
      (-entry["score"], entry["index"]) for entry in ranked)


def test_what_is_refused(cloze, tmp_path):
  cloze("predict", "text", expect=1)
  cloze("rerank", "query", "text", expect=1)
  cloze("rerank", expect=64)
  cloze("rerank", "--top-k", "0", "query", "text", expect=64)
  three = tiny.folder(tmp_path, "classes", 3)
  cloze("rerank", "-m", three, "query", "text", expect=1)
