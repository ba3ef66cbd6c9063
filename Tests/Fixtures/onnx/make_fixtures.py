#!/usr/bin/env python3
"""Makes the ONNX fixtures: tiny BERTs of random weights, exported in many ways, and graphs that must be refused.

    python3 -m venv /some/venv && /some/venv/bin/pip install \
        torch==2.15.0 transformers==5.23.0 onnx==1.23.2 onnxruntime==1.32.0 onnxscript==0.7.2 numpy==2.4.6
    /some/venv/bin/python Tests/Fixtures/onnx/make_fixtures.py

Beside every BERT `NAME.onnx` lies `NAME.expected`: inputs, and what ONNX Runtime computes in float32 with the same
weights (the format is in ../README.md). The fixtures are committed; the script is for making them anew.
"""

import copy
import io
import os
import shutil
import struct
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import (BertConfig, BertForMaskedLM, BertForNextSentencePrediction, BertForPreTraining,
                          BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification,
                          BertLMHeadModel, BertModel, DistilBertConfig, DistilBertForSequenceClassification,
                          DistilBertModel, ElectraConfig, ElectraModel, GPT2Config, GPT2Model, MPNetConfig,
                          MPNetForMaskedLM, MPNetModel, RobertaConfig, RobertaModel)

warnings.filterwarnings("ignore")
ROOT = os.path.dirname(os.path.abspath(__file__))
FLOAT, BFLOAT16, FLOAT16, BOOL, INT64 = 1, 16, 10, 9, 7

# Small enough to commit, odd enough that no kernel's tile divides them.
SMALL = dict(vocab_size=53, hidden_size=20, num_hidden_layers=1, num_attention_heads=5, intermediate_size=28,
             max_position_embeddings=24, type_vocab_size=2)
WIDE = dict(vocab_size=103, hidden_size=112, num_hidden_layers=1, num_attention_heads=7, intermediate_size=100,
            max_position_embeddings=32, type_vocab_size=2)
DEEP = dict(vocab_size=103, hidden_size=60, num_hidden_layers=3, num_attention_heads=5, intermediate_size=100,
            max_position_embeddings=40, type_vocab_size=2)
DISTIL = dict(vocab_size=53, dim=20, n_layers=1, n_heads=5, hidden_dim=28, max_position_embeddings=24)
# As long as it takes to reach every bucket of relative positions; the first two rows of positions are not used.
MPNET = dict(vocab_size=53, hidden_size=20, num_hidden_layers=2, num_attention_heads=5, intermediate_size=28,
             max_position_embeddings=102)
VOCABULARY = dict(vocab_size=1003, hidden_size=60, num_hidden_layers=1, num_attention_heads=5, intermediate_size=100,
                  max_position_embeddings=40, type_vocab_size=2)


# -- models -------------------------------------------------------------------

def build(cls, sizes, attention="eager", seed=0, config=BertConfig, plain_vectors=False, **options):
    """A model whose every parameter is random: biases and LayerNorm too (but for `plain_vectors`), where transformers
    has 0 and 1."""
    torch.manual_seed(seed)
    model = cls(config(**sizes, attn_implementation=attention, **options)).eval()
    done = set()
    for name, parameter in model.named_parameters():
        if id(parameter) in done:
            continue
        done.add(id(parameter))
        with torch.no_grad():
            if plain_vectors and parameter.dim() == 1:
                continue
            elif "LayerNorm.weight" in name or "layer_norm.weight" in name or ".ln_" in name and "weight" in name:
                parameter.copy_(1 + 0.2 * torch.randn_like(parameter))
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * torch.randn_like(parameter))
            elif "embeddings" in name:
                parameter.copy_(0.5 * torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) * 1.5 / parameter.shape[1] ** 0.5)
    return model


