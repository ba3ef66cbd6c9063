public import ClozeIO
public import ClozeTokenizer

/// The vectors of a text's tokens.
public struct Encoded: Sendable {
  /// [tokens, layers, D]
  public let values: [Float]
  /// The tokens, their ids, and their places in the text.
  public let encoding: Encoding
  /// The number of tokens.
  public var tokens: Int { encoding.ids.count }
  /// Whether the text was truncated.
  public var truncated: Bool { encoding.truncated }
}

/// Contextual embeddings of tokens.
extension Session {
  /// The vector of every token of every text.
  ///
  /// - Parameters:
  ///   - text: the length limit, and how longer texts are truncated.
  ///   - layers: which states: 0 the embeddings after LayerNorm, L or -1 the last layer.
  /// - Throws: as `embed`.
  public func encode(_ texts: [Text], text: TextOptions = TextOptions(), layers: [Int] = [-1]) throws(ClozeError)
    -> [Encoded]
  {
    let source = SwiftTexts(texts: texts)
    let width = try count(of: .hidden(layers: layers), sequences: 1, tokens: 1)
    let wanted = layers.map { Int32(clamping: $0) }
    return try exclusively { () throws(ClozeError) in
      try wanted.withUnsafeBufferPointer { wanted throws(ClozeError) in
        var output = Output(.hidden)
        output.layers = wanted
        let buffer = EncodingBuffer()
        var truncated = [UInt8](repeating: 0, count: texts.count)
        var results: [Encoded] = []
        try truncated.withUnsafeMutableBufferPointer { truncated throws(ClozeError) in
          try forEachBatch(of: source, text, in: buffer, truncated: truncated.baseAddress) {
            batch, range throws(ClozeError) in
            let values = try [Float](count: bytes(batch.tokens, width)) { values throws(ClozeError) in
              output.values = values
              try run(batch, output)
            }
            for (i, index) in range.enumerated() {
              let tokens = batch.offsets[i]..<batch.offsets[i + 1]
              results.append(
                Encoded(
                  values: Array(values[(tokens.lowerBound * width)..<(tokens.upperBound * width)]),
                  encoding: buffer.encoding(of: tokens, truncated: truncated[index] != 0)))
            }
          }
        }
        return results
      }
    }
  }

  /// The same for texts anywhere in memory: [T, layers, D] floats, T tokens of all texts, and where
  /// each text's begin.
  ///
  /// - Parameters:
  ///   - capacity: floats that `values` has room for; nil: only `cuSeqlens` and `truncated` are
  ///     wanted, and the model does not run.
  ///   - cuSeqlens: [texts.count + 1]
  package func encode<Source: TextSource>(
    _ texts: Source, text: TextOptions, layers: UnsafeBufferPointer<Int32>?, into values: UnsafeMutablePointer<Float>?,
    capacity: Int?, cuSeqlens: UnsafeMutablePointer<Int64>, truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) {
    try exclusively { () throws(ClozeError) in
      var output = Output(.hidden)
      output.layers = layers
      let width = try output.count(model, sequences: 1, tokens: 1)
      // Counted first, so that a buffer that is too small costs no run and the message has the whole
      // size.
      var total = 0
      cuSeqlens[0] = 0
      try forEachBatch(of: texts, text, truncated: truncated) { batch, range throws(ClozeError) in
        for (i, index) in range.enumerated() { cuSeqlens[index + 1] = Int64(total + batch.offsets[i + 1]) }
        total += batch.tokens
      }
      guard let capacity else { return }
      let needed = try bytes(total, width)
      guard capacity >= needed else {
        throw ClozeError(.bufferTooSmall, "hidden has room for \(capacity) elements, \(needed) are needed")
      }
      if total == 0 { return }
      guard let values else { throw ClozeError(.invalidArgument, "hidden is NULL") }
      try forEachBatch(of: texts, text, truncated: truncated) { batch, range throws(ClozeError) in
        output.values = values + Int(cuSeqlens[range.lowerBound]) * width
        try run(batch, output)
      }
    }
  }
}
