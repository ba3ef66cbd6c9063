public import ClozeIO
internal import ClozeTokenizer

/// One prediction of a head, as the C ABI gives it.
package struct ScoredLabel {
  /// Index of the text.
  package var text: Int
  /// `tag`: bytes of the word in the text; `answer`: bytes of the answer in the passage; else empty.
  package var bytes = 0..<0
  /// Index of the label; `answer`: 0; nil for a number, and for a passage without an answer.
  package var label: Int?
  /// The probability of the label or answer; the number.
  package var score: Float
}

/// Predictions of a head, trained or of the model's file. A prediction depends on nothing but its text.
extension Session {
  /// The head's prediction for each text: labels, a number, tags or an answer, as `ModelInfo.task` says.
  ///
  /// For `answer`, the first text of each pair is the question, the second the passage. `tag` and `answer` read
  /// texts longer than the model's limit in windows. A head of the model's file takes a text or a pair.
  ///
  /// - Parameter maxTokens: the most tokens of a text or window; nil: as the head was trained, or the model's limit.
  /// - Throws: `.noHead` for a model without such a head, else as `embed`.
  public func predict(_ texts: [Text], maxTokens: Int? = nil) throws(ClozeError) -> [Prediction] {
    var truncated = [UInt8](repeating: 0, count: texts.count)
    let scored = try truncated.withUnsafeMutableBufferPointer { truncated throws(ClozeError) in
      try predict(SwiftTexts(texts: texts), maxTokens: maxTokens, truncated: truncated.baseAddress)
    }
    var predictions: [Prediction] = []
    var begin = 0
    for (index, text) in texts.enumerated() {
      var end = begin
      while end < scored.count, scored[end].text == index { end += 1 }
      predictions.append(Prediction(scored[begin..<end], of: text, try taskHead(), truncated: truncated[index] != 0))
      begin = end
    }
    return predictions
  }

  /// Tags of a sentence that is given as words; words without a token are "O".
  public func predict(words: [String]) throws(ClozeError) -> Prediction {
    let task = try taskHead()
    guard task.task == .tag else { throw model.noHead("head for tags") }
    var spans: [Prediction.Span] = []
    var at = 0
    for word in words {
      spans.append(Prediction.Span(begin: at, end: at + word.utf8.count, text: "O", probability: 0))
      at += word.utf8.count + 1
    }
    let found = try exclusively { () throws(ClozeError) in try tags(of: words, task) }
    for (word, tag) in found {
      spans[word].text = task.labels[tag.label ?? 0]
      spans[word].probability = tag.score
    }
    return Prediction(tags: spans, truncated: false)
  }

  /// The same for texts anywhere in memory, text by text: classification, all labels in descending probability;
  /// regression, the number, or all of them in order; tagging, the words in order; answering, one answer.
  package func predict<Source: TextSource>(
    _ texts: Source, maxTokens: Int? = nil, truncated: UnsafeMutablePointer<UInt8>?
  ) throws(ClozeError) -> [ScoredLabel] {
    try exclusively { () throws(ClozeError) in
      var task = try taskHead()
      if let maxTokens { task = task.limited(to: try limit(TextOptions(maxTokens: maxTokens))) }
      switch task.task {
      case .tag: return try tags(of: texts, task, truncated: truncated)
      case .answer: return try answers(to: texts, task, truncated: truncated)
      case .classify, .classifyPairs, .multilabel, .regress, .regressPairs, .nsp, .mlm:
        return try labels(of: texts, task, truncated: truncated)
      }
    }
  }

  /// Predictions about whole texts.
  private func labels<Source: TextSource>(of texts: Source, _ task: TaskHead, truncated: UnsafeMutablePointer<UInt8>?)
    throws(ClozeError) -> [ScoredLabel]
  {
    var scored: [ScoredLabel] = []
    if model.head != nil, !task.task.takesPairs { try refusePairs(texts, task) }
    try forEachRow(of: texts, task, pairs: task.needsPairs, truncated: truncated) { text, row in
      var row = row
      switch task.task {
      case .regress, .regressPairs:
        for (i, value) in row.enumerated() {
          let score = task.hasSigmoid ? sigmoid(value) : value
          scored.append(ScoredLabel(text: text, label: task.hasSigmoid || row.count > 1 ? i : nil, score: score))
        }
        return
      case .multilabel: row = row.map { sigmoid($0) }
      default: softmax(&row, row.indices)
      }
      for label in row.indices.sorted(by: { row[$0] > row[$1] || row[$0] == row[$1] && $0 < $1 }) {
        scored.append(ScoredLabel(text: text, label: label, score: row[label]))
      }
    }
    return scored
  }

  /// A head of single texts knows nothing of a second one.
  private func refusePairs<Source: TextSource>(_ texts: Source, _ task: TaskHead) throws(ClozeError) {
    for index in 0..<texts.count {
      let isPair = try texts.withText(index) { _, second throws(ClozeError) in second != nil }
      guard !isPair else {
        throw ClozeError(
          .invalidText,
          "\(texts.prefix(index))a pair of texts; the head was trained to \(task.task.rawValue) single texts")
      }
    }
  }

