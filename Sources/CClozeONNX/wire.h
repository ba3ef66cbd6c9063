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

// Thrown inside this module only; the C entries turn it into a status and a sentence.
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

// The whole file, of which only what is looked at has to be in memory.
struct Source {
  Bytes bytes;
  cloze_onnx_fill fill = nullptr;
  void *context = nullptr;
  // What was filled last, so that most fields cost a comparison.
  const uint8_t *from = nullptr, *to = nullptr;

  // Makes sure that `count` bytes from `begin` on, as far as the file goes, are there.
  void need(const uint8_t *begin, size_t count);
  void need(Bytes part) { need(part.begin, part.count); }
};

// Wire types of protobuf's encoding.
enum WireType { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// Reads the fields of one message in the order in which they lie. A nested message is a `Bytes`
// that another `Message` reads, so that nothing here recurses by itself.
class Message {
 public:
  // Positions in errors count from where `source` begins.
  Message(Bytes bytes, Source &source, const char *kind)
      : begin_(bytes.begin),
        count_(bytes.count),
        source_(source),
        kind_(kind),
        // At most INT_MAX bytes: `cloze_onnx_open` refuses more, as protobuf itself does.
        input_(bytes.begin, static_cast<int>(bytes.count)) {
    // The full range of int, where protobuf's own default has been 64 MB: the walk allocates
    // nothing that grows with a field's length, so that the limit protects nothing.
    input_.SetTotalBytesLimit(INT_MAX);
  }

  // Goes to the next field; false at the end of the message.
  bool next();

  int field() const { return static_cast<int>(tag_ >> 3); }
  WireType wire_type() const { return static_cast<WireType>(tag_ & 7); }

  // Value of the present field; fails where its wire type is another.
  uint64_t varint();
  int64_t int64() { return static_cast<int64_t>(varint()); }
  int32_t int32() { return static_cast<int32_t>(varint()); }
  float float32();
  // Of a length-delimited field, where it lies: not filled, so that weights are not read.
  Bytes bytes();
  // The same, filled.
  Bytes contents() {
    Bytes found = bytes();
    source_.need(found);
    return found;
  }
  std::string_view text() { return contents().text(); }

  // Passes over the present field.
  void skip();

  // Elements of a repeated number, packed or one by one.
  template <typename Append>
  void varints(Append append);
  // `width` bytes each, 4 or 8: where they lie, not filled.
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
    if (!elements.ReadVarint64(&value)) fail("a number is cut short");
    append(value);
  }
}

}  // namespace cloze_onnx
