// One protobuf message, read field by field without copying.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "CClozeONNX.h"

namespace cloze_onnx {

// Thrown inside this module only; the C functions convert it to a status and a sentence.
struct Failure {
  int status;
  std::string message;
};

[[noreturn]] void fail_damaged(const std::string &message);
[[noreturn]] void fail_unsupported(const std::string &message);

// `text` in quotes, shortened and without control characters, for messages.
std::string quoted(std::string_view text);

struct Bytes {
  const uint8_t *begin = nullptr;
  size_t count = 0;

  std::string_view text() const { return {reinterpret_cast<const char *>(begin), count}; }
};

// The whole file, which `fill` reads into memory as it is parsed.
struct Source {
  Bytes bytes;
  cloze_onnx_fill fill = nullptr;
  void *context = nullptr;
  // The block filled last; most fields are inside it, which costs a comparison.
  const uint8_t *from = nullptr, *to = nullptr;

  // Fills `count` bytes from `begin` on, as far as the file goes.
  void need(const uint8_t *begin, size_t count);
  void need(Bytes part) { need(part.begin, part.count); }
};

// Wire types of protobuf's encoding.
enum WireType { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// Reads the fields of one message in their order in the file. A nested message is a `Bytes` that another `Message`
// reads; reading does not recurse.
class Message {
 public:
  // Positions in errors count from the beginning of `source`.
  Message(Bytes bytes, Source &source, const char *kind)
      : begin_(bytes.begin),
        count_(bytes.count),
        source_(source),
        kind_(kind),
        // At most INT_MAX bytes: `cloze_onnx_open` refuses more, as protobuf itself does.
        input_(bytes.begin, static_cast<int>(bytes.count)) {
    // Some versions of protobuf limit a message to 64 MB by default. Reading allocates nothing in proportion to a
    // field's length, so that no limit is needed.
    input_.SetTotalBytesLimit(INT_MAX);
  }

  // Advances to the next field; false at the end of the message.
  bool next();

  int field() const { return static_cast<int>(tag_ >> 3); }
  WireType wire_type() const { return static_cast<WireType>(tag_ & 7); }

  // The value of the current field; fails where its wire type is another.
  uint64_t varint();
  int64_t int64() { return static_cast<int64_t>(varint()); }
  int32_t int32() { return static_cast<int32_t>(varint()); }
  float float32();
  // A length-delimited field in place, not filled: weights are not read.
  Bytes bytes();
  // A length-delimited field in place, filled.
  Bytes contents() {
    Bytes found = bytes();
    source_.need(found);
    return found;
  }
  std::string_view text() { return contents().text(); }

  // Skips the current field.
  void skip();

  // Appends the elements of a repeated number, packed or one by one.
  template <typename Append>
  void varints(Append append);
  // Packed elements of `width` bytes, 4 or 8, in place, not filled.
  Bytes fixed(size_t width);

  [[noreturn]] void fail(const char *what);

 private:
  size_t position() const { return static_cast<size_t>(input_.CurrentPosition()); }

  const uint8_t *begin_;
  size_t count_;
  Source &source_;
  const char *kind_;
  google::protobuf::io::CodedInputStream input_;
  uint32_t tag_ = 0;
};

template <typename Append>
void Message::varints(Append append) {
  if (wire_type() == kVarint) {
    append(varint());
    return;
  }
  Bytes packed = contents();
  google::protobuf::io::CodedInputStream elements(packed.begin, static_cast<int>(packed.count));
  while (static_cast<size_t>(elements.CurrentPosition()) < packed.count) {
    uint64_t value = 0;
    if (!elements.ReadVarint64(&value)) fail("a number is truncated");
    append(value);
  }
}

}  // namespace cloze_onnx
