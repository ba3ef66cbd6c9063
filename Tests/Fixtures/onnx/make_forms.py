#!/usr/bin/env python3
"""Makes the fixtures that optimizers and quantizers write, out of one tiny random BERT.

    python Tests/Fixtures/onnx/make_forms.py        with the packages that make_fixtures.py names

`fused-*.onnx` beside the other fixtures are exact up to rounding; `int8/*.onnx` hold integers. Their `.expected` hold what
the float32 source computes and, as `error_NAME` [1], the mean absolute error of ONNX Runtime on the same file.
"""

import copy
import os
import shutil
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import helper, numpy_helper
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType, quant_pre_process, quantize_dynamic,
                                      quantize_static)
from onnxruntime.transformers.fusion_options import AttentionMaskFormat, FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from transformers import BertForMaskedLM, BertForSequenceClassification, BertModel

import make_fixtures as base
from make_fixtures import ALL_INPUTS, ROOT, build, expected, export, rounded, run, save, write_expected

# Wide and long enough for a mean error to mean something.
QUANTIZED = dict(vocab_size=53, hidden_size=40, num_hidden_layers=2, num_attention_heads=5, intermediate_size=60,
                 max_position_embeddings=24, type_vocab_size=2)
SIZES = dict(vocab_size=53, hidden_size=20, num_hidden_layers=2, num_attention_heads=5, intermediate_size=28,
             max_position_embeddings=24, type_vocab_size=2)
RESULTS = ["last_hidden_state", "pooler_output"]
TEMPORARY = tempfile.mkdtemp()


