// A parsed ONNX model: tables of nodes, tensors and values that point into the caller's bytes.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "CClozeONNX.h"
#include "wire.h"

namespace cloze_onnx {

// Half-open range of indices into one of the model's pools. With pools instead of a vector per node, a file of many
// empty nodes takes tens of bytes per node, not hundreds.
struct Range {
  size_t begin = 0;
  size_t count = 0;
};

struct Attribute {
  std::string_view name;
  int32_t kind = 0;
  float float_value = 0;
  int64_t int_value = 0;
  std::string_view text;
  int64_t tensor = -1;
  Range ints;    // of Model::numbers
  Range floats;  // of Model::floats
};

struct Node {
  std::string_view name, op_type, domain;
  Range inputs, outputs;  // of Model::names
  Range attributes;       // of Model::attributes
};

struct Tensor {
  std::string_view name;
  int32_t element_type = 0;
  Range dims;  // of Model::numbers
  const uint8_t *data = nullptr;
  uint64_t byte_count = 0;
  bool external = false;
  std::string_view location;
  uint64_t offset = 0;
};

struct Dimension {
  int64_t value = -1;
  std::string name;
};

struct Value {
  std::string name;
  int32_t element_type = 0;
  int32_t rank = -1;
  std::vector<Dimension> dims;
};

struct Opset {
  std::string domain;
  int64_t version = 0;
};

// An entry of metadata_props.
struct Metadata {
  std::string_view key, value;
};

// Limits on what is read. A BERT of 24 layers has some 3,000 nodes; the limits bound the memory that a hostile file
// causes to be allocated to a small multiple of its size.
constexpr size_t kMaxNodes = 1 << 18;
constexpr size_t kMaxTensors = 1 << 18;
constexpr size_t kMaxNames = 1 << 20;
constexpr size_t kMaxAttributes = 1 << 19;
constexpr size_t kMaxNumbers = 1 << 22;
constexpr size_t kMaxValues = 1 << 12;
constexpr size_t kMaxValueBytes = 1 << 16;
constexpr size_t kMaxRank = 16;
// Bytes of one tensor: above any file, and far below overflow.
constexpr uint64_t kMaxTensorBytes = uint64_t{1} << 42;

struct Model {
  Source source;
  int64_t ir_version = 0;
  std::string_view producer_name, producer_version;
  std::vector<Opset> opsets;
  std::vector<Metadata> metadata;
  std::vector<Node> nodes;
  std::vector<std::string_view> names;
  std::vector<Attribute> attributes;
  std::vector<int64_t> numbers;
  std::vector<float> floats;
  std::vector<Tensor> tensors;
  size_t initializer_count = 0;
  std::vector<Value> inputs, outputs;
  size_t function_count = 0;
  size_t sparse_count = 0;
  // Elements of tensors that the file stores as varints or in several fields.
  std::deque<std::vector<uint8_t>> converted;
};

// The size of an element of a TensorProto.DataType, in bytes; 0 for types of other than whole bytes and unknown ones.
size_t element_size(int32_t element_type);

// Reads a TensorProto. Fails where the length of its data contradicts its shape.
Tensor read_tensor(Model &model, Bytes bytes);

// Reads a ModelProto into `model`.
void read_model(Model &model, Source source);

}  // namespace cloze_onnx

struct cloze_onnx_model {
  cloze_onnx::Model value;
};
