internal import CCloze
internal import Cloze
internal import ClozeIO

/// Integers of whatever type a caller has.
struct Integers {
  let start: UnsafeRawPointer
  let type: cloze_integer
  let name: String

  init(_ start: UnsafeRawPointer?, _ type: cloze_integer, _ name: String) throws(ClozeError) {
    guard type >= CLOZE_INT32, type <= CLOZE_UINT8 else {
      throw ClozeError(.invalidArgument, "\(type) is none of the integer types CLOZE_INT32 to CLOZE_UINT8")
    }
    self.start = try required(start, name)
    self.type = type
    self.name = name
  }

  /// Calls `body` with every index and value, in order. One loop for each type, so that the type is
  /// looked at once.
  func each(_ count: Int, _ body: (Int, Int64) throws(ClozeError) -> Void) throws(ClozeError) {
    switch type {
    case CLOZE_INT64: try each(Int64.self, count, body)
    case CLOZE_INT16: try each(Int16.self, count, body)
    case CLOZE_INT8: try each(Int8.self, count, body)
    case CLOZE_UINT64: try each(UInt64.self, count, body)
    case CLOZE_UINT32: try each(UInt32.self, count, body)
    case CLOZE_UINT16: try each(UInt16.self, count, body)
    case CLOZE_UINT8: try each(UInt8.self, count, body)
    default: try each(Int32.self, count, body)
    }
  }

  private func each<T: FixedWidthInteger & BitwiseCopyable>(
    _ type: T.Type, _ count: Int, _ body: (Int, Int64) throws(ClozeError) -> Void
  ) throws(ClozeError) {
    for i in 0..<count {
      let value = start.loadUnaligned(fromByteOffset: i * MemoryLayout<T>.size, as: T.self)
      guard let wide = Int64(exactly: value) else {
        throw ClozeError(.invalidArgument, "\(name)[\(i)] = \(value), which is out of every range")
      }
      try body(i, wide)
    }
  }

  /// All values as int32, into `target`; one that does not fit is out of range for any id.
  func convert(_ count: Int, to target: inout [Int32]) throws(ClozeError) {
    target.removeAll(keepingCapacity: true)
    target.reserveCapacity(count)
    try each(count) { i, value throws(ClozeError) in
      guard let id = Int32(exactly: value) else {
        throw ClozeError(.invalidArgument, "\(name)[\(i)] = \(value), which is not a token id")
      }
      target.append(id)
    }
  }
}