def rounded(model, dtype):
    """The same model with weights that `dtype` represents exactly."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.to(dtype).float())
    return model


class Wrapper(torch.nn.Module):
    """Takes the inputs in a given order, gives a tuple of the results asked for."""

    def __init__(self, model, inputs, results):
        super().__init__()
        self.m = model
        self.inputs = inputs
        self.results = results

    def forward(self, *values):
        named = dict(zip(self.inputs, values))
        if "hidden_states" in self.results:
            named["output_hidden_states"] = True
        out = self.m(**named)
        flat = []
        for result in self.results:
            value = getattr(out, result)
            flat += list(value) if isinstance(value, tuple) else [value]
        return tuple(flat)


ALL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def sample(vocabulary, batch=3, length=11, dtype=np.int64, types=2, padding=0):
    """Sequences of several lengths, padded; the last has one token."""
    random = np.random.default_rng(7)
    ids = random.integers(padding + 1, vocabulary, (batch, length))
    lengths = [length, 7, 1][:batch]
    mask = np.array([[1] * n + [0] * (length - n) for n in lengths])
    kinds = np.array([[0] * (n // 2) + [types - 1] * (n - n // 2) + [0] * (length - n) for n in lengths])
    return dict(input_ids=np.where(mask == 1, ids, padding).astype(dtype), attention_mask=mask.astype(dtype),
                token_type_ids=kinds.astype(dtype))


def sample_for(model, dtype=np.int64):
    """The sample for a model. MPNet pads with 1, whatever its configuration says."""
    more = dict(length=100, padding=1) if model.config.model_type == "mpnet" else {}
    return sample(model.config.vocab_size, dtype=dtype, **more)


def export(model, results, opset=14, inputs=ALL_INPUTS, dtype=np.int64, dynamo=False, fixed=False, folding=True,
           names=None):
    """The model as the exporter of torch writes it: through TorchScript, or through dynamo."""
    values = sample_for(model, dtype)
    arguments = tuple(torch.from_numpy(values[name]) for name in inputs)
    wrapper = Wrapper(model, inputs, results).eval()
    names = names or list(results)
    options = dict(input_names=list(inputs), output_names=list(names), opset_version=opset)
    if dynamo:
        shape = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("sequence", min=2,
                                                                                  max=max(24, values["input_ids"].shape[1]))}
        program = torch.onnx.export(wrapper, arguments, dynamo=True, dynamic_shapes=(tuple(shape for _ in inputs),),
                                    verbose=False, optimize=True, **options)
        return program.model_proto
    axes = {} if fixed else {name: {0: "batch", 1: "sequence"} for name in inputs}
    buffer = io.BytesIO()
    torch.onnx.export(wrapper, arguments, buffer, dynamo=False, dynamic_axes=axes, do_constant_folding=folding,
                      **options)
    return onnx.load_from_string(buffer.getvalue())


def run(proto, values, names=None):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(proto if isinstance(proto, str) else proto.SerializeToString(), options,
                                   providers=["CPUExecutionProvider"])
    feeds = {i.name: values[i.name].astype(np.int32 if "int32" in i.type else np.int64) for i in session.get_inputs()}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))


# -- expected numbers ---------------------------------------------------------

KEYS = {"last_hidden_state": None, "pooler_output": "pooler", "prediction_logits": "mlm",
        "seq_relationship_logits": "nsp"}


def write_expected(path, arrays):
    """Magic, number of arrays; each: name, element type (0 float32, 1 int32), dimensions, elements."""
    with open(path, "wb") as file:
        file.write(b"CLZEXP1\n" + struct.pack("<I", len(arrays)))
        for name, array in arrays.items():
            kind = 0 if array.dtype == np.float32 else 1
            data = array.astype("<f4" if kind == 0 else "<i4")
            encoded = name.encode()
            file.write(struct.pack("<I", len(encoded)) + encoded)
            file.write(struct.pack("<II", kind, data.ndim) + struct.pack(f"<{data.ndim}I", *data.shape))
            file.write(data.tobytes())


def read_expected(path):
    """What write_expected wrote."""
    data = open(path, "rb").read()
    at, arrays = 8, {}

    def words(count):
        nonlocal at
        at += 4 * count
        return struct.unpack(f"<{count}I", data[at - 4 * count:at])

    for _ in range(words(1)[0]):
        length = words(1)[0]
        name, at = data[at:at + length].decode(), at + length
        kind, dimensions = words(2)
        shape = words(dimensions)
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(data, "<f4" if kind == 0 else "<i4", count, at).reshape(shape)
        at += 4 * count
    return arrays


def expected(model, results, inputs=ALL_INPUTS):
    """What ONNX Runtime computes in float32, with the states after every layer."""
    values = sample_for(model)
    layers = model.config.num_hidden_layers
    base = [r for r in results if r != "last_hidden_state"]
    names = [f"hidden_{i}" for i in range(layers + 1)] + base
    plain = copy.deepcopy(model)
    plain.config._attn_implementation = "eager"
    out = run(export(plain, ["hidden_states"] + base, inputs=inputs, names=names), values)
    arrays = {name: values[name].astype(np.int32) for name in ALL_INPUTS}
    if "token_type_ids" not in inputs:
        arrays["token_type_ids"][:] = 0
    for name in names:
        key = name
        if name == "logits":
            key = {BertForMaskedLM: "mlm", MPNetForMaskedLM: "mlm", BertForNextSentencePrediction: "nsp"}.get(type(model), "logits")
        arrays[KEYS.get(key) or key] = out[name].astype(np.float32)
    return arrays


def shorten(proto):
    """Numbers instead of the exporter's long names for values: half of a small file. Nodes but Constant keep theirs."""
    del proto.graph.value_info[:]
    keep = {v.name for v in proto.graph.output}
    names = {o: f"v{i}_{j}" for i, n in enumerate(proto.graph.node) for j, o in enumerate(n.output)
             if o and o not in keep}
    for node in proto.graph.node:
        if node.op_type == "Constant":
            node.name = ""
        for field in (node.input, node.output):
            for i, name in enumerate(field):
                field[i] = names.get(name, name)


def save(name, proto, model, results, tolerance=2e-5, inputs=ALL_INPUTS, external=None):
    """Writes the fixture and its numbers, after a check that the fixture itself computes them."""
    for node in proto.graph.node:
        node.doc_string = ""
        for i in reversed(range(len(node.metadata_props))):
            del node.metadata_props[i]
    shorten(proto)
    arrays = expected(model, results, inputs)
    path = os.path.join(ROOT, name + ".onnx")
    if external:
        folder = os.path.join(ROOT, name)
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        path = os.path.join(folder, "model.onnx")
        onnx.save_model(proto, path, save_as_external_data=True, size_threshold=256, **external)
    else:
        onnx.save_model(proto, path)
    values = {k: arrays[k] for k in ALL_INPUTS}
    got = run(path, values)
    keep = arrays["attention_mask"].astype(bool)
    last = arrays[f"hidden_{model.config.num_hidden_layers}"]
    wanted = {"last_hidden_state": last, "pooler_output": arrays.get("pooler"),
              "prediction_logits": arrays.get("mlm"), "seq_relationship_logits": arrays.get("nsp"),
              "logits": next((arrays[k] for k in ("mlm", "nsp", "logits") if k in arrays), None)}
    worst = 0.0
    for output, value in got.items():
        reference = wanted.get(output)
        if reference is None:
            continue
        value = value.astype(np.float32)
        if value.shape[:2] == keep.shape:
            value, reference = value[keep], reference[keep]
        worst = max(worst, float(np.abs(value - reference).max() / np.abs(reference).max()))
    assert worst < tolerance, (name, worst)
    write_expected(os.path.join(ROOT, name + ".expected"), arrays)
    print(f"{name:28} opset {proto.opset_import[0].version}  {len(proto.graph.node):4} nodes  "
          f"{os.path.getsize(path):7} bytes  {worst:.1e}")


def save_refused(name, proto):
    shorten(proto)
    path = os.path.join(ROOT, "refused", name + ".onnx")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    onnx.save_model(proto, path)
    print(f"refused/{name:20} {len(proto.graph.node):4} nodes  {os.path.getsize(path):7} bytes")


# -- surgery ------------------------------------------------------------------

def constant(name, value, dtype=np.float32):
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value, dtype)))


def insert_before(proto, consumer, nodes):
    at = list(proto.graph.node).index(consumer)
    for node in reversed(nodes):
        proto.graph.node.insert(at, node)


def prune(proto):
    """Drops nodes that no output needs."""
    needed = {o.name for o in proto.graph.output}
    kept = []
    for node in reversed(proto.graph.node):
        if any(o in needed for o in node.output):
            kept.append(node)
            needed.update(node.input)
    del proto.graph.node[:]
    proto.graph.node.extend(reversed(kept))
    return proto


