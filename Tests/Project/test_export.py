"""Exported models: ONNX's checker accepts them, and ONNX Runtime's results are those of their sources."""

import json
import struct
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import ROOT, run

FIXTURES = ROOT / "Tests" / "Fixtures" / "onnx"
NAMES = sorted(path.stem for path in FIXTURES.glob("*.expected"))
OUTPUTS = {
    "pooler": "pooler_output", "nsp": "seq_relationship_logits", "logits": "logits",
}


def expected(name):
  """The arrays of a fixture; the format is in Fixtures/README.md."""
  data = (FIXTURES / f"{name}.expected").read_bytes()
  at = 8

  def word():
    nonlocal at
    at += 4
    return struct.unpack_from("<I", data, at - 4)[0]

  arrays = {}
  for _ in range(word()):
    length = word()
    key = data[at:at + length].decode()
    at += length
    kind = word()
    shape = [word() for _ in range(word())]
    count = int(np.prod(shape))
    arrays[key] = np.frombuffer(data, np.float32 if kind == 0 else np.int32, count, at).reshape(shape)
    at += 4 * count
  return arrays


def compute(path, arrays):
  session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
  inputs = {one.name: arrays[one.name].astype(np.int64) for one in session.get_inputs()}
  return dict(zip([one.name for one in session.get_outputs()], session.run(None, inputs)))


def distance(found, wanted, mask):
  if found.shape[:2] == mask.shape:
    found, wanted = found[mask], wanted[mask]
  return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("name", NAMES)
def test_onnx_runtime_agrees(dist, tmp_path, name):
  source = FIXTURES / f"{name}.onnx"
  if not source.exists():
    source = FIXTURES / name / "model.onnx"
  arrays = expected(name)
  mask = arrays["attention_mask"] == 1
  last = max(int(key[7:]) for key in arrays if key.startswith("hidden_"))
  # int8 against float32 is the error of 8 bits in tiny random models, with all their worst rows.
  for kind, bound in [("float32", 2e-5), ("float16", 2e-2), ("int8", 0.2)]:
    path = tmp_path / f"{kind}.onnx"
    run(dist / "bin" / "cloze", "export", "--format", kind, source, path)
    onnx.checker.check_model(str(path), full_check=True)
    found = compute(path, arrays)
    assert distance(found["last_hidden_state"], arrays[f"hidden_{last}"], mask) <= bound
    for key, output in OUTPUTS.items():
      if key in arrays:
        assert distance(found[output], arrays[key], mask) <= bound, output
    if "mlm" in arrays:
      output = "prediction_logits" if "prediction_logits" in found else "logits"
      assert distance(found[output], arrays["mlm"], mask) <= bound


def test_int8_is_unsigned_bytes(dist, tmp_path):
  """Signed weights saturate on CPUs without VNNI."""
  command = dist / "bin" / "cloze"
  source = FIXTURES / "base-3-layers-opset11.onnx"
  run(command, "export", "--format", "int8", source, tmp_path / "m.onnx")
  kinds = {one.name: one.data_type for one in onnx.load(tmp_path / "m.onnx").graph.initializer}
  assert kinds["encoder.layer.0.attention.self.query.weight"] == onnx.TensorProto.UINT8
  assert kinds["embeddings.word_embeddings.weight"] == onnx.TensorProto.UINT8


def test_padding_and_company_change_nothing(dist, tmp_path):
  """Scales are a token's own, in this file too: a text alone gives what it gives in a batch."""
  run(dist / "bin" / "cloze", "export", "--format", "int8", FIXTURES / "sdpa-opset14.onnx", tmp_path / "m.onnx")
  arrays = expected("sdpa-opset14")
  together = compute(tmp_path / "m.onnx", arrays)["last_hidden_state"]
  row = 1
  count = int(arrays["attention_mask"][row].sum())
  alone = {key: arrays[key][row:row + 1, :count] for key in ("input_ids", "attention_mask", "token_type_ids")}
  found = compute(tmp_path / "m.onnx", alone)["last_hidden_state"]
  assert distance(found[0], together[row, :count], np.ones(1)) < 1e-2


WHOLE = ["--unfreeze", "all", "--precision", "float32", "--epochs", "2", "--learning-rate", "0.0005"]


