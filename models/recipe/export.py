"""Writes a checkpoint of BertForPreTraining as a model folder for Cloze: ONNX with float16 weights.

    python export.py --checkpoint work/checkpoint --tokenizer work/tokenizer --output ../cloze-mini

Every initializer is float16 and goes through one Cast to float32: the arithmetic of the graph is float32
everywhere. The word embeddings are stored once; the MLM decoder multiplies with their transpose. Tensor
names are the checkpoint's; a matrix that is stored transposed, [in, out], has `.T` behind its name.

Inputs   input_ids, attention_mask, token_type_ids                  [batch, sequence] int64
Outputs  last_hidden_state                                          [batch, sequence, hidden]
         pooler_output                                              [batch, hidden]
         prediction_logits                                          [batch, sequence, vocabulary]
         seq_relationship_logits                                    [batch, 2], class 0: is the next sentence

Needs numpy, onnx (at least 1.12) and safetensors.
"""

import argparse
import json
import math
import os
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

OPSET = 17  # the first with LayerNormalization
IR_VERSION = 8  # the one that came with it
FLOAT32_MIN = float(np.finfo(np.float32).min)


class Graph:
  """An ONNX graph under construction. Each method adds a node and returns the name of its output."""

  def __init__(self, weights):
    self.weights = weights
    self.nodes = []
    self.initializers = {}
    self.loaded = {}

  def node(self, operator, inputs, output, **attributes):
    self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
    return output

  def constant(self, name, values, dtype):
    """A small initializer of the graph's own: axes, shapes, scalars."""
    if name not in self.initializers:
      self.initializers[name] = numpy_helper.from_array(np.array(values, dtype), name)
    return name

  def weight(self, name, transposed=False):
    """A tensor of the checkpoint, stored once as float16 and cast once to float32."""
    stored = name + ".T" if transposed else name
    if stored not in self.loaded:
      values = self.weights[name].astype(np.float16)
      if not np.isfinite(values).all():
        raise SystemExit(f"{name}: a value does not fit in float16")
      values = np.ascontiguousarray(values.T) if transposed else values
      self.initializers[stored] = numpy_helper.from_array(values, stored)
      self.loaded[stored] = self.node("Cast", [stored], stored + ".float32", to=TensorProto.FLOAT)
    return self.loaded[stored]

  def linear(self, x, module):
    product = self.node("MatMul", [x, self.weight(module + ".weight", transposed=True)], module + ".product")
    return self.node("Add", [product, self.weight(module + ".bias")], module)

  def linear_of_rows(self, x, module, output=None):
    """The same for a matrix of two dimensions, where Gemm can do it at once."""
    inputs = [x, self.weight(module + ".weight"), self.weight(module + ".bias")]
    return self.node("Gemm", inputs, output or module, transB=1)

  def layer_norm(self, x, module, epsilon, output=None):
    inputs = [x, self.weight(module + ".weight"), self.weight(module + ".bias")]
    return self.node("LayerNormalization", inputs, output or module, axis=-1, epsilon=epsilon)

  def gelu(self, x, name):
    """gelu(x) = x * (1 + erf(x / sqrt(2))) * 0.5"""
    scaled = self.node("Div", [x, self.constant("sqrt_2", math.sqrt(2), np.float32)], name + ".scaled")
    erf = self.node("Erf", [scaled], name + ".erf")
    raised = self.node("Add", [erf, self.constant("one", 1, np.float32)], name + ".raised")
    doubled = self.node("Mul", [x, raised], name + ".doubled")
    return self.node("Mul", [doubled, self.constant("half", 0.5, np.float32)], name)


