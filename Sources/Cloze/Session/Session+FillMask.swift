package import ClozeIO
internal import ClozeTokenizer

/// A candidate for a `[MASK]`.
public struct Candidate: Hashable, Sendable {
  /// Its id in the vocabulary.
  public let tokenID: Int32
  /// As the vocabulary spells it; `##` begins a continuation of a word.
  public let token: String
  /// Softmax over the whole vocabulary.
  public let probability: Float
}

/// The candidates for one `[MASK]`, best first.
public struct FilledMask: Hashable, Sendable {
  /// The mask's token index; `[CLS]` is 0.
  public let position: Int
  /// At most `topK`.
  public let candidates: [Candidate]
  /// Whether the text was truncated; masks beyond the limit are not among the results.
  public let truncated: Bool
}

/// A candidate as the C ABI gives it.
package struct RankedToken {
  package let text: Int
  package let position: Int
  package let id: Int32
  package let probability: Float
}

/// Masked-language-model inference.
extension Session {
  /// The best tokens for every `[MASK]` of a text.
  ///
  /// - Parameters:
  ///   - text: the length limit, and how a longer text is truncated.
  ///   - topK: candidates per mask.
  ///   - targets: only these tokens of the vocabulary are ranked; nil: all.
  /// - Throws: `.invalidText` for a text without `[MASK]`, `.invalidArgument` for a target that is
  ///   not in the vocabulary, `.tooLong`, `.noHead`, `.noTokenizer`, `.cancelled`, `.busy`,
  ///   `.outOfMemory`.
  public func fillMask(_ text: Text, text options: TextOptions = TextOptions(), topK: Int = 5, targets: [String]? = nil)
    throws(ClozeError) -> [FilledMask]
  {
    let tokenizer = try model.requiredTokenizer()
    var ids: [Int32]?
    if let targets {
      ids = []
      for target in targets { ids?.append(try tokenizer.requiredID(of: target)) }
    }
    var truncated: UInt8 = 0
    let ranked = try fillMask(SwiftTexts(texts: [text]), text: options, topK: topK, targets: ids, truncated: &truncated)
    var masks: [FilledMask] = []
    var group: [Candidate] = []
    for (i, token) in ranked.enumerated() {
      group.append(
        Candidate(tokenID: token.id, token: tokenizer.token(for: token.id) ?? "", probability: token.probability))
      if i + 1 == ranked.count || ranked[i + 1].position != token.position {
        masks.append(FilledMask(position: token.position, candidates: group, truncated: truncated != 0))
        group = []
      }
    }
    return masks
  }

  /// The same for texts anywhere in memory, text by text and mask by mask.
  package func fillMask<Source: TextSource>(
    _ texts: Source, text options: TextOptions, topK: Int, targets: [Int32]?, truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) -> [RankedToken] {
    try exclusively { () throws(ClozeError) in
      let tokenizer = try model.requiredTokenizer()
      let limit = try limit(options)
      _ = try Output(.mlm).count(model, sequences: 1, tokens: 1)
      guard let mask = tokenizer.maskID else { throw ClozeError(.noTokenizer, "the tokenizer has no [MASK] token") }
      let name = tokenizer.token(for: mask) ?? "[MASK]"
      let vocabulary = model.info.vocabSize
      guard targets?.isEmpty != true else { throw ClozeError(.invalidArgument, "the list of targets is empty") }
      guard topK > 0 else { throw ClozeError(.invalidArgument, "top_k = \(topK), expected at least 1") }
      for (i, id) in (targets ?? []).enumerated() where id < 0 || Int(id) >= vocabulary {
        throw ClozeError(.invalidArgument, "targets[\(i)] = \(id), the vocabulary has \(vocabulary) entries")
      }
      var truncations = [UInt8](repeating: 0, count: texts.count)
      var ranked: [RankedToken] = []
      try truncations.withUnsafeMutableBufferPointer { truncations throws(ClozeError) in
        // One text at a time: logits take V floats for every mask.
        try forEachBatch(of: texts, options, tokens: 1, truncated: truncations.baseAddress) {
          batch, range throws(ClozeError) in
          let index = range.lowerBound
          truncated?[index] = truncations[index]
          let positions = batch.ids.indices.filter { batch.ids[$0] == mask }.map { Int64($0) }
          guard !positions.isEmpty else {
            let reason =
              truncations[index] != 0
              ? "no \(name) is left of the text, which was truncated to \(limit) tokens" : "the text has no \(name)"
            throw ClozeError(.invalidText, texts.prefix(index) + reason)
          }
          try rank(batch, at: positions, topK: topK, targets: targets) { position, id, probability in
            ranked.append(RankedToken(text: index, position: position, id: id, probability: probability))
          }
        }
      }
      return ranked
    }
  }

  /// Runs the masked language model at some tokens of a batch and ranks its candidates there.
  private func rank(
    _ batch: RaggedBatch, at positions: [Int64], topK: Int, targets: [Int32]?,
    _ found: (_ position: Int, _ id: Int32, _ probability: Float) -> Void
  ) throws(ClozeError) {
    let vocabulary = model.info.vocabSize
    let room = try AlignedMemory(bytes: bytes(positions.count, vocabulary, MemoryLayout<Float>.size))
    defer { withExtendedLifetime(room) {} }
    try positions.withUnsafeBufferPointer { positions throws(ClozeError) in
      var output = Output(.mlm, values: room.floats())
      output.positions = positions
      try run(batch, output)
    }
    for (i, position) in positions.enumerated() {
      let values = room.floats() + i * vocabulary
      model.kernels.rows.softmax(values, vocabulary)
      for id in best(values, targets: targets, topK: topK) { found(Int(position), id, values[Int(id)]) }
    }
  }

  /// The ids of the largest values, largest first; of equal ones the smaller id.
  private func best(_ values: UnsafeMutablePointer<Float>, targets: [Int32]?, topK: Int) -> [Int32] {
    func before(_ a: Int32, _ b: Int32) -> Bool {
      let (x, y) = (values[Int(a)], values[Int(b)])
      return x > y || (x == y && a < b)
    }
    if let targets { return Array(Set(targets).sorted(by: before).prefix(topK)) }
    let all = 0..<Int32(clamping: model.info.vocabSize)
    // A short list is kept in order while looking through; for a long one sorting is faster.
    if topK > 64 { return Array(all.sorted(by: before).prefix(topK)) }
    var best: [Int32] = []
    for id in all {
      if best.count == topK, let last = best.last, !before(id, last) { continue }
      best.insert(id, at: best.firstIndex { before(id, $0) } ?? best.count)
      if best.count > topK { best.removeLast() }
    }
    return best
  }
}
