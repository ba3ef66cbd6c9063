// One protobuf message in memory, read field by field without copying.
#pragma once

#include <google/protobuf/io/coded_stream.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

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

// Wire types of protobuf's encoding.
enum WireType { kVarint = 0, kFixed64 = 1, kLength = 2, kFixed32 = 5 };

// Reads the fields of one message in the order in which they lie. A nested message is a `Bytes`
// that another `Message` reads, so that nothing here recurses by itself.
class Message {
 public:
  // `origin` is where the whole file begins: positions in errors count from there.
  Message(Bytes bytes, const uint8_t *origin, const char *kind)
      : begin_(bytes.begin),
        count_(bytes.count),
        origin_(origin),
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
  Bytes bytes();
  std::string_view text() { return bytes().text(); }

  // Passes over the present field.
  void skip();

  // Elements of a repeated number, packed or one by one.
  template <typename Append>
  void varints(Append append);
  // `width` bytes each: 4 or 8.
  template <typename Append>
  void fixed(size_t width, Append append);

  [[noreturn]] void fail(const char *what);

 private:
  size_t position() const { return static_cast<size_t>(input_.CurrentPosition()); }

  const uint8_t *begin_;
  size_t count_;
  const uint8_t *origin_;
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
  Bytes packed = bytes();
  google::protobuf::io::CodedInputStream elements(packed.begin, static_cast<int>(packed.count));
  while (static_cast<size_t>(elements.CurrentPosition()) < packed.count) {
    uint64_t value = 0;
    if (!elements.ReadVarint64(&value)) fail("a number is cut short");
    append(value);
  }
}

template <typename Append>
void Message::fixed(size_t width, Append append) {
  if (wire_type() == (width == 4 ? kFixed32 : kFixed64)) {
    if (count_ - position() < width) fail("a number is cut short");
    append(begin_ + position(), width);
    input_.Skip(static_cast<int>(width));
    return;
  }
  Bytes packed = bytes();
  if (packed.count % width != 0) fail("packed numbers are cut short");
  append(packed.begin, packed.count);
}

}  // namespace cloze_onnx
