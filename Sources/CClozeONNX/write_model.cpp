// Writes a ModelProto with onnx's generated classes, except the elements of tensors: it is serialized in pieces,
// between which the caller writes these elements, so that no tensor is copied into a message.
#include <onnx/onnx_pb.h>

#include <climits>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "CClozeONNX.h"

namespace {

// Tags of the fields written here: number, and wire type 2 (length-delimited).
constexpr char kModelGraph = 7 << 3 | 2;
constexpr char kGraphInitializer = 5 << 3 | 2;
constexpr char kTensorRawData = 9 << 3 | 2;

std::string varint(uint64_t value) {
  std::string bytes;
  while (value >= 0x80) {
    bytes.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

struct Tensor {
  onnx::TensorProto head;  // without data
  uint64_t byte_count = 0;
};

}  // namespace

struct cloze_onnx_writer {
  onnx::ModelProto model;  // without its graph
  onnx::GraphProto graph;  // without its initializers
  std::vector<Tensor> tensors;
  std::vector<std::string> pieces;
  onnx::NodeProto *node = nullptr;
  onnx::TypeProto_Tensor *value = nullptr;
  bool failed = false;

  onnx::AttributeProto *attribute(const char *name, onnx::AttributeProto_AttributeType type) {
    auto *attribute = node->add_attribute();
    attribute->set_name(name);
    attribute->set_type(type);
    return attribute;
  }

  // Lays out the pieces; returns the length of the file.
  uint64_t finish() {
    uint64_t graph_size = 0;
    std::vector<std::string> heads;
    for (const Tensor &tensor : tensors) {
      std::string head = tensor.head.SerializeAsString();
      head += kTensorRawData + varint(tensor.byte_count);
      uint64_t size = head.size() + tensor.byte_count;
      heads.push_back(kGraphInitializer + varint(size) + head);
      graph_size += heads.back().size() + tensor.byte_count;
    }
    std::string body = graph.SerializeAsString();
    graph_size += body.size();
    std::string first = model.SerializeAsString() + kModelGraph + varint(graph_size) + body;
    uint64_t size = first.size() + graph_size - body.size();
    pieces.push_back(std::move(first));
    for (std::string &head : heads) pieces.push_back(std::move(head));
    return size;
  }
};

namespace {

// Runs a step; an exception marks the writer as failed.
template <typename Step>
void attempt(cloze_onnx_writer *writer, Step step) noexcept {
  if (writer->failed) return;
  try {
    step();
  } catch (...) {
    writer->failed = true;
  }
}

void write_message(char *message, size_t capacity, const char *text) noexcept {
  if (capacity == 0) return;
  size_t count = std::strlen(text);
  if (count > capacity - 1) count = capacity - 1;
  std::memcpy(message, text, count);
  message[count] = 0;
}

}  // namespace

extern "C" {

cloze_onnx_writer *cloze_onnx_writer_create(
    int64_t ir_version, int64_t opset, const char *producer, const char *producer_version) {
  try {
    auto writer = std::make_unique<cloze_onnx_writer>();
    writer->model.set_ir_version(ir_version);
    writer->model.set_producer_name(producer);
    writer->model.set_producer_version(producer_version);
    auto *operators = writer->model.add_opset_import();
    operators->set_domain("");
    operators->set_version(opset);
    writer->graph.set_name("bert");
    return writer.release();
  } catch (...) {
    return nullptr;
  }
}

void cloze_onnx_writer_free(cloze_onnx_writer *writer) { delete writer; }

void cloze_onnx_writer_metadata(cloze_onnx_writer *writer, const char *key, const char *value) {
  attempt(writer, [&] {
    auto *entry = writer->model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  });
}

void cloze_onnx_writer_node(cloze_onnx_writer *writer, const char *op_type, const char *name) {
  attempt(writer, [&] {
    writer->node = writer->graph.add_node();
    writer->node->set_op_type(op_type);
    writer->node->set_name(name);
  });
}

void cloze_onnx_writer_node_input(cloze_onnx_writer *writer, const char *name) {
  if (writer->node == nullptr) return;
  attempt(writer, [&] { writer->node->add_input(name); });
}

void cloze_onnx_writer_node_output(cloze_onnx_writer *writer, const char *name) {
  if (writer->node == nullptr) return;
  attempt(writer, [&] { writer->node->add_output(name); });
}

void cloze_onnx_writer_node_int(cloze_onnx_writer *writer, const char *name, int64_t value) {
  if (writer->node == nullptr) return;
  attempt(writer, [&] { writer->attribute(name, onnx::AttributeProto_AttributeType_INT)->set_i(value); });
}

void cloze_onnx_writer_node_float(cloze_onnx_writer *writer, const char *name, float value) {
  if (writer->node == nullptr) return;
  attempt(writer, [&] { writer->attribute(name, onnx::AttributeProto_AttributeType_FLOAT)->set_f(value); });
}

void cloze_onnx_writer_node_ints(cloze_onnx_writer *writer, const char *name, const int64_t *values, size_t count) {
  if (writer->node == nullptr) return;
  attempt(writer, [&] {
    auto *attribute = writer->attribute(name, onnx::AttributeProto_AttributeType_INTS);
    for (size_t i = 0; i < count; i++) attribute->add_ints(values[i]);
  });
}

void cloze_onnx_writer_value(cloze_onnx_writer *writer, int is_output, const char *name, int32_t element_type) {
  attempt(writer, [&] {
    auto *info = is_output ? writer->graph.add_output() : writer->graph.add_input();
    info->set_name(name);
    writer->value = info->mutable_type()->mutable_tensor_type();
    writer->value->set_elem_type(element_type);
    writer->value->mutable_shape();
  });
}

void cloze_onnx_writer_dimension(cloze_onnx_writer *writer, const char *name, int64_t value) {
  if (writer->value == nullptr) return;
  attempt(writer, [&] {
    auto *dimension = writer->value->mutable_shape()->add_dim();
    if (name != nullptr) {
      dimension->set_dim_param(name);
    } else {
      dimension->set_dim_value(value);
    }
  });
}

void cloze_onnx_writer_tensor(cloze_onnx_writer *writer, const char *name, int32_t element_type, const int64_t *dims,
    size_t rank, uint64_t byte_count) {
  attempt(writer, [&] {
    Tensor tensor;
    tensor.head.set_name(name);
    tensor.head.set_data_type(element_type);
    for (size_t i = 0; i < rank; i++) tensor.head.add_dims(dims[i]);
    tensor.byte_count = byte_count;
    writer->tensors.push_back(std::move(tensor));
  });
}

cloze_onnx_status cloze_onnx_writer_finish(cloze_onnx_writer *writer, uint64_t *size, char *message, size_t capacity) {
  *size = 0;
  attempt(writer, [&] { *size = writer->finish(); });
  if (writer->failed) {
    write_message(message, capacity, "no memory for the graph");
    return CLOZE_ONNX_OUT_OF_MEMORY;
  }
  if (*size <= INT_MAX) return CLOZE_ONNX_OK;
  try {
    std::string text = "the file would have " + std::to_string(*size) + " bytes; an ONNX file has at most 2147483647";
    write_message(message, capacity, text.c_str());
  } catch (...) {
    write_message(message, capacity, "an ONNX file has at most 2147483647 bytes");
  }
  return CLOZE_ONNX_UNSUPPORTED;
}

cloze_onnx_text cloze_onnx_writer_piece(const cloze_onnx_writer *writer, size_t index) {
  if (index >= writer->pieces.size()) return {};
  return {writer->pieces[index].data(), writer->pieces[index].size()};
}

}  // extern "C"