def long_sample(vocabulary, **_):
    random = np.random.default_rng(8)
    lengths = [23, 17, 23, 7, 3, 1]
    mask = np.array([[1] * n + [0] * (23 - n) for n in lengths])
    kinds = np.array([[0] * (n // 2) + [1] * (n - n // 2) + [0] * (23 - n) for n in lengths])
    return dict(input_ids=random.integers(1, vocabulary, mask.shape) * mask, attention_mask=mask, token_type_ids=kinds)


def path(name="x"):
    return os.path.join(TEMPORARY, name + ".onnx")


def session_optimized(proto, level):
    """What a session writes to `optimized_model_filepath`."""
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = path("optimized")
    options.log_severity_level = 3
    ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(options.optimized_model_filepath)


def optimized(proto, level=0, float16=False, only_ort=False, **options):
    """What the optimizer of onnxruntime.transformers writes."""
    onnx.save(proto, path())
    hidden = next(t.dims[1] for t in proto.graph.initializer if "word_embeddings" in t.name)
    fusion = FusionOptions("bert")
    for key, value in options.items():
        assert hasattr(fusion, key), key
        setattr(fusion, key, value)
    model = optimize_model(path(), "bert", num_heads=5, hidden_size=hidden, opt_level=level,
                           optimization_options=fusion, only_onnxruntime=only_ort)
    if float16:
        model.convert_float_to_float16(keep_io_types=True)
    return model.model


def dynamic(proto, **options):
    if any(n.domain == "com.microsoft" for n in proto.graph.node) and len(proto.opset_import) == 1:
        proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(proto, path())
    quantize_dynamic(path(), path("quantized"), **options)
    return onnx.load(path("quantized"))


class Samples(CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(3)
        self.rows = iter([dict(input_ids=random.integers(1, 53, (3, 21)), attention_mask=np.ones((3, 21), np.int64),
                               token_type_ids=random.integers(0, 2, (3, 21))) for _ in range(16)])

    def get_next(self):
        return next(self.rows, None)


def static(proto, form, **options):
    onnx.save(proto, path())
    quantize_static(path(), path("quantized"), Samples(), quant_format=form, **options)
    return onnx.load(path("quantized"))


def run_any(proto, values, level=ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # Without it products of 8 bits saturate on CPUs without VNNI, and errors are larger than the file's.
    signed = any(n.op_type == "QLinearMatMul" for n in proto.graph.node)
    options.add_session_config_entry("session.x64quantprecision", "0" if signed else "1")
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feeds = {i.name: values[i.name].astype(np.int32 if "int32" in i.type else np.int64) for i in session.get_inputs()}
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))


def strip(proto):
    for node in proto.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del proto.graph.value_info[:]
    base.shorten(proto)
    for node in proto.graph.node:
        if "Quantize" in node.op_type:
            node.name = ""


def operators(proto):
    names = sorted({n.op_type for n in proto.graph.node if n.domain})
    return ", ".join(names) or ", ".join(sorted({n.op_type for n in proto.graph.node if "Q" in n.op_type[:1] or "Integer" in n.op_type or "Quant" in n.op_type}))


def save_exact(name, proto, model, results=RESULTS, tolerance=2e-5, inputs=ALL_INPUTS):
    save("fused-" + name, proto, model, results, tolerance, inputs)
    print("   ", operators(proto))


OUTPUTS = {"pooler_output": "pooler", "logits": None, "prediction_logits": "mlm"}


def save_int8(name, proto, model, results=RESULTS, limit=1.5):
    strip(proto)
    arrays = expected(model, results)
    for layer in range(model.config.num_hidden_layers):
        del arrays[f"hidden_{layer}"]
    # The states of the last layer are what a quantized file gives; those before it are the source's alone.
    got = run_any(proto, {k: arrays[k] for k in ALL_INPUTS})
    keep = arrays["attention_mask"].astype(bool)
    last = f"hidden_{model.config.num_hidden_layers}"
    for output, value in got.items():
        key = last if output == "last_hidden_state" else OUTPUTS.get(output) or output
        if output == "logits" and isinstance(model, BertForMaskedLM):
            key = "mlm"
        reference = arrays[key]
        value = value.astype(np.float32)
        if value.shape[:2] == keep.shape:
            value, reference = value[keep], reference[keep]
        error = np.abs(value - reference).mean(dtype=np.float64)
        assert error < limit * np.abs(reference).mean(), (name, output, error)
        arrays["error_" + key] = np.array([error], np.float32)
    folder = os.path.join(ROOT, "int8")
    os.makedirs(folder, exist_ok=True)
    target = os.path.join(folder, name + ".onnx")
    onnx.save_model(proto, target)
    write_expected(os.path.join(folder, name + ".expected"), arrays)
    errors = "  ".join(f"{k[6:]} {float(v[0]):.4f}" for k, v in arrays.items() if k.startswith("error_"))
    print(f"int8/{name:28} {len(proto.graph.node):4} nodes {os.path.getsize(target):7} bytes  {errors}\n    {operators(proto)}")


def main():
    shutil.rmtree(os.path.join(ROOT, "int8"), ignore_errors=True)
    for entry in os.listdir(ROOT):
        if entry.startswith("fused-"):
            os.remove(os.path.join(ROOT, entry))
    level = ort.GraphOptimizationLevel
    model = build(BertModel, SIZES, seed=21)
    plain = export(model, RESULTS, opset=14)
    sdpa_model = copy.deepcopy(model)
    sdpa_model.config._attn_implementation = "sdpa"
    sdpa = export(sdpa_model, RESULTS, opset=18)
    old = base.replace_mask(export(model, RESULTS, opset=11), base.mask_m1(opset=11))

    # The optimizers of sessions.
    save_exact("session-basic", session_optimized(plain, level.ORT_ENABLE_BASIC), model)
    save_exact("session-extended", session_optimized(plain, level.ORT_ENABLE_EXTENDED), model)
    save_exact("session-all", session_optimized(plain, level.ORT_ENABLE_ALL), model)
    save_exact("session-sdpa-extended", session_optimized(sdpa, level.ORT_ENABLE_EXTENDED), model)
    save_exact("session-old-extended", session_optimized(old, level.ORT_ENABLE_EXTENDED), model)
    # onnxruntime.transformers: optimum's O1 to O4.
    save_exact("o1", optimized(plain, level=1, only_ort=True), model)
    for name, source in (("", plain), ("-old", old), ("-sdpa", sdpa)):
        save_exact("o2" + name, optimized(source, level=0), model)
    tanh = build(BertModel, SIZES, seed=21, hidden_act="gelu_pytorch_tanh")
    save_exact("o3-fast-gelu", optimized(export(tanh, RESULTS, opset=14), enable_gelu_approximation=True), tanh)
    half = rounded(model, torch.float16)
    save_exact("o4-float16", optimized(export(half, RESULTS, opset=14), float16=True), half, tolerance=2e-2)
    save_exact("multi-head", optimized(plain, use_multi_head_attention=True), model)
    save_exact("mask-index", optimized(plain, attention_mask_format=AttentionMaskFormat.MaskIndexEnd), model)
    save_exact("no-embed", optimized(plain, enable_embed_layer_norm=False), model)

    # Dynamic quantization.
    base.sample = long_sample
    model = build(BertModel, QUANTIZED, seed=21)
    plain = export(model, RESULTS, opset=14)
    sdpa_model = copy.deepcopy(model)
    sdpa_model.config._attn_implementation = "sdpa"
    sdpa = export(sdpa_model, RESULTS, opset=18)
    save_int8("dynamic", dynamic(plain), model)
    save_int8("dynamic-per-channel", dynamic(plain, per_channel=True), model)
    save_int8("dynamic-7-bit", dynamic(plain, per_channel=True, reduce_range=True), model)
    save_int8("dynamic-uint8", dynamic(plain, weight_type=QuantType.QUInt8), model)
    save_int8("dynamic-uint8-symmetric", dynamic(plain, weight_type=QuantType.QUInt8, per_channel=True,
                                                 extra_options=dict(WeightSymmetric=True)), model)
    save_int8("dynamic-asymmetric", dynamic(plain, extra_options=dict(WeightSymmetric=False)), model)
    save_int8("dynamic-attention", dynamic(plain, per_channel=True, extra_options=dict(MatMulConstBOnly=False)), model)
    save_int8("dynamic-sdpa", dynamic(sdpa, per_channel=True), model)
    save_int8("dynamic-fused", session_optimized(dynamic(plain, per_channel=True), level.ORT_ENABLE_EXTENDED), model)
    save_int8("dynamic-attention-fused", session_optimized(
        dynamic(plain, extra_options=dict(MatMulConstBOnly=False)), level.ORT_ENABLE_EXTENDED), model)
    save_int8("q-attention", dynamic(optimized(plain), extra_options=dict(DefaultTensorType=1)), model)
    save_int8("q-attention-per-channel", dynamic(optimized(plain), per_channel=True, extra_options=dict(DefaultTensorType=1)), model)
    masked = build(BertForMaskedLM, QUANTIZED, seed=22)
    save_int8("dynamic-masked-lm", dynamic(export(masked, ["logits"], opset=14)), masked, ["logits"])

    # Static quantization.
    save_int8("qdq", static(plain, QuantFormat.QDQ), model)
    save_int8("qdq-per-channel", static(plain, QuantFormat.QDQ, per_channel=True, activation_type=QuantType.QInt8), model)
    save_int8("qoperator", static(plain, QuantFormat.QOperator, activation_type=QuantType.QUInt8,
                                  weight_type=QuantType.QUInt8), model)
    save_int8("qoperator-per-channel", static(plain, QuantFormat.QOperator, per_channel=True, activation_type=QuantType.QInt8,
                                              weight_type=QuantType.QInt8), model)
    save_int8("qoperator-fused", session_optimized(static(plain, QuantFormat.QDQ), level.ORT_ENABLE_EXTENDED), model)
    classifier = build(BertForSequenceClassification, QUANTIZED, seed=23, num_labels=3)
    save_int8("qoperator-classifier", static(export(classifier, ["logits"], opset=14), QuantFormat.QOperator, activation_type=QuantType.QUInt8,
                                            weight_type=QuantType.QUInt8), classifier,
              ["logits"])
    shutil.rmtree(TEMPORARY)


if __name__ == "__main__":
    main()