def inputs(command, text):
  ids = np.array([json.loads(run(command, "tokenize", "--json", text))["ids"]])
  return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}


@pytest.mark.parametrize(
    "options", [[], WHOLE, ["--layers", "mix"], ["--layers", "mix", "--pooling", "cls"],
                ["--pooling", "last_token"], ["--pooling", "weighted_mean"],
                ["--layers", "mix", "--pooling", "weighted_mean"], [*WHOLE, "--pooling", "last_token"],
                [*WHOLE, "--pooling", "weighted_mean"]],
    ids=["head", "whole", "mix", "mix-cls", "last", "weighted", "mix-weighted", "whole-last", "whole-weighted"])
def test_trained_head(dist, tmp_path, options):
  """A head that was trained is part of the file, with its labels and all that was trained of the encoder."""
  lines = [f"{text}\t{label}" for text, label in [("a good film", "good"), ("a bad film", "bad")] * 8]
  (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *lines]) + "\n")
  command = dist / "bin" / "cloze"
  run(command, "train", "classify", "--data", tmp_path / "train.tsv", "--output", tmp_path / "head", *options)
  arrays = inputs(command, "a bad book")
  for form, precision, bound in [("float32", "float32", 1e-4), ("int8", "int8", 0.02)]:
    run(command, "export", "--head", tmp_path / "head", tmp_path / "m.onnx", "--format", form)
    model = onnx.load(tmp_path / "m.onnx")
    metadata = {one.key: one.value for one in model.metadata_props}
    assert metadata["task"] == "classify" and '"good"' in metadata["id2label"]
    assert "logits" in [one.name for one in model.graph.output]
    onnx.checker.check_model(model, full_check=True)
    logits = compute(tmp_path / "m.onnx", arrays)["logits"][0]
    said = run(command, "predict", "--head", tmp_path / "head", "--precision", precision, "--json", "a bad book")
    probabilities = json.loads(said)["probabilities"]
    labels = json.loads(metadata["id2label"])
    for i, value in enumerate(np.exp(logits) / np.exp(logits).sum()):
      assert abs(probabilities[labels[str(i)]] - value) < bound


def test_trained_masked_lm(dist, tmp_path):
  """A masked language model that was trained with its encoder, its decoder being the word embeddings."""
  (tmp_path / "train.txt").write_text("we saw a good film today\nthey ate bread and butter\n" * 10)
  command = dist / "bin" / "cloze"
  run(command, "train", "mlm", "--data", tmp_path / "train.txt", "--output", tmp_path / "head", *WHOLE)
  arrays = inputs(command, "we saw a [MASK] film")
  mask = list(arrays["input_ids"][0]).index(inputs(command, "[MASK]")["input_ids"][0][1])
  for form in ("float32", "int8"):
    run(command, "export", "--head", tmp_path / "head", tmp_path / "m.onnx", "--format", form)
    model = onnx.load(tmp_path / "m.onnx")
    # The table is there once.
    vocabulary = max(one.dims[0] for one in model.graph.initializer if len(one.dims) == 2)
    assert sum(vocabulary in one.dims and len(one.dims) == 2 and min(one.dims) > 1 for one in model.graph.initializer) == 1
    found = compute(tmp_path / "m.onnx", arrays)
    logits = found["logits" if "logits" in found else "prediction_logits"][0]
    row = logits[mask].astype(np.float64)
    p = np.exp(row - row.max())
    p /= p.sum()
    said = run(command, "fill-mask", "--head", tmp_path / "head", "--precision", form, "--json", "we saw a [MASK] film")
    for one in json.loads(said)["masks"][0]["candidates"]:
      assert abs(one["probability"] - p[one["id"]]) < (1e-4 if form == "float32" else 0.02)


def test_interrupted(dist, tmp_path):
  """No half file under the final name, whatever ends the program."""
  target = tmp_path / "m.onnx"
  target.write_text("before")
  done = subprocess.run(
      ["bash", "-c", f"ulimit -f 1024; trap '' XFSZ; '{dist}/bin/cloze' export '{target}'"], capture_output=True,
      text=True)
  assert done.returncode == 1 and "m.onnx" in done.stderr
  assert target.read_text() == "before" and [one.name for one in tmp_path.iterdir()] == ["m.onnx"]