def embeddings(graph, config):
  """Word, segment and position vectors of every token, added and normalised: [B, S, D]."""
  name = "bert.embeddings."
  zero, one = (graph.constant(f"axis_{i}", [i], np.int64) for i in (0, 1))
  shape = graph.node("Shape", ["input_ids"], name + "shape")
  length = graph.node("Gather", [shape, one], name + "sequence_length", axis=0)
  positions = graph.constant(name + "position_ids", [range(config["max_position_embeddings"])], np.int64)
  positions = graph.node("Slice", [positions, zero, length, one], name + "positions")
  vectors = [
      graph.node("Gather", [graph.weight(f"{name}{table}_embeddings.weight"), ids], f"{name}{table}_embeddings")
      for table, ids in (("word", "input_ids"), ("token_type", "token_type_ids"), ("position", positions))]
  total = graph.node("Add", vectors[:2], name + "word_and_type")
  total = graph.node("Add", [total, vectors[2]], name + "sum")
  return graph.layer_norm(total, name + "LayerNorm", config["layer_norm_eps"])


def attention_bias(graph):
  """What is added to the attention scores: 0 for a token, float32's minimum for padding; [B, 1, 1, S]."""
  axes = graph.constant("bert.mask.axes", [1, 2], np.int64)
  mask = graph.node("Unsqueeze", ["attention_mask", axes], "bert.mask.unsqueezed")
  mask = graph.node("Cast", [mask], "bert.mask.float32", to=TensorProto.FLOAT)
  absent = graph.node("Sub", [graph.constant("one", 1, np.float32), mask], "bert.mask.absent")
  return graph.node("Mul", [absent, graph.constant("bert.mask.minimum", FLOAT32_MIN, np.float32)], "bert.mask.bias")


def attention(graph, x, bias, name, heads, head_size):
  """softmax(Q K^T / sqrt(head_size) + bias) V, head by head, before the output projection: [B, S, D]."""
  split = graph.constant("bert.heads", [0, 0, heads, head_size], np.int64)
  merge = graph.constant("bert.merged", [0, 0, heads * head_size], np.int64)

  def project(module, permutation):
    rows = graph.linear(x, name + module)
    rows = graph.node("Reshape", [rows, split], f"{name}{module}.heads")
    return graph.node("Transpose", [rows], f"{name}{module}.transposed", perm=permutation)

  query, key, value = (
      project(*which) for which in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])))
  scores = graph.node("MatMul", [query, key], name + "products")
  scores = graph.node("Div", [scores, graph.constant("bert.scale", math.sqrt(head_size), np.float32)], name + "scores")
  scores = graph.node("Add", [scores, bias], name + "masked_scores")
  shares = graph.node("Softmax", [scores], name + "probabilities", axis=-1)
  context = graph.node("MatMul", [shares, value], name + "context")
  context = graph.node("Transpose", [context], name + "context.transposed", perm=[0, 2, 1, 3])
  return graph.node("Reshape", [context, merge], name + "context.merged")


