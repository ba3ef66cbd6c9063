public import ClozeIO

/// The probability that a text follows another.
public struct NextSentence: Hashable, Sendable {
  /// From 0 to 1.
  public let probability: Float
  /// Whether the pair was truncated.
  public let truncated: Bool
}

/// Next-sentence prediction.
extension Session {
  /// The probability that the second text of each pair follows the first.
  ///
  /// - Throws: `.invalidArgument` for a text that is not a pair, else as `embed`.
  public func nextSentence(_ pairs: [Text], text: TextOptions = TextOptions()) throws(ClozeError) -> [NextSentence] {
    var truncated = [UInt8](repeating: 0, count: pairs.count)
    let values = try [Float](count: pairs.count) { values throws(ClozeError) in
      try truncated.withUnsafeMutableBufferPointer { truncated throws(ClozeError) in
        try nextSentence(SwiftTexts(texts: pairs), text: text, into: values, truncated: truncated.baseAddress)
      }
    }
    return zip(values, truncated).map { NextSentence(probability: $0, truncated: $1 != 0) }
  }

  /// The same for texts anywhere in memory.
  ///
  /// - Parameter values: [pairs.count]
  package func nextSentence<Source: TextSource>(
    _ pairs: Source, text: TextOptions, into values: UnsafeMutablePointer<Float>,
    truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) {
    try exclusively { () throws(ClozeError) in
      // Every sequence has a token, so that a batch holds at most so many.
      let room = try AlignedMemory(bytes: 2 * Self.chunkTokens * MemoryLayout<Float>.size)
      defer { withExtendedLifetime(room) {} }
      let logits = room.floats()
      let output = Output(.nsp, values: logits)
      _ = try output.count(model, sequences: 1, tokens: 1)
      try forEachBatch(of: pairs, text, pairs: true, truncated: truncated) { batch, range throws(ClozeError) in
        try run(batch, output)
        for (i, index) in range.enumerated() {
          model.kernels.rows.softmax(logits + 2 * i, 2)
          values[index] = logits[2 * i]
        }
      }
    }
  }
}