def replace_mask(proto, build_nodes):
    """Puts another construction in the place of what is added to the scores."""
    proto = copy.deepcopy(proto)
    producers = {o: n for n in proto.graph.node for o in n.output}
    softmaxes = [n for n in proto.graph.node if n.op_type == "Softmax"]
    first = True
    for softmax in softmaxes:
        add = producers[softmax.input[0]]
        scores = next(i for i in add.input if producers[i].op_type in ("Mul", "Div", "MatMul"))
        if first:
            insert_before(proto, add, build_nodes(scores))
            first = False
        del add.input[:]
        add.input.extend([scores, "built_mask"])
    return prune(proto)


def mask_m1(lowest=-10000.0, opset=14):
    """Unsqueeze, Unsqueeze, Cast, Sub, Mul: transformers up to 4.40."""
    def nodes(_):
        if opset < 13:
            squeeze = [helper.make_node("Unsqueeze", ["attention_mask"], ["mask_1"], axes=[1]),
                       helper.make_node("Unsqueeze", ["mask_1"], ["mask_2"], axes=[2])]
        else:
            squeeze = [constant("axis_1", [1], np.int64), constant("axis_2", [2], np.int64),
                       helper.make_node("Unsqueeze", ["attention_mask", "axis_1"], ["mask_1"]),
                       helper.make_node("Unsqueeze", ["mask_1", "axis_2"], ["mask_2"])]
        return squeeze + [
            helper.make_node("Cast", ["mask_2"], ["mask_f"], to=FLOAT), constant("one", 1.0),
            helper.make_node("Sub", ["one", "mask_f"], ["mask_s"]), constant("lowest", lowest),
            helper.make_node("Mul", ["mask_s", "lowest"], ["built_mask"])]
    return nodes


def mask_m4(scores):
    """Expand to [B, 1, S, S], Sub, Cast to bool, Where: transformers 4.41 on."""
    return [constant("axis_1", [1], np.int64), constant("axis_2", [2], np.int64),
            helper.make_node("Unsqueeze", ["attention_mask", "axis_1"], ["mask_1"]),
            helper.make_node("Unsqueeze", ["mask_1", "axis_2"], ["mask_2"]),
            helper.make_node("Shape", ["input_ids"], ["ids_shape"]),
            constant("zero_i", 0, np.int64), constant("one_i", 1, np.int64), constant("axis_0", [0], np.int64),
            helper.make_node("Gather", ["ids_shape", "zero_i"], ["b"], axis=0),
            helper.make_node("Gather", ["ids_shape", "one_i"], ["s"], axis=0),
            helper.make_node("Unsqueeze", ["b", "axis_0"], ["b_1"]),
            helper.make_node("Unsqueeze", ["s", "axis_0"], ["s_1"]), constant("ones_1", [1], np.int64),
            helper.make_node("Concat", ["b_1", "ones_1", "s_1", "s_1"], ["mask_shape"], axis=0),
            helper.make_node("Expand", ["mask_2", "mask_shape"], ["mask_e"]),
            helper.make_node("Cast", ["mask_e"], ["mask_f"], to=FLOAT), constant("one", 1.0),
            helper.make_node("Sub", ["one", "mask_f"], ["mask_s"]),
            helper.make_node("Cast", ["mask_s"], ["mask_b"], to=BOOL),
            constant("lowest", float(np.finfo(np.float32).min)),
            helper.make_node("Where", ["mask_b", "lowest", "mask_s"], ["built_mask"])]


def mask_inverted(_):
    return [constant("axes", [1, 2], np.int64), helper.make_node("Unsqueeze", ["attention_mask", "axes"], ["mask_2"]),
            helper.make_node("Cast", ["mask_2"], ["mask_f"], to=FLOAT), constant("lowest", -10000.0),
            helper.make_node("Mul", ["mask_f", "lowest"], ["built_mask"])]


def mask_window(scores):
    """Padding, and nothing further away than 16 tokens: a model with local attention."""
    return mask_m1()(scores)[:-1] + [
        helper.make_node("Mul", ["mask_s", "lowest"], ["padding"]),
        helper.make_node("Shape", ["input_ids"], ["ids_shape"]), constant("one_i", 1, np.int64),
        helper.make_node("Gather", ["ids_shape", "one_i"], ["s"], axis=0), constant("zero_i", 0, np.int64),
        helper.make_node("Range", ["zero_i", "s", "one_i"], ["r"]), constant("axis_0", [0], np.int64),
        helper.make_node("Unsqueeze", ["r", "axis_0"], ["row"]), helper.make_node("Unsqueeze", ["r", "axis_1"], ["column"]),
        helper.make_node("Sub", ["row", "column"], ["distance"]), helper.make_node("Abs", ["distance"], ["far"]),
        constant("window", 16, np.int64), helper.make_node("Greater", ["far", "window"], ["outside"]),
        constant("zero", 0.0), helper.make_node("Where", ["outside", "lowest", "zero"], ["local"]),
        helper.make_node("Add", ["padding", "local"], ["built_mask"])]


def range_positions(proto):
    """Position ids from Shape, Gather, Range, as newer models have them, instead of a slice of a constant."""
    proto = copy.deepcopy(proto)
    lookup = next(n for n in proto.graph.node if n.op_type == "Gather" and "position" in n.input[0])
    insert_before(proto, lookup, [
        helper.make_node("Shape", ["input_ids"], ["p_shape"]), constant("p_one", 1, np.int64),
        constant("p_zero", 0, np.int64), helper.make_node("Gather", ["p_shape", "p_one"], ["p_s"], axis=0),
        helper.make_node("Range", ["p_zero", "p_s", "p_one"], ["p_range"]), constant("p_axis", [0], np.int64),
        helper.make_node("Unsqueeze", ["p_range", "p_axis"], ["p_row"])])
    lookup.input[1] = "p_row"
    return prune(proto)


def weights_as(proto, dtype, form="raw"):
    """Float initializers as another type, each with the Cast back to float32 that converters put behind them."""
    proto = copy.deepcopy(proto)
    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != FLOAT:
            continue
        array = numpy_helper.to_array(tensor)
        name = tensor.name
        tensor.ClearField("raw_data")
        tensor.data_type = dtype
        tensor.name = name + "_small"
        bits = (array.astype(np.float16).view(np.uint16) if dtype == FLOAT16
                else (array.view(np.uint32) >> 16).astype(np.uint16))
        if form == "raw":
            tensor.raw_data = bits.tobytes()
        else:
            tensor.int32_data.extend(int(b) for b in bits.ravel())
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=FLOAT))
    for cast in reversed(casts):
        proto.graph.node.insert(0, cast)
    return proto


