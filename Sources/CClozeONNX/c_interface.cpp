// The C functions: they return plain structs and catch every exception.
#include <climits>
#include <cstring>
#include <memory>
#include <new>

#include "model.h"

using cloze_onnx::Model;
using cloze_onnx::Range;

namespace {

cloze_onnx_text text_of(std::string_view text) { return {text.data(), text.size()}; }

// Writes a message, truncated to the buffer.
void write_message(char *message, size_t capacity, const char *text) noexcept {
  if (message == nullptr || capacity == 0) return;
  size_t count = std::strlen(text);
  if (count > capacity - 1) count = capacity - 1;
  std::memcpy(message, text, count);
  message[count] = 0;
}

cloze_onnx_text name_at(const Model &model, const Range &range, size_t index) {
  if (index >= range.count) return {};
  return text_of(model.names[range.begin + index]);
}

cloze_onnx_value value_at(const std::vector<cloze_onnx::Value> &values, size_t index) {
  if (index >= values.size()) return {};
  return {text_of(values[index].name), values[index].element_type, values[index].rank};
}

cloze_onnx_dimension dimension_at(const std::vector<cloze_onnx::Value> &values, size_t value, size_t index) {
  if (value >= values.size() || index >= values[value].dims.size()) return {-1, {}};
  const auto &dimension = values[value].dims[index];
  return {dimension.value, text_of(dimension.name)};
}

}  // namespace

extern "C" {

cloze_onnx_status cloze_onnx_open(const uint8_t *bytes, size_t size, cloze_onnx_fill fill, void *context,
    cloze_onnx_model **model, char *message, size_t capacity) {
  *model = nullptr;
  try {
    if (bytes == nullptr || size == 0) cloze_onnx::fail_damaged("the file is empty");
    if (size > INT_MAX) {
      cloze_onnx::fail_unsupported(
          "the file has " + std::to_string(size) +
          " bytes; an ONNX file has at most 2147483647, larger models store tensors as external data");
    }
    auto result = std::make_unique<cloze_onnx_model>();
    cloze_onnx::read_model(result->value, {{bytes, size}, fill, context});
    *model = result.release();
    return CLOZE_ONNX_OK;
  } catch (const cloze_onnx::Failure &failure) {
    write_message(message, capacity, failure.message.c_str());
    return static_cast<cloze_onnx_status>(failure.status);
  } catch (const std::bad_alloc &) {
    write_message(message, capacity, "no memory for the graph");
    return CLOZE_ONNX_OUT_OF_MEMORY;
  } catch (const std::exception &error) {
    write_message(message, capacity, error.what());
    return CLOZE_ONNX_DAMAGED;
  } catch (...) {
    write_message(message, capacity, "reading failed for an unknown reason");
    return CLOZE_ONNX_DAMAGED;
  }
}

void cloze_onnx_close(cloze_onnx_model *model) { delete model; }

cloze_onnx_info cloze_onnx_get_info(const cloze_onnx_model *model) {
  const Model &m = model->value;
  cloze_onnx_info info = {};
  info.ir_version = m.ir_version;
  info.producer_name = text_of(m.producer_name);
  info.producer_version = text_of(m.producer_version);
  info.node_count = m.nodes.size();
  info.tensor_count = m.tensors.size();
  info.initializer_count = m.initializer_count;
  info.input_count = m.inputs.size();
  info.output_count = m.outputs.size();
  info.opset_count = m.opsets.size();
  info.metadata_count = m.metadata.size();
  info.function_count = m.function_count;
  info.sparse_count = m.sparse_count;
  return info;
}

cloze_onnx_opset cloze_onnx_get_opset(const cloze_onnx_model *model, size_t index) {
  if (index >= model->value.opsets.size()) return {};
  const auto &opset = model->value.opsets[index];
  return {text_of(opset.domain), opset.version};
}

cloze_onnx_metadata cloze_onnx_get_metadata(const cloze_onnx_model *model, size_t index) {
  if (index >= model->value.metadata.size()) return {};
  const auto &entry = model->value.metadata[index];
  return {text_of(entry.key), text_of(entry.value)};
}

cloze_onnx_node cloze_onnx_get_node(const cloze_onnx_model *model, size_t index) {
  if (index >= model->value.nodes.size()) return {};
  const auto &node = model->value.nodes[index];
  return {text_of(node.name), text_of(node.op_type), text_of(node.domain), node.inputs.count, node.outputs.count,
      node.attributes.count};
}

cloze_onnx_text cloze_onnx_get_node_input(const cloze_onnx_model *model, size_t node, size_t index) {
  if (node >= model->value.nodes.size()) return {};
  return name_at(model->value, model->value.nodes[node].inputs, index);
}

cloze_onnx_text cloze_onnx_get_node_output(const cloze_onnx_model *model, size_t node, size_t index) {
  if (node >= model->value.nodes.size()) return {};
  return name_at(model->value, model->value.nodes[node].outputs, index);
}

cloze_onnx_attribute cloze_onnx_get_node_attribute(const cloze_onnx_model *model, size_t node, size_t index) {
  cloze_onnx_attribute result = {};
  result.tensor = -1;
  const Model &m = model->value;
  if (node >= m.nodes.size() || index >= m.nodes[node].attributes.count) return result;
  const auto &attribute = m.attributes[m.nodes[node].attributes.begin + index];
  result.name = text_of(attribute.name);
  result.kind = attribute.kind;
  result.float_value = attribute.float_value;
  result.int_value = attribute.int_value;
  result.text = text_of(attribute.text);
  result.tensor = attribute.tensor;
  result.ints = m.numbers.data() + attribute.ints.begin;
  result.int_count = attribute.ints.count;
  result.floats = m.floats.data() + attribute.floats.begin;
  result.float_count = attribute.floats.count;
  return result;
}

cloze_onnx_tensor cloze_onnx_get_tensor(const cloze_onnx_model *model, size_t index) {
  cloze_onnx_tensor result = {};
  const Model &m = model->value;
  if (index >= m.tensors.size()) return result;
  const auto &tensor = m.tensors[index];
  result.name = text_of(tensor.name);
  result.element_type = tensor.element_type;
  result.is_external = tensor.external ? 1 : 0;
  result.dims = m.numbers.data() + tensor.dims.begin;
  result.rank = tensor.dims.count;
  result.data = tensor.data;
  result.byte_count = tensor.byte_count;
  result.external_location = text_of(tensor.location);
  result.external_offset = tensor.offset;
  return result;
}

cloze_onnx_value cloze_onnx_get_input(const cloze_onnx_model *model, size_t index) {
  return value_at(model->value.inputs, index);
}

cloze_onnx_dimension cloze_onnx_get_input_dimension(const cloze_onnx_model *model, size_t input, size_t index) {
  return dimension_at(model->value.inputs, input, index);
}

cloze_onnx_value cloze_onnx_get_output(const cloze_onnx_model *model, size_t index) {
  return value_at(model->value.outputs, index);
}

cloze_onnx_dimension cloze_onnx_get_output_dimension(const cloze_onnx_model *model, size_t output, size_t index) {
  return dimension_at(model->value.outputs, output, index);
}

}  // extern "C"
