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

/// Predictions of a trained head. A prediction depends on nothing but its text.
extension Session {
  /// The trained head's prediction for each text: labels, a number, tags or an answer.
  ///
  /// For `answer`, the first text of each pair is the question, the second the passage; a passage
  /// longer than the model's limit is read in windows.
  ///
  /// - Throws: `.noHead` for a model without a trained head, else as `embed`.
  public func predict(_ texts: [Text]) throws(ClozeError) -> [Prediction] {
    var truncated = [UInt8](repeating: 0, count: texts.count)
    let scored = try truncated.withUnsafeMutableBufferPointer { truncated throws(ClozeError) in
      try predict(SwiftTexts(texts: texts), truncated: truncated.baseAddress)
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

  /// Tags of a sentence that is given as words; words that were truncated are "O".
  public func predict(words: [String]) throws(ClozeError) -> Prediction {
    let task = try taskHead()
    guard task.task == .tag else { throw model.noHead("trained head for tags") }
    return try exclusively { () throws(ClozeError) in
      let encoded = try WordEncoding(words, model.requiredTokenizer(), maxTokens: task.maxTokens)
      var tags: [Prediction.Span] = []
      var at = 0
      for word in words {
        tags.append(Prediction.Span(begin: at, end: at + word.utf8.count, text: "O", probability: 0))
        at += word.utf8.count + 1
      }
      try forEachBatch(in: tokens) { index throws(ClozeError) in
        guard index == 0 else { return false }
        try model.requiredTokenizer().check(encoded.ids, rows: model.info.vocabSize)
        tokens.append(encoded.ids, typeIDs: encoded.typeIDs)
        return true
      } _: { batch, _ throws(ClozeError) in
        let positions = encoded.pieces.map { Int64($0.token) }
        var logits = try outputs(of: task, batch, at: positions)
        for (row, piece) in encoded.pieces.enumerated() {
          let (label, probability) = best(&logits, row, task.head.outputs)
          tags[piece.word].text = task.labels[label]
          tags[piece.word].probability = probability
        }
      }
      return Prediction(tags: tags, truncated: encoded.truncated)
    }
  }

  /// The same for texts anywhere in memory, text by text: classification, all labels in descending
  /// probability; regression, the number; tagging, the words in order; answering, one answer.
  package func predict<Source: TextSource>(_ texts: Source, truncated: UnsafeMutablePointer<UInt8>?) throws(ClozeError)
    -> [ScoredLabel]
  {
    try exclusively { () throws(ClozeError) in
      let task = try taskHead()
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
    let count = task.head.outputs
    var scored: [ScoredLabel] = []
    if !task.task.takesPairs { try refusePairs(texts, task) }
    try forEachBatch(
      of: texts, TextOptions(maxTokens: task.maxTokens), pairs: task.task.takesPairs, truncated: truncated
    ) { batch, range throws(ClozeError) in
      var logits = try outputs(of: task, batch)
      for (row, text) in range.enumerated() {
        let place = (row * count)..<((row + 1) * count)
        switch task.task {
        case .regress, .regressPairs:
          scored.append(ScoredLabel(text: text, label: nil, score: logits[place.lowerBound]))
          continue
        case .multilabel: for i in place { logits[i] = sigmoid(logits[i]) }
        default: softmax(&logits, place)
        }
        let order = (0..<count).sorted {
          let (a, b) = (logits[place.lowerBound + $0], logits[place.lowerBound + $1])
          return a > b || a == b && $0 < $1
        }
        for label in order {
          scored.append(ScoredLabel(text: text, label: label, score: logits[place.lowerBound + label]))
        }
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
          "\(texts.prefix(index))a pair of texts; the head was trained to \(task.task.rawValue) single ones")
      }
    }
  }

  /// The head that predicts, or an error.
  private func taskHead() throws(ClozeError) -> TaskHead {
    if let task = model.taskHead { return task }
    guard model.head?.task != .mlm else {
      throw ClozeError(.invalidArgument, "a masked language model is used by fillMask")
    }
    throw model.noHead("trained head")
  }

  /// The head's outputs [rows, outputs] for the sequences of a batch or for some of its tokens.
  ///
  /// - Parameter positions: tokens; nil: one row for each sequence.
  func outputs(of task: TaskHead, _ batch: RaggedBatch, at positions: [Int64]? = nil) throws(ClozeError) -> [Float] {
    let count = positions?.count ?? batch.sequences
    if count == 0 { return [] }
    let inputs = model.info.hiddenSize
    let vectors = try [Float](count: bytes(count, inputs)) { values throws(ClozeError) in
      var output = Output(positions == nil ? .embedding : .hidden, values: values)
      output.mix = task.head.mix
      if case .pooled(let pooling) = task.head.rows { output.pooling = pooling }
      output.normalize = false
      guard let positions else { return try run(batch, output) }
      try positions.withUnsafeBufferPointer { positions throws(ClozeError) in
        output.positions = positions
        try run(batch, output)
      }
    }
    return try [Float](count: bytes(count, task.head.outputs)) { values throws(ClozeError) in
      try vectors.withUnsafeBufferPointer { vectors throws(ClozeError) in
        guard let base = vectors.baseAddress else { return }
        try apply(task.head, base, count, to: values)
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

  private func softmax(_ values: inout [Float], _ place: Range<Int>) {
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
    case .regress, .regressPairs: value = scored.first?.score
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