def typed_and_constant(proto):
    """float_data instead of raw_data, and every second weight as a Constant node."""
    proto = copy.deepcopy(proto)
    tensors = list(proto.graph.initializer)
    del proto.graph.initializer[:]
    for i, tensor in enumerate(tensors):
        if tensor.data_type == FLOAT:
            array = numpy_helper.to_array(tensor)
            tensor.ClearField("raw_data")
            tensor.float_data.extend(array.ravel().tolist())
        if i % 2 == 0:
            proto.graph.initializer.append(tensor)
        else:
            proto.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))
    return proto


def renamed(proto):
    """Every name replaced by a number: nothing may depend on names."""
    proto = copy.deepcopy(proto)
    keep = {v.name for v in list(proto.graph.input) + list(proto.graph.output)}
    names = {"": ""}

    def new(name):
        if name in keep:
            return name
        return names.setdefault(name, str(len(names)))

    for tensor in proto.graph.initializer:
        tensor.name = new(tensor.name)
    for node in proto.graph.node:
        node.name = ""
        for field in (node.input, node.output):
            for i, name in enumerate(field):
                field[i] = new(name)
    return proto


def transposed_weights(proto):
    """[in, out] MatMul weights as [out, in] behind a Transpose, as graphs that were not folded have them."""
    proto = copy.deepcopy(proto)
    used = {n.input[1] for n in proto.graph.node if n.op_type == "MatMul"}
    nodes = []
    for tensor in proto.graph.initializer:
        if tensor.name in used and len(tensor.dims) == 2:
            array = numpy_helper.to_array(tensor)
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array.T), name + "_rows"))
            nodes.append(helper.make_node("Transpose", [name + "_rows"], [name], perm=[1, 0]))
    for node in reversed(nodes):
        proto.graph.node.insert(0, node)
    return proto


def shared_decoder(proto):
    """The decoder as a Transpose of the word embeddings themselves, as optimum writes it."""
    proto = copy.deepcopy(proto)
    decoder = [n for n in proto.graph.node if n.op_type == "MatMul"][-1]
    word = next(t for t in proto.graph.initializer if "word_embeddings" in t.name)
    proto.graph.initializer.remove(next(t for t in proto.graph.initializer if t.name == decoder.input[1]))
    decoder.input[1] = "word_transposed"
    insert_before(proto, decoder, [helper.make_node("Transpose", [word.name], ["word_transposed"], perm=[1, 0])])
    return proto


def float16_graph(proto):
    from onnxruntime.transformers.float16 import convert_float_to_float16
    return convert_float_to_float16(copy.deepcopy(proto), keep_io_types=True)


# -- the fixtures ---------------------------------------------------------------

