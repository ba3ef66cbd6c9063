public import ClozeIO

/// A document's place in the order of relevance to a query.
public struct RankedDocument: Hashable, Sendable {
  /// Its index among the documents.
  public let index: Int
  /// How relevant it is, see `Session.rerank`.
  public let score: Float
  /// Whether query and document were truncated to the model's limit.
  public let truncated: Bool
  /// What the order follows: as the score, but different where scores round to the same number.
  package let key: Float
}

/// Reranking: how relevant documents are to a query, by a head that reads both together (a cross-encoder).
extension Session {
  /// The documents in descending relevance to the query; equally relevant ones in their order.
  ///
  /// The score is the sigmoid of the number of a head with one output, whatever function the model's files name: it
  /// keeps the order. It is the number itself of a trained head for `regressPairs`, and the probability of the second
  /// class of a head with two.
  ///
  /// - Parameter topK: the number of documents to return; nil: all.
  /// - Throws: `.noHead` for a model without such a head, and for a head trained on single texts; else as `embed`.
  public func rerank(_ query: String, _ documents: [String], topK: Int? = nil) throws(ClozeError) -> [RankedDocument] {
    var truncated = [UInt8](repeating: 0, count: documents.count)
    let ranked = try truncated.withUnsafeMutableBufferPointer { truncated throws(ClozeError) in
      try rerank(SwiftTexts(texts: documents.map { Text(query, $0) }), topK: topK, truncated: truncated.baseAddress)
    }
    return ranked.map { key, label in
      RankedDocument(index: label.text, score: label.score, truncated: truncated[label.text] != 0, key: key)
    }
  }

  /// The same for pairs of query and document anywhere in memory.
  package func rerank<Source: TextSource>(_ pairs: Source, topK: Int?, truncated: UnsafeMutablePointer<UInt8>?)
    throws(ClozeError) -> [(key: Float, label: ScoredLabel)]
  {
    if let topK, topK < 1 { throw ClozeError(.invalidArgument, "top_k = \(topK), expected at least 1") }
    return try exclusively { () throws(ClozeError) in
      let task = try taskHead()
      guard !task.isTrained || task.task.takesPairs else {
        throw ClozeError(
          .noHead, "reranking needs a head of pairs; the model's was trained to \(task.task.rawValue) single texts")
      }
      let count = task.head.outputs
      let isTwoClasses = count == 2 && (task.task == .classify || task.task == .classifyPairs)
      guard isTwoClasses || count == 1 && task.task != .tag else {
        throw ClozeError(
          .noHead,
          "reranking needs a head of one output or of two classes; the model's has \(count), for \(task.task.rawValue)")
      }
      // Sigmoids of large numbers are equal; the order is that of the numbers.
      var ranked: [(key: Float, label: ScoredLabel)] = []
      try forEachRow(of: pairs, task, pairs: true, truncated: truncated) { text, row in
        if isTwoClasses {
          var shares = row
          softmax(&shares, shares.indices)
          ranked.append((row[1] - row[0], ScoredLabel(text: text, label: 1, score: shares[1])))
        } else {
          let score = task.isTrained ? row[0] : sigmoid(row[0])
          ranked.append((row[0], ScoredLabel(text: text, label: task.isTrained ? nil : 0, score: score)))
        }
      }
      ranked.sort { $0.key > $1.key || $0.key == $1.key && $0.label.text < $1.label.text }
      return Array(ranked.prefix(topK ?? ranked.count))
    }
  }
}
