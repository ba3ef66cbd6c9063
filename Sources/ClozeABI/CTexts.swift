internal import CCloze
internal import Cloze
internal import ClozeIO
internal import Glibc

/// Texts as the C ABI passes them.
struct CTexts: TextSource {
  let texts: UnsafePointer<UnsafePointer<CChar>?>?
  let lengths: UnsafePointer<Int>?
  let pairs: UnsafePointer<UnsafePointer<CChar>?>?
  let pairLengths: UnsafePointer<Int>?
  let count: Int

  init(_ pointer: UnsafePointer<cloze_texts>?) throws(ClozeError) {
    let source = try cloze_texts.read(required(pointer, "texts"))
    guard source.count >= 0 else { throw ClozeError(.invalidArgument, "texts.count is too large") }
    count = source.count
    lengths = source.lengths
    pairs = source.pairs
    pairLengths = source.pair_lengths
    texts = count > 0 ? try required(source.texts, "texts.texts") : nil
  }

  func withText<Result>(
    _ index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result {
    guard let text = texts?[index] else { throw ClozeError(.invalidArgument, "texts[\(index)] is NULL") }
    let first = try Self.bytes(text, lengths?[index], "lengths", index)
    guard let pair = pairs?[index] else { return try body(first, nil) }
    return try body(first, Self.bytes(pair, pairLengths?[index], "pair_lengths", index))
  }

  private static func bytes(_ text: UnsafePointer<CChar>, _ length: Int?, _ name: String, _ index: Int)
    throws(ClozeError) -> UnsafeRawBufferPointer
  {
    guard let length else { return UnsafeRawBufferPointer(start: text, count: strlen(text)) }
    guard length >= 0 else { throw ClozeError(.invalidArgument, "\(name)[\(index)] is too large") }
    return UnsafeRawBufferPointer(start: text, count: length)
  }
}