  /// Calls `body` with the outputs of a head for each text.
  func forEachRow<Source: TextSource>(
    of texts: Source, _ task: TaskHead, pairs: Bool, truncated: UnsafeMutablePointer<UInt8>?,
    _ body: (_ text: Int, _ outputs: [Float]) -> Void
  ) throws(ClozeError) {
    if task.pairs == .apart { return try forEachPair(of: texts, task, truncated: truncated, body) }
    let count = task.head.outputs
    try forEachBatch(of: texts, TextOptions(maxTokens: task.maxTokens), pairs: pairs, truncated: truncated) {
      batch, range throws(ClozeError) in
      let outputs = try outputs(of: task, batch)
      for (row, text) in range.enumerated() { body(text, Array(outputs[(row * count)..<((row + 1) * count)])) }
    }
  }

  /// The head that predicts, or an error.
  func taskHead() throws(ClozeError) -> TaskHead { try model.requiredTaskHead() }

  /// The head's outputs [rows, outputs] for the sequences of a batch, every two of them for pairs that are read apart, or
  /// for some of its tokens.
  ///
  /// - Parameter positions: tokens; nil: one row for each sequence.
  func outputs(of task: TaskHead, _ batch: RaggedBatch, at positions: [Int64]? = nil) throws(ClozeError) -> [Float] {
    let count = positions?.count ?? batch.sequences
    if count == 0 { return [] }
    let vectors = try vectors(of: task, batch, at: positions)
    return try task.pairs == .apart ? outputs(of: task, pairs: vectors) : logits(task.head, vectors, count)
  }

  /// What a head reads: vectors of sequences [B, D], of length 1 for pairs that are read apart, or the states of tokens
  /// [positions, D].
  func vectors(of task: TaskHead, _ batch: RaggedBatch, at positions: [Int64]? = nil) throws(ClozeError) -> [Float] {
    try [Float](count: bytes(positions?.count ?? batch.sequences, model.info.hiddenSize)) {
      values throws(ClozeError) in
      var output = Output(positions == nil ? .embedding : .hidden, values: values)
      output.mix = task.head.mix
      if case .pooled(let pooling) = task.head.rows { output.pooling = pooling }
      output.normalize = task.pairs == .apart
      guard let positions else { return try run(batch, output) }
      try positions.withUnsafeBufferPointer { positions throws(ClozeError) in
        output.positions = positions
        try run(batch, output)
      }
    }
  }

  /// The head's outputs [count, outputs] for rows of its inputs.
  func logits(_ head: PackedHead, _ rows: [Float], _ count: Int) throws(ClozeError) -> [Float] {
    try [Float](count: bytes(count, head.outputs)) { values throws(ClozeError) in
      try rows.withUnsafeBufferPointer { rows throws(ClozeError) in
        guard let base = rows.baseAddress else { return }
        try apply(head, base, count, to: values)
      }
    }
  }

  /// The best label of a row of `count` logits, with its probability; the row becomes probabilities.
  func best(_ logits: inout [Float], _ row: Int, _ count: Int) -> (label: Int, probability: Float) {
    let place = (row * count)..<((row + 1) * count)
    softmax(&logits, place)
    var best = place.lowerBound
    for i in place where logits[i] > logits[best] { best = i }
    return (best - place.lowerBound, logits[best])
  }

  func softmax(_ values: inout [Float], _ place: Range<Int>) {
    values.withUnsafeMutableBufferPointer { values in
      guard let base = values.baseAddress else { return }
      model.kernels.rows.softmax(base + place.lowerBound, place.count)
    }
  }

  /// 1 / (1 + exp(-x))
  func sigmoid(_ x: Float) -> Float {
    // softmax of (-x, 0) is (s, 1 - s) with s / (1 - s) = exp(-x), infinite for large -x.
    var pair: [Float] = [-x, 0]
    softmax(&pair, 0..<2)
    return 1 / (1 + (pair[1] > 0 ? pair[0] / pair[1] : .infinity))
  }
}

extension Prediction {
  /// From the labels of one text.
  fileprivate init(_ scored: ArraySlice<ScoredLabel>, of text: Text, _ task: TaskHead, truncated: Bool) {
    self.init()
    switch task.task {
    case .regress, .regressPairs:
      values = scored.map(\.score)
      if task.hasSigmoid {
        label = task.labels.first
        probabilities = values
      }
    case .tag:
      self = Prediction(
        tags: scored.map {
          Span(
            begin: $0.bytes.lowerBound, end: $0.bytes.upperBound, text: task.labels[$0.label ?? 0],
            probability: $0.score)
        }, truncated: truncated)
    case .answer:
      if let answer = scored.first, answer.label != nil {
        let bytes = (text.second ?? "").utf8.dropFirst(answer.bytes.lowerBound).prefix(answer.bytes.count)
        self.answer = Span(
          begin: answer.bytes.lowerBound, end: answer.bytes.upperBound,
          text: String(decoding: Array(bytes), as: UTF8.self), probability: answer.score)
      }
    default:
      probabilities = Array(repeating: 0, count: scored.count)
      for entry in scored { probabilities[entry.label ?? 0] = entry.score }
      if task.task == .multilabel {
        labels = task.labels.indices.filter { probabilities[$0] >= 0.5 }.map { task.labels[$0] }
      } else if let first = scored.first?.label, first < task.labels.count {
        label = task.labels[first]
      }
    }
    self.truncated = truncated
  }

  /// From the tags of words.
  fileprivate init(tags: [Span], truncated: Bool) {
    self.init()
    self.tags = tags
    self.truncated = truncated
    for entity in Entity.all(in: tags.map(\.text)) {
      let words = tags[entity.first...entity.last]
      entities.append(
        Span(
          begin: tags[entity.first].begin, end: tags[entity.last].end, text: entity.type,
          probability: words.reduce(1) { min($0, $1.probability) }))
    }
  }
}
