internal import ClozeIO

/// Pairs whose texts are encoded apart.
extension Session {
  /// Calls `body` with the outputs of a head for each pair.
  func forEachPair<Source: TextSource>(
    of pairs: Source, _ task: TaskHead, truncated: UnsafeMutablePointer<UInt8>?,
    _ body: (_ pair: Int, _ outputs: [Float]) -> Void
  ) throws(ClozeError) {
    let (width, count) = (model.info.hiddenSize, task.head.outputs)
    let texts = TextsApart(pairs: pairs)
    var cut = [UInt8](repeating: 0, count: texts.count)
    // The vectors of a pair's first text, where the batch ended after it.
    var vectors: [Float] = []
    var next = 0
    try cut.withUnsafeMutableBufferPointer { cut throws(ClozeError) in
      try forEachBatch(of: texts, TextOptions(maxTokens: task.maxTokens), truncated: cut.baseAddress) {
        batch, _ throws(ClozeError) in
        vectors += try self.vectors(of: task, batch)
        let complete = vectors.count / (2 * width)
        let outputs = try outputs(of: task, pairs: vectors)
        for pair in 0..<complete { body(next + pair, Array(outputs[(pair * count)..<((pair + 1) * count)])) }
        next += complete
        vectors.removeFirst(2 * complete * width)
      }
    }
    if let truncated { for pair in 0..<pairs.count { truncated[pair] = cut[2 * pair] | cut[2 * pair + 1] } }
  }

  /// The head's outputs [N, outputs] for N pairs' vectors [2 N, D]; a single one after them is left out.
  func outputs(of task: TaskHead, pairs vectors: [Float]) throws(ClozeError) -> [Float] {
    let width = model.info.hiddenSize
    let count = vectors.count / (2 * width)
    var features = [Float](repeating: 0, count: count * PairFeatures.count * width)
    vectors.withUnsafeBufferPointer { vectors in
      features.withUnsafeMutableBufferPointer { features in
        guard let source = vectors.baseAddress, let target = features.baseAddress else { return }
        for pair in 0..<count {
          PairFeatures.write(source + 2 * pair * width, width, to: target + PairFeatures.count * pair * width)
        }
      }
    }
    return try logits(task.head, features, count)
  }
}

/// The texts of pairs one after another: first, second, first, second.
private struct TextsApart<Source: TextSource>: TextSource {
  let pairs: Source

  var count: Int { 2 * pairs.count }

  func withText<Result>(
    _ index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result {
    try pairs.withText(index / 2) { first, second throws(ClozeError) in
      guard let second else { throw Session.noPair(index / 2) }
      return try body(index % 2 == 0 ? first : second, nil)
    }
  }

  func prefix(_ index: Int) -> String { pairs.prefix(index / 2) }
}