def encoder_layer(graph, x, bias, index, config):
  """One post-LayerNorm transformer layer."""
  name, epsilon = f"bert.encoder.layer.{index}.", config["layer_norm_eps"]
  heads = config["num_attention_heads"]
  context = attention(graph, x, bias, name + "attention.self.", heads, config["hidden_size"] // heads)
  attended = graph.linear(context, name + "attention.output.dense")
  attended = graph.node("Add", [attended, x], name + "attention.output.residual")
  attended = graph.layer_norm(attended, name + "attention.output.LayerNorm", epsilon)
  inner = graph.gelu(graph.linear(attended, name + "intermediate.dense"), name + "intermediate.gelu")
  outer = graph.linear(inner, name + "output.dense")
  outer = graph.node("Add", [outer, attended], name + "output.residual")
  last = index == config["num_hidden_layers"] - 1
  return graph.layer_norm(outer, name + "output.LayerNorm", epsilon, "last_hidden_state" if last else None)


def heads(graph, x, config):
  """The pooler, the next sentence head on it and the MLM head: names of the three outputs."""
  first = graph.node("Gather", [x, graph.constant("first", 0, np.int64)], "bert.pooler.first", axis=1)
  pooled = graph.node("Tanh", [graph.linear_of_rows(first, "bert.pooler.dense")], "pooler_output")
  next_logits = graph.linear_of_rows(pooled, "cls.seq_relationship", "seq_relationship_logits")

  name = "cls.predictions."
  hidden = graph.gelu(graph.linear(x, name + "transform.dense"), name + "transform.gelu")
  hidden = graph.layer_norm(hidden, name + "transform.LayerNorm", config["layer_norm_eps"])
  words = graph.node(
      "Transpose", [graph.weight("bert.embeddings.word_embeddings.weight")], name + "decoder.weight", perm=[1, 0])
  product = graph.node("MatMul", [hidden, words], name + "decoder.product")
  word_logits = graph.node("Add", [product, graph.weight(name + "bias")], "prediction_logits")
  return pooled, word_logits, next_logits


def build(weights, config):
  """The whole model as an onnx.ModelProto."""
  unexpected = {
      "hidden_act": (config["hidden_act"], "gelu"), "model_type": (config["model_type"], "bert"),
      "tie_word_embeddings": (config.get("tie_word_embeddings", True), True)}
  for key, (value, expected) in unexpected.items():
    if value != expected:
      raise SystemExit(f"config.json: {key} is {value}; this script writes {expected}")

  graph = Graph(weights)
  bias = attention_bias(graph)
  x = embeddings(graph, config)
  for index in range(config["num_hidden_layers"]):
    x = encoder_layer(graph, x, bias, index, config)
  pooled, word_logits, next_logits = heads(graph, x, config)

  hidden, vocabulary = config["hidden_size"], config["vocab_size"]
  inputs = [
      helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
      for name in ("input_ids", "attention_mask", "token_type_ids")]
  outputs = [
      helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
      for name, shape in (
          (x, ["batch", "sequence", hidden]), (pooled, ["batch", hidden]),
          (word_logits, ["batch", "sequence", vocabulary]), (next_logits, ["batch", 2]))]
  model = helper.make_model(
      helper.make_graph(graph.nodes, "cloze-mini", inputs, outputs, list(graph.initializers.values())),
      producer_name="cloze", producer_version="0.1.0", ir_version=IR_VERSION,
      opset_imports=[helper.make_opsetid("", OPSET)],
      doc_string="A small bilingual (English, Chinese) BERT with masked language model and next sentence heads.")
  helper.set_model_props(model, {
      "name": "cloze-mini",
      "license": "Apache-2.0",
      "attribution": "Trained on text of English and Chinese Wikipedia, CC BY-SA 3.0.",
  })
  onnx.checker.check_model(model, full_check=True)
  return model


def main():
  parser = argparse.ArgumentParser(description="Writes a checkpoint as ONNX with float16 weights.")
  parser.add_argument("--checkpoint", default="work/checkpoint", metavar="FOLDER")
  parser.add_argument("--tokenizer", default="work/tokenizer", metavar="FOLDER")
  parser.add_argument("--output", default="../cloze-mini", metavar="FOLDER")
  arguments = parser.parse_args()

  with open(os.path.join(arguments.checkpoint, "config.json"), encoding="utf-8") as file:
    config = json.load(file)
  weights = load_file(os.path.join(arguments.checkpoint, "model.safetensors"))
  model = build(weights, config)

  os.makedirs(arguments.output, exist_ok=True)
  onnx.save(model, os.path.join(arguments.output, "model.onnx"))
  for name in ("tokenizer.json", "vocab.txt"):
    shutil.copyfile(os.path.join(arguments.tokenizer, name), os.path.join(arguments.output, name))
  limits = {
      "do_lower_case": True, "tokenizer_class": "BertTokenizer",
      "model_max_length": config["max_position_embeddings"]}
  for name, values in (("config.json", config), ("tokenizer_config.json", limits)):
    with open(os.path.join(arguments.output, name), "w", encoding="utf-8") as file:
      json.dump(values, file, indent=2, sort_keys=True)
      file.write("\n")


if __name__ == "__main__":
  main()
