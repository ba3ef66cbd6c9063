import ClozeIO
import ClozeTokenizer

/// Answers the requests of Tests/Fixtures/tokenizer/compare.py, a line each, fields between tabs:
///
///     T  file  lowercase  strip_accents      the tokenizer for what follows; 0, 1, or - for none
///     E  text  pair  max_tokens  truncation  to encode; texts in hexadecimal, - for none
///
/// The answer to E is a line "ids;type ids;begins;ends;truncated" with commas inside, or "!" and
/// the error's status and message; to T it is "+" or the error.
struct Comparison {
  private var tokenizer: Tokenizer?
  private let buffer = EncodingBuffer()
  private(set) var answers: [UInt8] = []

  mutating func removeAnswers() { answers.removeAll(keepingCapacity: true) }

  mutating func answer(_ line: ArraySlice<UInt8>) {
    let fields = line.split(separator: 9, omittingEmptySubsequences: false)
    do {
      if fields.first?.first == UInt8(ascii: "T"), fields.count == 4 {
        tokenizer = nil
        tokenizer = try Tokenizer(
          path: String(decoding: fields[1], as: UTF8.self),
          options: TokenizerOptions(lowercase: flag(fields[2]), stripAccents: flag(fields[3])))
        answers.append(UInt8(ascii: "+"))
      } else if fields.count == 5, let tokenizer {
        let text = bytes(fields[1])
        let pair = fields[2].elementsEqual("-".utf8) ? nil : bytes(fields[2])
        let limit = Int(String(decoding: fields[3], as: UTF8.self))
        let rule = Truncation(rawValue: String(decoding: fields[4], as: UTF8.self)) ?? .error
        buffer.removeAll()
        let truncated = try encode(tokenizer, text, pair, limit, rule)
        append(buffer.ids)
        append(buffer.typeIDs)
        append(buffer.offsets.map(\.begin))
        append(buffer.offsets.map(\.end))
        answers.append(truncated ? UInt8(ascii: "1") : UInt8(ascii: "0"))
      } else {
        answers.append(contentsOf: "!malformed request".utf8)
      }
    } catch let error as ClozeError { answers.append(contentsOf: "!\(error.status): \(error.message)".utf8) } catch {
      answers.append(contentsOf: "!\(error)".utf8)
    }
    answers.append(10)
  }

  private func encode(_ tokenizer: Tokenizer, _ text: [UInt8], _ pair: [UInt8]?, _ limit: Int?, _ rule: Truncation)
    throws -> Bool
  {
    try text.withUnsafeBytes { text in
      guard let pair else { return try tokenizer.append(text, maxTokens: limit, truncation: rule, into: buffer) }
      return try pair.withUnsafeBytes { pair in
        try tokenizer.append(text, pair: pair, maxTokens: limit, truncation: rule, into: buffer)
      }
    }
  }

  private mutating func append(_ numbers: [Int32]) {
    var isFirst = true
    for number in numbers {
      if !isFirst { answers.append(UInt8(ascii: ",")) }
      isFirst = false
      answers.append(contentsOf: String(number).utf8)
    }
    answers.append(UInt8(ascii: ";"))
  }

  private func flag(_ field: ArraySlice<UInt8>) -> Bool? {
    field.first == UInt8(ascii: "-") ? nil : field.first == UInt8(ascii: "1")
  }

  private func bytes(_ hex: ArraySlice<UInt8>) -> [UInt8] {
    func digit(_ byte: UInt8) -> UInt8 { byte < 58 ? byte &- 48 : byte &- 87 }
    var out: [UInt8] = []
    out.reserveCapacity(hex.count / 2)
    var i = hex.startIndex
    while i + 1 < hex.endIndex {
      out.append(digit(hex[i]) &* 16 &+ digit(hex[i + 1]))
      i += 2
    }
    return out
  }
}
