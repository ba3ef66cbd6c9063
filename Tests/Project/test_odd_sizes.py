"""Random BERTs of odd sizes against ONNX Runtime on the same file: every layer, every head."""

import sys

import numpy as np
import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "models" / "recipe"))
onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
import cloze
import export

SIZES = {
    "one-layer": dict(num_hidden_layers=1, hidden_size=112, num_attention_heads=7, intermediate_size=100),
    "five-heads": dict(num_hidden_layers=2, hidden_size=60, num_attention_heads=5, intermediate_size=100),
    "three-layers": dict(num_hidden_layers=3, hidden_size=112, num_attention_heads=7, intermediate_size=449),
    "one-head": dict(num_hidden_layers=1, hidden_size=33, num_attention_heads=1, intermediate_size=7),
    "head-of-one": dict(num_hidden_layers=1, hidden_size=4, num_attention_heads=4, intermediate_size=1),
}
COMMON = dict(
    vocab_size=1003, max_position_embeddings=75, type_vocab_size=2, layer_norm_eps=1e-12, hidden_act="gelu",
    model_type="bert")
OUTPUTS = {"mlm": "prediction_logits", "nsp": "seq_relationship_logits", "pooler": "pooler_output"}


def random_weights(config, rng):
  """Weights as a checkpoint has them, scaled so that activations stay near 1, LayerNorms away from the identity."""
  size, inner = config["hidden_size"], config["intermediate_size"]
  weights = {}

  def linear(name, outputs, inputs):
    weights[name + ".weight"] = rng.normal(0, inputs**-0.5, (outputs, inputs))
    weights[name + ".bias"] = rng.normal(0, 0.2, outputs)

  def layer_norm(name):
    weights[name + ".weight"] = rng.normal(1, 0.3, size)
    weights[name + ".bias"] = rng.normal(0, 0.3, size)

  for table in ("vocab_size", "type_vocab_size", "max_position_embeddings"):
    name = {"vocab_size": "word", "type_vocab_size": "token_type", "max_position_embeddings": "position"}[table]
    weights[f"bert.embeddings.{name}_embeddings.weight"] = rng.normal(0, 0.5, (config[table], size))
  layer_norm("bert.embeddings.LayerNorm")
  for index in range(config["num_hidden_layers"]):
    layer = f"bert.encoder.layer.{index}."
    for name in ("query", "key", "value"):
      linear(f"{layer}attention.self.{name}", size, size)
    linear(layer + "attention.output.dense", size, size)
    layer_norm(layer + "attention.output.LayerNorm")
    linear(layer + "intermediate.dense", inner, size)
    linear(layer + "output.dense", size, inner)
    layer_norm(layer + "output.LayerNorm")
  linear("bert.pooler.dense", size, size)
  linear("cls.seq_relationship", 2, size)
  linear("cls.predictions.transform.dense", size, size)
  layer_norm("cls.predictions.transform.LayerNorm")
  weights["cls.predictions.bias"] = rng.normal(0, 0.2, config["vocab_size"])
  return {name: values.astype(np.float32) for name, values in weights.items()}


@pytest.fixture(scope="module", params=SIZES)
def case(request, tmp_path_factory):
  """A model file, a ragged batch, and what ONNX Runtime makes of each sequence alone."""
  config = {**COMMON, **SIZES[request.param]}
  rng = np.random.default_rng(len(request.param))
  model = export.build(random_weights(config, rng), config)
  layers = ["bert.embeddings.LayerNorm"]
  layers += [f"bert.encoder.layer.{i}.output.LayerNorm" for i in range(config["num_hidden_layers"] - 1)]
  path = tmp_path_factory.mktemp(request.param) / "model.onnx"
  onnx.save(model, path)
  model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in layers)
  session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

  lengths = [1, 2, 3, 17, 64, 75]
  sequences = [rng.integers(0, config["vocab_size"], length) for length in lengths]
  types = [np.sort(rng.integers(0, 2, length)) for length in lengths]
  names = layers + ["last_hidden_state", *OUTPUTS.values()]
  results = [
      dict(zip(names, session.run(names, {
          "input_ids": ids[None], "token_type_ids": kinds[None], "attention_mask": np.ones_like(ids)[None]})))
      for ids, kinds in zip(sequences, types)]
  ids, type_ids = np.concatenate(sequences), np.concatenate(types)
  cu_seqlens = np.cumsum([0] + lengths)
  expected = {name: np.concatenate([result[name].reshape(-1, result[name].shape[-1]) for result in results])
              for name in names}
  return path, (ids, cu_seqlens, type_ids), expected, layers + ["last_hidden_state"]


def difference(found, expected):
  """The largest difference as a share of the largest value."""
  assert found.shape == expected.shape
  return np.abs(found - expected).max() / np.abs(expected).max()


def test_float32(case):
  path, batch, expected, layers = case
  model = cloze.load(path, precision="float32", threads=1)
  for index, name in enumerate(layers):
    assert difference(model.run(*batch, layer=index), expected[name]) <= 2e-5, name
  for output, name in OUTPUTS.items():
    assert difference(model.run(*batch, output=output), expected[name]) <= 2e-5, name


def test_int8_is_near_float32(case):
  """Not a bar of accuracy, as random weights have no answer: a row swapped or a scale lost shows as no likeness."""
  path, batch, expected, _ = case
  model = cloze.load(path, precision="int8", threads=1)
  found, wanted = model.run(*batch).astype(float), expected["last_hidden_state"].astype(float)
  cosine = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
  assert cosine.mean() > 0.98


def test_int8_is_the_same_on_every_instruction_set(case):
  path, batch, _, _ = case
  reference = cloze.load(path, precision="int8", isa="scalar", threads=1)
  ran = 0
  for isa in ("avx2", "avxvnni", "avx512vnni", "avx512amx", "neondot", "neoni8mm"):
    try:
      model = cloze.load(path, precision="int8", isa=isa, threads=2)
    except cloze.Error as error:
      assert error.status == "unsupported_isa"
      continue
    assert model.info.isa == isa
    for output in ("hidden", *OUTPUTS):
      assert np.array_equal(model.run(*batch, output=output), reference.run(*batch, output=output)), (isa, output)
    ran += 1
  if not ran:
    pytest.skip("this CPU runs the scalar kernels only")
