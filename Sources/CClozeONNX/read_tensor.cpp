#include <onnx/onnx_pb.h>

#include <cstring>

#include "model.h"

namespace cloze_onnx {

using onnx::TensorProto;

size_t element_size(int32_t element_type) {
  switch (element_type) {
    case TensorProto::UINT8:
    case TensorProto::INT8:
    case TensorProto::BOOL:
      return 1;
    case TensorProto::UINT16:
    case TensorProto::INT16:
    case TensorProto::FLOAT16:
    case TensorProto::BFLOAT16:
      return 2;
    case TensorProto::FLOAT:
    case TensorProto::INT32:
    case TensorProto::UINT32:
      return 4;
    case TensorProto::INT64:
    case TensorProto::UINT64:
    case TensorProto::DOUBLE:
      return 8;
    default:
      return 0;
  }
}

namespace {

std::string named(const Tensor &tensor) {
  return tensor.name.empty() ? "a tensor without a name" : "tensor " + quoted(tensor.name);
}

uint64_t read_decimal(std::string_view text, const Tensor &tensor, const char *key) {
  uint64_t value = 0;
  if (text.empty()) fail_damaged(named(tensor) + ": external data's " + key + " is empty");
  for (char c : text) {
    if (c < '0' || c > '9' || value > kMaxTensorBytes) {
      fail_damaged(named(tensor) + ": external data's " + key + " is not a number: " + quoted(text));
    }
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

struct External {
  bool has_length = false;
  uint64_t length = 0;
};

// One StringStringEntryProto of TensorProto.external_data.
void read_external(Model &model, Bytes bytes, Tensor &tensor, External &external) {
  Message entry(bytes, model.source, "external data");
  std::string_view key, value;
  while (entry.next()) {
    switch (entry.field()) {
      case onnx::StringStringEntryProto::kKeyFieldNumber:
        key = entry.text();
        break;
      case onnx::StringStringEntryProto::kValueFieldNumber:
        value = entry.text();
        break;
      default:
        entry.skip();
    }
  }
  if (key == "location") {
    tensor.location = value;
  } else if (key == "offset") {
    tensor.offset = read_decimal(value, tensor, "offset");
  } else if (key == "length") {
    external.has_length = true;
    external.length = read_decimal(value, tensor, "length");
  }
}

// The size that follows from shape and element type, in bytes.
uint64_t expected_bytes(const Model &model, const Tensor &tensor, size_t size) {
  uint64_t bytes = size;
  bool empty = false;
  for (size_t i = 0; i < tensor.dims.count; i++) {
    int64_t dimension = model.numbers[tensor.dims.begin + i];
    if (dimension < 0) fail_damaged(named(tensor) + " has a negative dimension");
    if (dimension == 0) {
      empty = true;
      continue;
    }
    if (static_cast<uint64_t>(dimension) > kMaxTensorBytes / bytes) {
      fail_damaged(named(tensor) + " is larger than any file");
    }
    bytes *= static_cast<uint64_t>(dimension);
  }
  return empty ? 0 : bytes;
}

// Collects float_data, int32_data, int64_data, double_data or uint64_data as packed elements. A second pass over the
// message, because data_type, which determines the width of an element, may follow the field.
void read_typed(Model &model, Bytes bytes, Tensor &tensor, size_t size, uint64_t expected) {
  auto &elements = model.converted.emplace_back();
  auto append = [&](Bytes part) {
    if (part.count > expected - elements.size()) {
      fail_damaged(named(tensor) + " has more elements than its shape says");
    }
    // Exporters write one packed field of floats, which is not copied.
    if (part.count == expected && elements.empty()) {
      tensor.data = part.begin;
    } else {
      tensor.data = nullptr;
      model.source.need(part);
      elements.insert(elements.end(), part.begin, part.begin + part.count);
    }
  };
  auto append_number = [&](uint64_t value) {
    if (size > expected - elements.size()) {
      fail_damaged(named(tensor) + " has more elements than its shape says");
    }
    uint8_t little[8];
    std::memcpy(little, &value, sizeof little);
    elements.insert(elements.end(), little, little + size);
  };

  Message message(bytes, model.source, "a tensor");
  while (message.next()) {
    int field = message.field();
    bool wide = tensor.element_type == TensorProto::UINT32 || tensor.element_type == TensorProto::UINT64;
    if (field == TensorProto::kFloatDataFieldNumber && tensor.element_type == TensorProto::FLOAT) {
      append(message.fixed(4));
    } else if (field == TensorProto::kDoubleDataFieldNumber && tensor.element_type == TensorProto::DOUBLE) {
      append(message.fixed(8));
    } else if ((field == TensorProto::kInt64DataFieldNumber && tensor.element_type == TensorProto::INT64) ||
               (field == TensorProto::kUint64DataFieldNumber && wide) ||
               (field == TensorProto::kInt32DataFieldNumber && !wide && size <= 4 &&
                   tensor.element_type != TensorProto::FLOAT)) {
      message.varints(append_number);
    } else {
      message.skip();
    }
  }
  if (tensor.data) return;
  if (elements.size() != expected) {
    fail_damaged(named(tensor) + " has " + std::to_string(elements.size()) + " bytes of data, its shape says " +
                 std::to_string(expected));
  }
  elements.shrink_to_fit();
  tensor.data = elements.data();
}

}  // namespace

Tensor read_tensor(Model &model, Bytes bytes) {
  Tensor tensor;
  External external;
  Bytes raw;
  bool has_raw = false;
  std::vector<Bytes> entries;
  std::vector<int64_t> dims;

  Message message(bytes, model.source, "a tensor");
  while (message.next()) {
    switch (message.field()) {
      case TensorProto::kDimsFieldNumber:
        message.varints([&](uint64_t value) {
          if (dims.size() >= kMaxRank) message.fail("a tensor has too many dimensions");
          dims.push_back(static_cast<int64_t>(value));
        });
        break;
      case TensorProto::kDataTypeFieldNumber:
        tensor.element_type = message.int32();
        break;
      case TensorProto::kNameFieldNumber:
        tensor.name = message.text();
        break;
      case TensorProto::kRawDataFieldNumber:
        raw = message.bytes();
        has_raw = true;
        break;
      case TensorProto::kExternalDataFieldNumber:
        if (entries.size() >= 64) message.fail("a tensor has too many external data entries");
        entries.push_back(message.bytes());
        break;
      case TensorProto::kDataLocationFieldNumber:
        tensor.external = message.int32() == TensorProto::EXTERNAL;
        break;
      case TensorProto::kSegmentFieldNumber:
        message.fail("a tensor is stored in segments");
        break;
      default:
        message.skip();
    }
  }

  if (model.numbers.size() + dims.size() > kMaxNumbers) message.fail("too many dimensions");
  tensor.dims = {model.numbers.size(), dims.size()};
  model.numbers.insert(model.numbers.end(), dims.begin(), dims.end());

  size_t size = element_size(tensor.element_type);
  if (size == 0) {
    // Strings, float8, int4: recorded, so that a graph that needs one is refused with its name.
    tensor.external = false;
    return tensor;
  }
  uint64_t expected = expected_bytes(model, tensor, size);
  tensor.byte_count = expected;

  if (tensor.external) {
    for (Bytes entry : entries) read_external(model, entry, tensor, external);
    if (tensor.location.empty()) {
      fail_damaged(named(tensor) + " is external, but no location is given");
    }
    if (external.has_length && external.length != expected) {
      fail_damaged(named(tensor) + " has " + std::to_string(external.length) +
                   " bytes of external data, its shape says " + std::to_string(expected));
    }
  } else if (has_raw && (raw.count > 0 || expected == 0)) {
    if (raw.count != expected) {
      fail_damaged(named(tensor) + " has " + std::to_string(raw.count) + " bytes of data, its shape says " +
                   std::to_string(expected));
    }
    tensor.data = raw.begin;
  } else if (expected > 0) {
    // Each element takes at least one byte of the message, so this bounds the allocation.
    if (expected / size > bytes.count) {
      fail_damaged(named(tensor) + " has fewer elements than its shape says");
    }
    read_typed(model, bytes, tensor, size, expected);
  }
  return tensor;
}

}  // namespace cloze_onnx
