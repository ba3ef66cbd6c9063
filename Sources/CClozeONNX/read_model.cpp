#include <onnx/onnx_pb.h>

#include "model.h"

namespace cloze_onnx {

using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;

namespace {

size_t add_tensor(Model &model, Bytes bytes) {
  if (model.tensors.size() >= kMaxTensors) fail_unsupported("the file has too many tensors");
  model.tensors.push_back(read_tensor(model, bytes));
  return model.tensors.size() - 1;
}

// The kind of an attribute without `type`, as files of IR version 1 and 2 and of some writers have it.
int32_t infer_kind(const Attribute &attribute, bool has_float, bool has_int, bool has_text) {
  if (attribute.tensor >= 0) return AttributeProto::TENSOR;
  if (attribute.ints.count > 0) return AttributeProto::INTS;
  if (attribute.floats.count > 0) return AttributeProto::FLOATS;
  if (has_float) return AttributeProto::FLOAT;
  if (has_int) return AttributeProto::INT;
  if (has_text) return AttributeProto::STRING;
  return AttributeProto::UNDEFINED;
}

void add_floats(Model &model, Bytes bytes) {
  if (model.floats.size() + bytes.count / 4 > kMaxNumbers) fail_unsupported("attributes are too long");
  model.source.need(bytes);
  for (size_t i = 0; i + 4 <= bytes.count; i += 4) {
    float value;
    __builtin_memcpy(&value, bytes.begin + i, sizeof value);
    model.floats.push_back(value);
  }
}

Attribute read_attribute(Model &model, Bytes bytes) {
  Attribute attribute;
  bool has_float = false, has_int = false, has_text = false, has_graph = false;
  attribute.ints.begin = model.numbers.size();
  attribute.floats.begin = model.floats.size();
  Bytes tensor;
  bool has_tensor = false;

  Message message(bytes, model.source, "an attribute");
  while (message.next()) {
    switch (message.field()) {
      case AttributeProto::kNameFieldNumber:
        attribute.name = message.text();
        break;
      case AttributeProto::kTypeFieldNumber:
        attribute.kind = message.int32();
        break;
      case AttributeProto::kFFieldNumber:
        attribute.float_value = message.float32();
        has_float = true;
        break;
      case AttributeProto::kIFieldNumber:
        attribute.int_value = message.int64();
        has_int = true;
        break;
      case AttributeProto::kSFieldNumber:
        attribute.text = message.text();
        has_text = true;
        break;
      case AttributeProto::kTFieldNumber:
        tensor = message.bytes();
        has_tensor = true;
        break;
      case AttributeProto::kIntsFieldNumber:
        message.varints([&](uint64_t value) {
          if (model.numbers.size() >= kMaxNumbers) fail_unsupported("attributes are too long");
          model.numbers.push_back(static_cast<int64_t>(value));
        });
        break;
      case AttributeProto::kFloatsFieldNumber:
        add_floats(model, message.fixed(4));
        break;
      case AttributeProto::kGFieldNumber:
        // A graph inside a node (If, Loop): recorded, not read, as no BERT needs one.
        message.skip();
        has_graph = true;
        break;
      default:
        message.skip();
    }
  }
  attribute.ints.count = model.numbers.size() - attribute.ints.begin;
  attribute.floats.count = model.floats.size() - attribute.floats.begin;
  // After the ranges are closed: a tensor's dimensions are appended to the same pool.
  if (has_tensor) attribute.tensor = static_cast<int64_t>(add_tensor(model, tensor));
  if (attribute.kind == AttributeProto::UNDEFINED) {
    attribute.kind =
        has_graph ? static_cast<int32_t>(AttributeProto::GRAPH) : infer_kind(attribute, has_float, has_int, has_text);
  }
  return attribute;
}

void add_name(Model &model, std::string_view name) {
  if (model.names.size() >= kMaxNames) fail_unsupported("the graph's nodes have too many inputs");
  model.names.push_back(name);
}

void read_node(Model &model, Bytes bytes) {
  if (model.nodes.size() >= kMaxNodes) fail_unsupported("the graph has too many nodes");
  Node node;
  // Inputs, outputs and attributes may be interleaved, but each must be one range of a pool: one pass for each.
  node.inputs.begin = model.names.size();
  Message message(bytes, model.source, "a node");
  bool has_outputs = false, has_attributes = false;
  while (message.next()) {
    switch (message.field()) {
      case NodeProto::kInputFieldNumber:
        add_name(model, message.text());
        break;
      case NodeProto::kNameFieldNumber:
        node.name = message.text();
        break;
      case NodeProto::kOpTypeFieldNumber:
        node.op_type = message.text();
        break;
      case NodeProto::kDomainFieldNumber:
        node.domain = message.text();
        break;
      case NodeProto::kOutputFieldNumber:
        message.skip();
        has_outputs = true;
        break;
      case NodeProto::kAttributeFieldNumber:
        message.skip();
        has_attributes = true;
        break;
      default:
        message.skip();
    }
  }
  node.inputs.count = model.names.size() - node.inputs.begin;

  node.outputs.begin = model.names.size();
  if (has_outputs) {
    Message again(bytes, model.source, "a node");
    while (again.next()) {
      if (again.field() == NodeProto::kOutputFieldNumber) {
        add_name(model, again.text());
      } else {
        again.skip();
      }
    }
  }
  node.outputs.count = model.names.size() - node.outputs.begin;

  node.attributes.begin = model.attributes.size();
  if (has_attributes) {
    Message again(bytes, model.source, "a node");
    while (again.next()) {
      if (again.field() == NodeProto::kAttributeFieldNumber) {
        if (model.attributes.size() >= kMaxAttributes) {
          fail_unsupported("the graph's nodes have too many attributes");
        }
        model.attributes.push_back(read_attribute(model, again.bytes()));
      } else {
        again.skip();
      }
    }
  }
  node.attributes.count = model.attributes.size() - node.attributes.begin;
  model.nodes.push_back(node);
}

// Reads a graph input or output with the generated class: they are few and small.
Value read_value(Message &message) {
  Bytes bytes = message.contents();
  onnx::ValueInfoProto proto;
  if (bytes.count > kMaxValueBytes) message.fail("the description of a graph input or output is too long");
  if (!proto.ParseFromArray(bytes.begin, static_cast<int>(bytes.count))) {
    message.fail("a graph input or output is malformed");
  }
  Value value;
  value.name = proto.name();
  if (!proto.has_type() || !proto.type().has_tensor_type()) return value;
  const auto &type = proto.type().tensor_type();
  value.element_type = type.elem_type();
  if (!type.has_shape()) return value;
  if (type.shape().dim_size() > static_cast<int>(kMaxRank)) {
    message.fail("a graph input or output has too many dimensions");
  }
  value.rank = type.shape().dim_size();
  for (const auto &dim : type.shape().dim()) {
    Dimension dimension;
    if (dim.has_dim_value()) dimension.value = dim.dim_value();
    if (dim.has_dim_param()) dimension.name = dim.dim_param();
    value.dims.push_back(dimension);
  }
  return value;
}

void read_graph(Model &model, Bytes bytes) {
  // A first pass for initializers, which come first in the table of tensors.
  Message initializers(bytes, model.source, "the graph");
  while (initializers.next()) {
    if (initializers.field() == GraphProto::kInitializerFieldNumber) {
      add_tensor(model, initializers.bytes());
    } else {
      initializers.skip();
    }
  }
  model.initializer_count = model.tensors.size();

  Message message(bytes, model.source, "the graph");
  while (message.next()) {
    switch (message.field()) {
      case GraphProto::kNodeFieldNumber:
        read_node(model, message.bytes());
        break;
      case GraphProto::kInputFieldNumber:
      case GraphProto::kOutputFieldNumber: {
        auto &values = message.field() == GraphProto::kInputFieldNumber ? model.inputs : model.outputs;
        // Files before IR version 4 list every initializer as an input too.
        if (values.size() >= kMaxValues) fail_unsupported("the graph has too many inputs");
        values.push_back(read_value(message));
        break;
      }
      case GraphProto::kSparseInitializerFieldNumber:
        message.skip();
        model.sparse_count++;
        break;
      default:
        message.skip();
    }
  }
}

Opset read_opset(Message &message) {
  Bytes bytes = message.contents();
  onnx::OperatorSetIdProto proto;
  if (bytes.count > kMaxValueBytes || !proto.ParseFromArray(bytes.begin, static_cast<int>(bytes.count))) {
    message.fail("an operator set is malformed");
  }
  return {proto.domain(), proto.version()};
}

Metadata read_metadata(Model &model, Message &message) {
  Metadata entry;
  Message fields(message.contents(), model.source, "a metadata entry");
  while (fields.next()) {
    switch (fields.field()) {
      case onnx::StringStringEntryProto::kKeyFieldNumber:
        entry.key = fields.text();
        break;
      case onnx::StringStringEntryProto::kValueFieldNumber:
        entry.value = fields.text();
        break;
      default:
        fields.skip();
    }
  }
  return entry;
}

}  // namespace

void read_model(Model &model, Source source) {
  model.source = source;
  Bytes graph;
  bool has_graph = false;
  Message message(source.bytes, model.source, "the model");
  while (message.next()) {
    switch (message.field()) {
      case ModelProto::kIrVersionFieldNumber:
        model.ir_version = message.int64();
        break;
      case ModelProto::kProducerNameFieldNumber:
        model.producer_name = message.text();
        break;
      case ModelProto::kProducerVersionFieldNumber:
        model.producer_version = message.text();
        break;
      case ModelProto::kOpsetImportFieldNumber:
        if (model.opsets.size() >= kMaxValues) fail_unsupported("too many operator sets");
        model.opsets.push_back(read_opset(message));
        break;
      case ModelProto::kGraphFieldNumber:
        if (has_graph) message.fail("a second graph");
        graph = message.bytes();
        has_graph = true;
        break;
      case ModelProto::kMetadataPropsFieldNumber:
        // Later ones say nothing about the model that this library reads.
        if (model.metadata.size() < kMaxValues) {
          model.metadata.push_back(read_metadata(model, message));
        } else {
          message.skip();
        }
        break;
      case ModelProto::kFunctionsFieldNumber:
        message.skip();
        model.function_count++;
        break;
      default:
        message.skip();
    }
  }
  if (!has_graph) fail_damaged("the file has no graph");
  read_graph(model, graph);
}

}  // namespace cloze_onnx
