/* Reads and writes ONNX models.
 *
 * Reading parses the bytes of a model in place and returns pointers into them: names and tensor data are not copied.
 * The bytes are the caller's; they must not change and must outlive the model. An open model is immutable and may be
 * read from several threads. Every index is checked; one out of range returns a zeroed struct. No function throws,
 * prints or ends the program. */
#ifndef CCLOZE_ONNX_H
#define CCLOZE_ONNX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __clang__
#define CLOZE_ONNX_NONNULL _Nonnull
#define CLOZE_ONNX_NULLABLE _Nullable
#else
#define CLOZE_ONNX_NONNULL
#define CLOZE_ONNX_NULLABLE
#endif

typedef struct cloze_onnx_model cloze_onnx_model;

typedef enum cloze_onnx_status {
  CLOZE_ONNX_OK = 0,
  CLOZE_ONNX_DAMAGED = 1,     /* not an ONNX model, truncated, or inconsistent */
  CLOZE_ONNX_UNSUPPORTED = 2, /* valid, but beyond a limit or of an unsupported kind */
  CLOZE_ONNX_OUT_OF_MEMORY = 3,
  CLOZE_ONNX_UNREAD = 4 /* `fill` failed; it knows the reason */
} cloze_onnx_status;

/* The bytes of a string, not terminated, not necessarily UTF-8. */
typedef struct cloze_onnx_text {
  const char *CLOZE_ONNX_NULLABLE bytes;
  size_t count;
} cloze_onnx_text;

typedef struct cloze_onnx_info {
  int64_t ir_version;
  cloze_onnx_text producer_name;
  cloze_onnx_text producer_version;
  size_t node_count;
  size_t tensor_count; /* initializers first, then tensors of attributes */
  size_t initializer_count;
  size_t input_count;
  size_t output_count;
  size_t opset_count;
  size_t metadata_count; /* of metadata_props; at most the first 4096 */
  size_t function_count; /* model-local functions: counted, not read */
  size_t sparse_count;   /* sparse initializers: counted, not read */
} cloze_onnx_info;

typedef struct cloze_onnx_opset {
  cloze_onnx_text domain;
  int64_t version;
} cloze_onnx_opset;

typedef struct cloze_onnx_metadata {
  cloze_onnx_text key;
  cloze_onnx_text value;
} cloze_onnx_metadata;

typedef struct cloze_onnx_node {
  cloze_onnx_text name;
  cloze_onnx_text op_type;
  cloze_onnx_text domain;
  size_t input_count;
  size_t output_count;
  size_t attribute_count;
} cloze_onnx_node;

/* kind: AttributeProto.AttributeType of onnx.proto (1 float, 2 int, 3 string, 4 tensor, 5 graph,
 * 6 floats, 7 ints, ...); inferred where the file does not state it, 0 where it cannot be. */
typedef struct cloze_onnx_attribute {
  cloze_onnx_text name;
  int32_t kind;
  float float_value;
  int64_t int_value;
  cloze_onnx_text text;
  int64_t tensor; /* index of the tensor, or -1 */
  const int64_t *CLOZE_ONNX_NULLABLE ints;
  size_t int_count;
  const float *CLOZE_ONNX_NULLABLE floats;
  size_t float_count;
} cloze_onnx_attribute;

/* element_type: TensorProto.DataType of onnx.proto.
 * byte_count is the size that follows from dims and element_type. Inline: data is byte_count bytes, little-endian, not
 * necessarily aligned. External: data is NULL and external_location names the file. */
typedef struct cloze_onnx_tensor {
  cloze_onnx_text name;
  int32_t element_type;
  int32_t is_external;
  const int64_t *CLOZE_ONNX_NULLABLE dims;
  size_t rank;
  const uint8_t *CLOZE_ONNX_NULLABLE data;
  uint64_t byte_count;
  cloze_onnx_text external_location;
  uint64_t external_offset;
} cloze_onnx_tensor;

/* element_type 0: not a tensor, or not stated. rank -1: shape not stated. */
typedef struct cloze_onnx_value {
  cloze_onnx_text name;
  int32_t element_type;
  int32_t rank;
} cloze_onnx_value;

/* value < 0: a free dimension, whose name may be empty. */
typedef struct cloze_onnx_dimension {
  int64_t value;
  cloze_onnx_text name;
} cloze_onnx_dimension;

/* Reads `count` bytes of the file into place from `bytes` on, unless they are there; returns 0 on failure. */
typedef int (*cloze_onnx_fill)(
    void *CLOZE_ONNX_NULLABLE context, const uint8_t *CLOZE_ONNX_NONNULL bytes, size_t count);

/* Parses `size` bytes, calling `fill` before it reads any; the data of tensors is not read. On success *model is the
 * model, to be closed once; otherwise it is NULL and `message` (capacity > 0 bytes) is one terminated sentence. */
