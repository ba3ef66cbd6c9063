#include "wire.h"

#include <algorithm>

namespace cloze_onnx {

void fail_damaged(const std::string &message) { throw Failure{CLOZE_ONNX_DAMAGED, message}; }

void fail_unsupported(const std::string &message) { throw Failure{CLOZE_ONNX_UNSUPPORTED, message}; }

std::string quoted(std::string_view text) {
  constexpr size_t kLongest = 120;
  std::string result = "\"";
  for (char c : text.substr(0, kLongest)) {
    result += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  if (text.size() > kLongest) result += "...";
  return result + "\"";
}

void Source::need(const uint8_t *begin, size_t count) {
  if (begin >= from && begin <= to && count <= static_cast<size_t>(to - begin)) return;
  // Up to the end of a block of the file: files are read in blocks of at least this size.
  constexpr size_t kBlock = 1 << 15;
  size_t start = static_cast<size_t>(begin - bytes.begin);
  size_t end = start + std::min(count, bytes.count - start);
  end = std::min(bytes.count, (end + kBlock - 1) / kBlock * kBlock);
  if (end == start) return;
  if (!fill(context, begin, end - start)) throw Failure{CLOZE_ONNX_UNREAD, "the file cannot be read"};
  from = begin;
  to = bytes.begin + end;
}

bool Message::next() {
  if (position() >= count_) return false;
  // A tag and a number or length: at most ten bytes each.
  source_.need(begin_ + position(), 20);
  tag_ = input_.ReadTag();
  if (tag_ == 0 || field() == 0) fail("a field has an invalid number");
  return true;
}

uint64_t Message::varint() {
  uint64_t value = 0;
  if (wire_type() != kVarint) fail("a field has another wire type than ONNX defines");
  if (!input_.ReadVarint64(&value)) fail("a number is truncated");
  return value;
}

float Message::float32() {
  uint32_t bits = 0;
  if (wire_type() != kFixed32) fail("a field has another wire type than ONNX defines");
  if (!input_.ReadLittleEndian32(&bits)) fail("a number is truncated");
  float value;
  static_assert(sizeof value == sizeof bits);
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

Bytes Message::bytes() {
  uint64_t count = 0;
  if (wire_type() != kLength) fail("a field has another wire type than ONNX defines");
  if (!input_.ReadVarint64(&count)) fail("a length is truncated");
  size_t start = position();
  if (count > count_ - start) {
    fail(("a field of " + std::to_string(count) + " bytes has only " + std::to_string(count_ - start) + " left")
            .c_str());
  }
  input_.Skip(static_cast<int>(count));
  return {begin_ + start, static_cast<size_t>(count)};
}

Bytes Message::fixed(size_t width) {
  if (wire_type() == (width == 4 ? kFixed32 : kFixed64)) {
    size_t start = position();
    if (count_ - start < width) fail("a number is truncated");
    input_.Skip(static_cast<int>(width));
    return {begin_ + start, width};
  }
  Bytes packed = bytes();
  if (packed.count % width != 0) fail("packed numbers are truncated");
  return packed;
}

void Message::skip() {
  switch (static_cast<int>(wire_type())) {
    case kVarint:
      varint();
      return;
    case kLength:
      bytes();
      return;
    case kFixed32:
    case kFixed64:
      if (!input_.Skip(wire_type() == kFixed32 ? 4 : 8)) fail("a number is truncated");
      return;
    default:
      fail("a field has an unknown wire type");  // groups: ONNX never used any
  }
}

void Message::fail(const char *what) {
  fail_damaged(std::string(what) + ", in " + kind_ + " at byte " +
               std::to_string(static_cast<size_t>(begin_ - source_.bytes.begin) + position()));
}

}  // namespace cloze_onnx