def eighths(array, axis):
    """An array of weights as int8 and the scale of each index of an axis; None: one scale."""
    scale = np.abs(array).max(axis=None if axis is None else 1 - axis, keepdims=axis is not None) / 127
    return np.clip(np.round(array / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


def stored(model):
    """The same model with weights that `stored_small` represents: 8 bits by output or row, positions with one scale."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 2 and "token_type" not in name:
                q, scale = eighths(parameter.numpy(), None if "position" in name else 0)
                parameter.copy_(torch.from_numpy(q.astype(np.float32) * scale))
    return rounded_types(model)


def rounded_types(model):
    with torch.no_grad():
        table = model.embeddings.token_type_embeddings.weight
        table.copy_(table.half().float())
    return model


def stored_small(proto):
    """Weights in 8 or 16 bits, widened by plain operators: Cast and Mul by scales; with zero points, transposed, or
    widened after the lookup; the mask looked up by GatherND, and NaN replaced after Softmax."""
    proto = copy.deepcopy(proto)
    arrays = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
    kept, made = [], []

    def add(name, array):
        kept.append(numpy_helper.from_array(array, name))
        return name

    matrices = 0
    for tensor in proto.graph.initializer:
        name, array = tensor.name, arrays[tensor.name]
        users = [n for n in proto.graph.node if name in n.input]
        if array.ndim != 2 or array.dtype != np.float32 or array.shape[0] == 1:
            kept.append(tensor)
        elif "token_type" in name:
            made.append(helper.make_node("Cast", [add(name + "_h", array.astype(np.float16))], [name], to=FLOAT))
        elif "position" in name:
            q, scale = eighths(array, None)
            made += [helper.make_node("Cast", [add(name + "_q", q)], [name + "_f"], to=FLOAT),
                     helper.make_node("Mul", [add(name + "_scale", scale), name + "_f"], [name])]
        elif "word" in name:  # rows and scales are looked up, then widened
            q, scale = eighths(array, 0)
            lookup, out = users[0], users[0].output[0]
            ids = lookup.input[1]
            insert_before(proto, lookup, [
                helper.make_node("Gather", [add(name + "_q", q), ids], ["row_q"]),
                helper.make_node("Gather", [add(name + "_scale", scale), ids], ["row_scale"]),
                helper.make_node("Cast", ["row_q"], ["row_f"], to=FLOAT),
                helper.make_node("Mul", ["row_f", "row_scale"], [out])])
            proto.graph.node.remove(lookup)
        else:
            matrices += 1
            q, scale = eighths(array, 0 if users[0].op_type == "Gemm" else 1)
            if matrices == 2:  # unsigned
                add(name + "_q", (q.astype(np.int16) + 128).astype(np.uint8))
                made += [helper.make_node("Cast", [name + "_q"], [name + "_w"], to=FLOAT),
                         helper.make_node("Sub", [name + "_w", add(name + "_zero", np.float32(128))], [name + "_f"])]
            elif matrices == 3:  # [out, in]
                q, scale = np.ascontiguousarray(q.T), np.ascontiguousarray(scale.T)
                made += [helper.make_node("Cast", [add(name + "_q", q)], [name + "_f"], to=FLOAT),
                         helper.make_node("Mul", [name + "_f", add(name + "_scale", scale)], [name + "_t"]),
                         helper.make_node("Transpose", [name + "_t"], [name], perm=[1, 0])]
                continue
            else:
                made.append(helper.make_node("Cast", [add(name + "_q", q)], [name + "_f"], to=FLOAT))
            made.append(helper.make_node("Mul", [name + "_f", add(name + "_scale", scale)], [name]))
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    for node in reversed(made):
        proto.graph.node.insert(0, node)
    for softmax in [n for n in proto.graph.node if n.op_type == "Softmax"]:
        user = next(n for n in proto.graph.node if softmax.output[0] in n.input and n.op_type == "MatMul")
        insert_before(proto, user, [
            helper.make_node("IsNaN", [softmax.output[0]], [softmax.output[0] + "_none"]),
            constant(softmax.output[0] + "_zero", 0.0),
            helper.make_node("Where", [softmax.output[0] + "_none", softmax.output[0] + "_zero", softmax.output[0]],
                             [softmax.output[0] + "_some"])])
        user.input[list(user.input).index(softmax.output[0])] = softmax.output[0] + "_some"
    return replace_mask(proto, mask_m9)


def mask_m9(_):
    """GatherND on the mask as bool, Where to -inf: transformers 5."""
    return [helper.make_node("Cast", ["attention_mask"], ["mask_b"], to=BOOL),
            helper.make_node("Shape", ["attention_mask"], ["b_1"], start=0, end=1),
            helper.make_node("Shape", ["attention_mask"], ["s_1"], start=1, end=2),
            helper.make_node("Squeeze", ["b_1"], ["b"]), helper.make_node("Squeeze", ["s_1"], ["s"]),
            constant("zero_i", 0, np.int64), constant("one_i", 1, np.int64),
            helper.make_node("Range", ["zero_i", "b", "one_i"], ["rows"]),
            helper.make_node("Range", ["zero_i", "s", "one_i"], ["columns"]),
            constant("axes_row", [1, 2, 3], np.int64), constant("axes_column", [0, 1, 2], np.int64),
            helper.make_node("Unsqueeze", ["rows", "axes_row"], ["row"]),
            helper.make_node("Unsqueeze", ["columns", "axes_column"], ["column"]),
            helper.make_node("Max", ["row", "column"], ["both"]), helper.make_node("Shape", ["both"], ["places"]),
            constant("last", [-1], np.int64),
            helper.make_node("Expand", ["row", "places"], ["row_e"]),
            helper.make_node("Unsqueeze", ["row_e", "last"], ["row_n"]),
            helper.make_node("Expand", ["column", "places"], ["column_e"]),
            helper.make_node("Unsqueeze", ["column_e", "last"], ["column_n"]),
            helper.make_node("Concat", ["row_n", "column_n"], ["pairs"], axis=-1),
            helper.make_node("GatherND", ["mask_b", "pairs"], ["mask_g"]), constant("kept", 0.0),
            constant("lowest", -np.inf), helper.make_node("Where", ["mask_g", "kept", "lowest"], ["built_mask"])]


def bounded(proto):
    """Bounds that no number passes, infinite or the largest of float32, before each LayerNorm and on the scores."""
    proto = copy.deepcopy(proto)
    for count, mean in enumerate([n for n in proto.graph.node if n.op_type == "ReduceMean"]):
        value = mean.input[0]
        others = [n for n in proto.graph.node if value in n.input and n.op_type in ("ReduceMean", "Sub")]
        if len(others) != 2:
            continue  # the variance
        name = f"bound_{count}"
        if count % 4:
            nodes = [constant(name + "_low", -np.inf), constant(name + "_high", np.inf),
                     helper.make_node("Min", [name + "_high", value], [name + "_a"]),
                     helper.make_node("Max", [name + "_a", name + "_low"], [name])]
        else:
            top = float(np.finfo(np.float32).max)
            nodes = [constant(name + "_low", -top), constant(name + "_high", top),
                     helper.make_node("Clip", [value, name + "_low", name + "_high"], [name])]
        insert_before(proto, mean, nodes)
        for other in others:
            other.input[0] = name
    return replace_mask(proto, mask_infinite)


def mask_infinite(_):
    return [constant("axes", [1, 2], np.int64), helper.make_node("Unsqueeze", ["attention_mask", "axes"], ["mask_2"]),
            constant("padding", 0, np.int64), helper.make_node("Equal", ["mask_2", "padding"], ["mask_b"]),
            constant("lowest", -np.inf), constant("kept", 0.0),
            helper.make_node("Where", ["mask_b", "lowest", "kept"], ["built_mask"])]


def one_hot(proto):
    """Segments as TensorFlow looks them up: one-hot rows times the table."""
    proto = copy.deepcopy(proto)
    lookup = next(n for n in proto.graph.node if n.op_type == "Gather" and "token_type" in n.input[0])
    table, out = lookup.input[0], lookup.output[0]
    insert_before(proto, lookup, [
        constant("t_flat", [-1], np.int64), constant("t_depth", 2, np.int64), constant("t_values", [0, 1]),
        helper.make_node("Reshape", ["token_type_ids", "t_flat"], ["t_ids"]),
        helper.make_node("OneHot", ["t_ids", "t_depth", "t_values"], ["t_hot"]),
        helper.make_node("MatMul", ["t_hot", table], ["t_rows"]),
        helper.make_node("Shape", ["token_type_ids"], ["t_shape"]), constant("t_last", [-1], np.int64),
        helper.make_node("Concat", ["t_shape", "t_last"], ["t_target"], axis=0),
        helper.make_node("Reshape", ["t_rows", "t_target"], [out])])
    proto.graph.node.remove(lookup)
    return proto


def passing(proto, used=False):
    """A first input that the graph returns as it is, as the names of examples; or one that it uses."""
    proto = copy.deepcopy(proto)
    proto.graph.input.insert(0, helper.make_tensor_value_info("unique_ids:0", INT64, ["batch"]))
    proto.graph.node.append(helper.make_node("Identity", ["unique_ids:0"], ["returned_ids:0"]))
    proto.graph.output.append(helper.make_tensor_value_info("returned_ids:0", INT64, ["batch"]))
    if used:
        proto.graph.node[-1].op_type = "Neg"
        proto.graph.node[-1].name = "negated"
    return proto


def practice(small, base):
    """Forms met in files from the hub, from package registries, and from the old model zoo."""
    plain = export(small, base, opset=17)
    eight = stored(small)
    save("stored-in-8-bits", stored_small(export(eight, base, opset=17)), eight, base)
    save("bounds-infinite", bounded(export(small, base, opset=14)), small, base)
    save("one-hot-segments", one_hot(plain), small, base)
    through = passing(one_hot(plain))
    shorten(through)
    onnx.save_model(through, os.path.join(ROOT, "passed-through.onnx"))
    save_refused("extra-input", passing(export(small, base, opset=14), used=True))


def main():
    for entry in os.listdir(ROOT):
        if entry == "int8" or entry.startswith("fused-"):
            continue  # those of make_forms.py
        path = os.path.join(ROOT, entry)
        if entry.endswith((".onnx", ".expected")):
            os.remove(path)
        elif os.path.isdir(path) and entry != "__pycache__":
            shutil.rmtree(path)
    base = ["last_hidden_state", "pooler_output"]
    heads = ["prediction_logits", "seq_relationship_logits"]

    # Sizes: 1 to 3 layers, 7 heads of 16, 5 heads of 12, 1,003 words.
    deep = build(BertModel, DEEP, seed=1)
    save("base-3-layers-opset11", export(deep, base, opset=11), deep, base)
    wide = rounded(build(BertForPreTraining, WIDE, seed=2, attention="sdpa", hidden_act="gelu_new"), torch.float16)
    save("pretraining-sdpa-opset17", weights_as(export(wide, heads, opset=17), FLOAT16), wide, heads)
    large = rounded(build(BertForPreTraining, VOCABULARY, seed=3), torch.float16)
    save("pretraining-float16", weights_as(export(large, heads, opset=14), FLOAT16), large, heads)

    # Heads and decoders.
    model = build(BertForMaskedLM, SMALL, seed=4, hidden_act="relu")
    save("masked-lm-opset13", export(model, ["logits"], opset=13), model, ["logits"])
    save("masked-lm-shared", shared_decoder(export(model, ["logits"], opset=14)), model, ["logits"])
    model = build(BertForMaskedLM, SMALL, seed=5, tie_word_embeddings=False, layer_norm_eps=1e-5)
    with torch.no_grad():
        model.cls.predictions.decoder.weight = torch.nn.Parameter(torch.randn(53, 20) * 0.2)
    save("masked-lm-separate", export(model, ["logits"], opset=18), model, ["logits"])
    model = build(BertForNextSentencePrediction, SMALL, seed=6)
    save("next-sentence-opset12", export(model, ["logits"], opset=12, names=["seq_relationship_logits"]), model,
         ["logits"])
    model = build(BertForSequenceClassification, SMALL, seed=7, num_labels=5)
    save("classifier", export(model, ["logits"], opset=15), model, ["logits"])
    model = build(BertForTokenClassification, SMALL, seed=8, num_labels=4)
    save("token-classifier", export(model, ["logits"], opset=16), model, ["logits"])

    # LayerNorms of 1 and 0 and biases of 0: equal initializers become one, others are Identity nodes of it.
    model = build(BertForPreTraining, dict(SMALL, num_hidden_layers=2), seed=13, plain_vectors=True)
    save("identity-aliases", export(model, heads, opset=14), model, heads)

    # Ways to write the same small model.
    small = build(BertModel, SMALL, seed=9)
    plain = export(small, base, opset=14)
    old = export(small, base, opset=11)
    save("mask-m1-opset11", replace_mask(old, mask_m1(opset=11)), small, base)
    save("mask-m2", replace_mask(plain, mask_m1(float(np.finfo(np.float32).min))), small, base)
    save("mask-m4", replace_mask(plain, mask_m4), small, base)
    save("positions-range", range_positions(plain), small, base)
    save("typed-data-constants", typed_and_constant(plain), small, base)
    save("transposed-renamed", renamed(transposed_weights(plain)), small, base)
    save("folding-off", export(small, base, opset=14, folding=False), small, base)
    save("fixed-shape", export(small, base, opset=14, fixed=True), small, base)
    sdpa = copy.deepcopy(small)
    sdpa.config._attn_implementation = "sdpa"
    save("sdpa-opset14", export(sdpa, base, opset=14), small, base)
    save("sdpa-opset18", export(sdpa, base, opset=18), small, base)
    save("int32-reordered", export(small, base, inputs=("attention_mask", "token_type_ids", "input_ids"),
                                   dtype=np.int32), small, base)
    save("no-token-types", export(small, base, inputs=ALL_INPUTS[:2]), small, base, inputs=ALL_INPUTS[:2])
    save("native-gelu-opset20", export(small, base, opset=20), small, base)
    tanh = build(BertModel, SMALL, seed=9, hidden_act="gelu_pytorch_tanh")
    save("native-gelu-tanh-opset20", export(tanh, base, opset=20), tanh, base)
    save("dynamo-opset18", export(sdpa, base, opset=18, dynamo=True), small, base)
    save("dynamo-opset23", export(sdpa, base, opset=23, dynamo=True), small, base)
    save("dynamo-eager-opset20", export(small, base, opset=20, dynamo=True), small, base)
    half = rounded(small, torch.float16)
    save("float16-graph", float16_graph(export(half, base)), half, base, tolerance=1e-2)
    brain = rounded(small, torch.bfloat16)
    save("bfloat16-int32-data", weights_as(export(brain, base), BFLOAT16, form="typed"), brain, base)
    save("external-one-file", copy.deepcopy(plain), small, base,
         external=dict(all_tensors_to_one_file=True, location="weights.bin"))
    every = ["hidden_states", "pooler_output"]
    names = ["state_0", "state_1", "pooler_output"]
    save("hidden-states", export(small, every, names=names), small, base)
    distil = build(DistilBertModel, DISTIL, config=DistilBertConfig, seed=10)
    save("distilbert", export(distil, base[:1], inputs=ALL_INPUTS[:2]), distil, base[:1], inputs=ALL_INPUTS[:2])

    # Relatives of BERT: positions that count from the padding's id on; embeddings narrower than the layers.
    roberta = build(RobertaModel, dict(SMALL, pad_token_id=0, type_vocab_size=1), config=RobertaConfig, seed=14)
    save("roberta", export(roberta, base, inputs=ALL_INPUTS[:2]), roberta, base, inputs=ALL_INPUTS[:2])
    electra = build(ElectraModel, dict(SMALL, embedding_size=12), config=ElectraConfig, seed=15)
    save("electra", export(electra, base[:1]), electra, base[:1])

    mpnets()
    practice(small, base)

    # Heads of other shapes.
    model = build(BertForQuestionAnswering, SMALL, seed=16)
    save("answers", export(model, ["start_logits", "end_logits"]), model, ["start_logits", "end_logits"])
    model = build(DistilBertForSequenceClassification, DISTIL, config=DistilBertConfig, seed=17, num_labels=4)
    save("distilbert-classifier", export(model, ["logits"], inputs=ALL_INPUTS[:2]), model, ["logits"],
         inputs=ALL_INPUTS[:2])
    model = build(BertForSequenceClassification, SMALL, seed=18, num_labels=2)
    save("classifier-of-two", export(model, ["logits"]), model, ["logits"])
    sentences(small)
    widened("sentence-dense", "sentence-wide", 33)
    folders(heads)

    # Graphs that must be refused, each for its own reason.
    tiny = dict(SMALL, hidden_size=12, num_attention_heads=3, intermediate_size=16)
    decoder = build(BertLMHeadModel, tiny, is_decoder=True, use_cache=False, seed=11)
    save_refused("causal", export(decoder, ["logits"], inputs=ALL_INPUTS))
    gpt = build(GPT2Model, dict(vocab_size=53, n_positions=24, n_embd=12, n_layer=1, n_head=3), config=GPT2Config,
                use_cache=False)
    save_refused("gpt2", export(gpt, ["last_hidden_state"], inputs=ALL_INPUTS[:2]))
    tiny_model = build(BertModel, tiny, seed=12)
    proto = export(tiny_model, base)
    save_refused("inverted-mask", replace_mask(proto, mask_inverted))
    save_refused("local-attention", replace_mask(proto, mask_window))
    pre_norm(tiny)
    convolution()
    for name, wanted, shape in (("shape-bias", "attention.self.query.bias", [11]),
                                ("shape-position", "position_embeddings", [24, 11])):
        broken = copy.deepcopy(proto)
        tensor = next(t for t in broken.graph.initializer if wanted in t.name)
        tensor.CopyFrom(numpy_helper.from_array(np.ones(shape, np.float32), tensor.name))
        save_refused(name, broken)
    broken = copy.deepcopy(proto)
    matmuls = [n for n in broken.graph.node if n.op_type == "MatMul"]
    tensor = next(t for t in broken.graph.initializer if t.name == matmuls[-1].input[1])
    tensor.CopyFrom(numpy_helper.from_array(np.ones([17, 12], np.float32), tensor.name))
    save_refused("shape-feed-forward", broken)
    broken = copy.deepcopy(proto)
    erf = next(n for n in broken.graph.node if n.op_type == "Erf")
    erf.op_type = "Sin"
    save_refused("unknown-activation", broken)
    broken = copy.deepcopy(proto)
    softmax = next(n for n in broken.graph.node if n.op_type == "Softmax")
    softmax.attribute[0].i = 2
    save_refused("softmax-axis", broken)


class Sentence(torch.nn.Module):
    """What sentence-transformers exports: pooling, a dense layer, and vectors of length 1 in the graph."""

    def __init__(self, model, pooling, width=0, normalize=True):
        super().__init__()
        self.m, self.config, self.pooling, self.normalize = model, model.config, pooling, normalize
        self.dense = torch.nn.Linear(model.config.hidden_size, width) if width else None

    def forward(self, input_ids, attention_mask, token_type_ids):
        x = self.m(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]
        mask = attention_mask.unsqueeze(-1).expand(x.size()).float()
        if self.pooling == "cls":
            y = x[:, 0]
        elif self.pooling == "max":
            y = torch.where(mask == 0, torch.tensor(-1e9), x).max(1)[0]
        elif self.pooling == "last":
            flipped, width = attention_mask.to(torch.int32).flip(1).max(1), x.shape[1]
            place = width - torch.where(flipped.values == 0, width - 1, flipped.indices) - 1
            place = torch.clamp(place, min=0).unsqueeze(-1).repeat(1, x.shape[2]).unsqueeze(1)
            y = torch.gather(x * mask, 1, place).squeeze(1)
        elif self.pooling == "weighted":
            weights = torch.arange(1, x.shape[1] + 1).unsqueeze(0).unsqueeze(-1).expand(x.size()).float()
            y = (x * mask * weights).sum(1) / torch.clamp((mask * weights).sum(1), min=1e-9)
        else:
            y = (x * mask).sum(1) / torch.clamp(mask.sum(1), min=1e-9)
        if self.dense is not None:
            y = torch.tanh(self.dense(y))
        return dict(token_embeddings=x, sentence_embedding=torch.nn.functional.normalize(y, p=2, dim=1)
                    if self.normalize else y)


def widened(source, name, width):
    """The graph of a fixture with a dense layer after pooling, with another one of `width` outputs in its place."""
    random = np.random.default_rng(17)
    proto = onnx.load(os.path.join(ROOT, source + ".onnx"))
    arrays = read_expected(os.path.join(ROOT, source + ".expected"))
    for tensor in proto.graph.initializer:
        if tensor.name.startswith("dense."):
            shape = (width, *tensor.dims[1:])
            values = random.normal(0, 0.3, shape).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    arrays["embedding"] = run(proto, arrays)["sentence_embedding"]
    onnx.save_model(proto, os.path.join(ROOT, name + ".onnx"))
    write_expected(os.path.join(ROOT, name + ".expected"), arrays)


def mpnets():
    """MPNet, whose scores have a bias by relative position, in one table for all layers."""
    base, inputs = ["last_hidden_state", "pooler_output"], ALL_INPUTS[:2]
    model = build(MPNetModel, MPNET, config=MPNetConfig, seed=40)
    save("mpnet", export(model, base, inputs=inputs), model, base, inputs=inputs)
    save("mpnet-dynamo", export(model, base, opset=18, inputs=inputs, dynamo=True), model, base, inputs=inputs)
    tiny = dict(MPNET, hidden_size=12, num_attention_heads=3, intermediate_size=16)
    wide = build(MPNetModel, tiny, config=MPNetConfig, seed=41, relative_attention_num_buckets=40)
    save_refused("mpnet-buckets", export(wide, base, inputs=inputs))
    model = build(MPNetModel, tiny, config=MPNetConfig, seed=42)
    layer, other = model.encoder.layer[1], build(MPNetModel, tiny, config=MPNetConfig, seed=43).encoder
    forward, layer.other_bias = layer.forward, other.relative_attention_bias
    layer.forward = lambda x, mask, bias, **more: forward(x, mask, other.compute_position_bias(x), **more)
    save_refused("mpnet-two-tables", export(model, base, inputs=inputs))
    model = build(MPNetModel, tiny, config=MPNetConfig, seed=44)
    model.encoder.relative_position_bucket = lambda offset, num_buckets: torch.clamp(offset + 16, 0, 31)
    save_refused("mpnet-other-buckets", export(model, base, inputs=inputs))


def folders(heads):
    """Models as transformers saves them: model.safetensors and config.json, and no ONNX."""
    models = dict(
        bert=(build(BertForPreTraining, SMALL, seed=31), heads, ALL_INPUTS),
        tags=(build(BertForTokenClassification, SMALL, seed=32, num_labels=3), ["logits"], ALL_INPUTS),
        distilbert=(build(DistilBertForSequenceClassification, DISTIL, config=DistilBertConfig, seed=33, num_labels=2),
                    ["logits"], ALL_INPUTS[:2]),
        electra=(build(ElectraModel, dict(SMALL, embedding_size=12), config=ElectraConfig, seed=34),
                 ["last_hidden_state"], ALL_INPUTS),
        roberta=(build(RobertaModel, dict(SMALL, pad_token_id=0, type_vocab_size=1), config=RobertaConfig, seed=35),
                 ["last_hidden_state", "pooler_output"], ALL_INPUTS[:2]),
        mpnet=(build(MPNetForMaskedLM, MPNET, config=MPNetConfig, seed=45), ["logits"], ALL_INPUTS[:2]))
    for name, (model, results, inputs) in models.items():
        folder = os.path.join(ROOT, "..", "pretrained", name)
        os.makedirs(folder, exist_ok=True)
        model.save_pretrained(folder)
        if name == "bert":  # LayerNorm's parameters under the names of TensorFlow
            from safetensors.torch import load_file, save_file
            path = os.path.join(folder, "model.safetensors")
            save_file({k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v
                       for k, v in load_file(path).items()}, path)
        write_expected(os.path.join(ROOT, "..", "pretrained", name + ".expected"), expected(model, results, inputs))
        print("pretrained/" + name, os.listdir(folder))


def sentences(model):
    for name, module in (("sentence-mean", Sentence(model, "mean")), ("sentence-cls", Sentence(model, "cls", normalize=False)),
                         ("sentence-max", Sentence(model, "max")), ("sentence-dense", Sentence(model, "mean", 9)),
                         ("sentence-last", Sentence(model, "last")), ("sentence-weighted", Sentence(model, "weighted"))):
        torch.manual_seed(3)
        values = sample(53)
        buffer = io.BytesIO()
        torch.onnx.export(module.eval(), tuple(torch.from_numpy(values[k]) for k in ALL_INPUTS), buffer, dynamo=False,
                          opset_version=14, input_names=list(ALL_INPUTS),
                          output_names=["token_embeddings", "sentence_embedding"],
                          dynamic_axes={k: {0: "batch", 1: "sequence"} for k in ALL_INPUTS})
        proto = onnx.load_from_string(buffer.getvalue())
        arrays = expected(model, ["last_hidden_state"])
        shorten(proto)
        path = os.path.join(ROOT, name + ".onnx")
        onnx.save_model(proto, path)
        arrays["embedding"] = run(path, values)["sentence_embedding"]
        write_expected(os.path.join(ROOT, name + ".expected"), arrays)
        print(f"{name:28} {len(proto.graph.node):4} nodes  {os.path.getsize(path):7} bytes")


def pre_norm(sizes):
    """A BERT whose layers normalise first (RobertaPreLayerNorm without RoBERTa's positions)."""

    class Layer(torch.nn.Module):
        def __init__(self, d):
            super().__init__()
            self.first, self.second = torch.nn.LayerNorm(d), torch.nn.LayerNorm(d)
            self.q, self.k, self.v, self.o = (torch.nn.Linear(d, d) for _ in range(4))
            self.up, self.down = torch.nn.Linear(d, 16), torch.nn.Linear(16, d)

        def forward(self, x, mask):
            y = self.first(x)
            split = lambda t: t.view(t.shape[0], t.shape[1], 3, 4).transpose(1, 2)
            scores = split(self.q(y)) @ split(self.k(y)).transpose(-1, -2) / 2 + mask
            y = (scores.softmax(-1) @ split(self.v(y))).transpose(1, 2).reshape(x.shape)
            x = x + self.o(y)
            return x + self.down(torch.nn.functional.gelu(self.up(self.second(x))))

    class Model(torch.nn.Module):
        def __init__(self, first_norm):
            super().__init__()
            self.word, self.position = torch.nn.Embedding(53, 12), torch.nn.Embedding(24, 12)
            self.norm = torch.nn.LayerNorm(12) if first_norm else torch.nn.Identity()
            self.layer, self.last = Layer(12), torch.nn.LayerNorm(12)

        def forward(self, input_ids, attention_mask):
            x = self.word(input_ids) + self.position(torch.arange(input_ids.shape[1])[None])
            mask = (1 - attention_mask[:, None, None].float()) * -10000
            return self.last(self.layer(self.norm(x), mask))

    for name, first_norm in (("pre-norm", False), ("pre-norm-after-norm", True)):
        torch.manual_seed(0)
        values = sample(53)
        buffer = io.BytesIO()
        torch.onnx.export(Model(first_norm).eval(),
                          (torch.from_numpy(values["input_ids"]), torch.from_numpy(values["attention_mask"])),
                          buffer, dynamo=False, opset_version=14, input_names=list(ALL_INPUTS[:2]),
                          output_names=["out"], dynamic_axes={k: {0: "b", 1: "s"} for k in ALL_INPUTS[:2]})
        save_refused(name, onnx.load_from_string(buffer.getvalue()))


def convolution():
    """An image classifier: no table of embeddings anywhere."""
    random = np.random.default_rng(0)
    tensors = [numpy_helper.from_array(random.normal(size=s).astype(np.float32), n)
               for n, s in (("kernel", (4, 3, 3, 3)), ("weight", (4, 10)))]
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["maps"], name="conv"),
             helper.make_node("Relu", ["maps"], ["active"]),
             helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
             helper.make_node("Flatten", ["pooled"], ["flat"], axis=1),
             helper.make_node("MatMul", ["flat", "weight"], ["logits"])]
    graph = helper.make_graph(nodes, "cnn", [helper.make_tensor_value_info("image", FLOAT, ["b", 3, 8, 8])],
                              [helper.make_tensor_value_info("logits", FLOAT, ["b", 10])], tensors)
    save_refused("convolution", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8))


if __name__ == "__main__":
    main()