cloze_onnx_status cloze_onnx_open(const uint8_t *CLOZE_ONNX_NULLABLE bytes, size_t size,
    cloze_onnx_fill CLOZE_ONNX_NONNULL fill, void *CLOZE_ONNX_NULLABLE context,
    cloze_onnx_model *CLOZE_ONNX_NULLABLE *CLOZE_ONNX_NONNULL model, char *CLOZE_ONNX_NONNULL message, size_t capacity);

/* Closing NULL does nothing. */
void cloze_onnx_close(cloze_onnx_model *CLOZE_ONNX_NULLABLE model);

cloze_onnx_info cloze_onnx_get_info(const cloze_onnx_model *CLOZE_ONNX_NONNULL model);
cloze_onnx_opset cloze_onnx_get_opset(const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t index);
cloze_onnx_metadata cloze_onnx_get_metadata(const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t index);
cloze_onnx_node cloze_onnx_get_node(const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t index);
cloze_onnx_text cloze_onnx_get_node_input(const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t node, size_t index);
cloze_onnx_text cloze_onnx_get_node_output(const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t node, size_t index);
cloze_onnx_attribute cloze_onnx_get_node_attribute(
    const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t node, size_t index);
cloze_onnx_tensor cloze_onnx_get_tensor(const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t index);
cloze_onnx_value cloze_onnx_get_input(const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t index);
cloze_onnx_dimension cloze_onnx_get_input_dimension(
    const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t input, size_t index);
cloze_onnx_value cloze_onnx_get_output(const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t index);
cloze_onnx_dimension cloze_onnx_get_output_dimension(
    const cloze_onnx_model *CLOZE_ONNX_NONNULL model, size_t output, size_t index);

/* ---- Writing ----------------------------------------------------------------------------------
 *
 * A writer holds a model's graph without the elements of its tensors. A call that begins a node or value is followed by
 * calls that describe it. Running out of memory is reported by `cloze_onnx_writer_finish`. */
typedef struct cloze_onnx_writer cloze_onnx_writer;

/* An empty model of these versions; NULL where memory is short. */
cloze_onnx_writer *CLOZE_ONNX_NULLABLE cloze_onnx_writer_create(int64_t ir_version, int64_t opset,
    const char *CLOZE_ONNX_NONNULL producer, const char *CLOZE_ONNX_NONNULL producer_version);

/* Freeing NULL does nothing. */
void cloze_onnx_writer_free(cloze_onnx_writer *CLOZE_ONNX_NULLABLE writer);

void cloze_onnx_writer_metadata(cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NONNULL key,
    const char *CLOZE_ONNX_NONNULL value);

/* Begins a node; its inputs, outputs and attributes follow in order. */
void cloze_onnx_writer_node(cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NONNULL op_type,
    const char *CLOZE_ONNX_NONNULL name);
void cloze_onnx_writer_node_input(cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NONNULL name);
void cloze_onnx_writer_node_output(cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NONNULL name);
void cloze_onnx_writer_node_int(
    cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NONNULL name, int64_t value);
void cloze_onnx_writer_node_float(
    cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NONNULL name, float value);
void cloze_onnx_writer_node_ints(cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NONNULL name,
    const int64_t *CLOZE_ONNX_NONNULL values, size_t count);

/* Begins an input or output of the graph; its dimensions follow in order: free ones with a name, fixed ones with name
 * NULL. */
void cloze_onnx_writer_value(cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, int is_output,
    const char *CLOZE_ONNX_NONNULL name, int32_t element_type);
void cloze_onnx_writer_dimension(
    cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NULLABLE name, int64_t value);

/* An initializer of byte_count bytes, which the caller writes into the file itself. */
void cloze_onnx_writer_tensor(cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, const char *CLOZE_ONNX_NONNULL name,
    int32_t element_type, const int64_t *CLOZE_ONNX_NULLABLE dims, size_t rank, uint64_t byte_count);

/* Lays the file out: piece 0, then for each tensor i piece i + 1 and the tensor's bytes. *size receives the length of
 * the file. One longer than 2^31 - 1 bytes, protobuf's limit, is CLOZE_ONNX_UNSUPPORTED. To be called once, last. */
cloze_onnx_status cloze_onnx_writer_finish(cloze_onnx_writer *CLOZE_ONNX_NONNULL writer,
    uint64_t *CLOZE_ONNX_NONNULL size, char *CLOZE_ONNX_NONNULL message, size_t capacity);
cloze_onnx_text cloze_onnx_writer_piece(const cloze_onnx_writer *CLOZE_ONNX_NONNULL writer, size_t index);

#ifdef __cplusplus
}
#endif

#endif
