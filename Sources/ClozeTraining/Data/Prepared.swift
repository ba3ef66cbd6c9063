internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer

/// Tokens of many sequences, end to end.
struct Sequences {
  var ids: [Int32] = []
  var typeIDs: [Int32] = []
  /// [B + 1]
  var bounds: [Int] = [0]
  /// Whether one was cut.
  var truncated: [Bool] = []

  var count: Int { bounds.count - 1 }

  mutating func append(_ ids: some Sequence<Int32>, _ types: some Sequence<Int32>, truncated: Bool)
  {
    self.ids.append(contentsOf: ids)
    typeIDs.append(contentsOf: types)
    bounds.append(self.ids.count)
    self.truncated.append(truncated)
  }
}

/// A set of examples as the trainer works with it: tokens, which of them a head reads, and what it
/// should say of each.
///
/// An item is what is drawn into a batch: a text, a sentence of tagged words, a window of a passage.
/// Its rows are what the head reads of it.
struct Prepared {
  var sequences = Sequences()
  /// Tokens of all sequences whose vectors are read, in their order; nil: one pooled vector each.
  var positions: [Int]?
  /// [items + 1] where each item's rows begin.
  var bounds: [Int] = [0]
  var classes: [Int32] = []
  var labels: [Float] = []
  var values: [Float] = []
  var spans: [Targets.Span] = []
  /// `tag`: words of each sentence, and the word that each row is about.
  var words: [Int] = []
  var wordOfRow: [Int] = []
  /// `answer`: of each window.
  var windows: [Window] = []

  /// A window of a passage.
  struct Window {
    /// Which example.
    var example: Int
    /// Its first token of the passage, and the one after its last, counted in the sequence.
    var first: Int
    var last: Int
    /// Bytes of the passage for each of these tokens.
    var offsets: [ByteRange]
  }

  var items: Int { bounds.count - 1 }
  var rows: Int { bounds.last ?? 0 }

  /// The targets of some items, row by row.
  func targets(_ chosen: some Sequence<Int>, task: Head.Task, outputs: Int) -> Targets {
    switch task {
    case .classify, .classifyPairs, .tag, .mlm, .nsp:
      return .classes(chosen.flatMap { classes[bounds[$0]..<bounds[$0 + 1]] })
    case .multilabel:
      return .labels(chosen.flatMap { labels[($0 * outputs)..<(($0 + 1) * outputs)] })
    case .regress, .regressPairs: return .values(chosen.map { values[$0] })
    case .answer: return .spans(chosen.map { spans[$0] })
    }
  }
}

/// Turns examples into tokens and targets.
struct Preparation {
  let task: Head.Task
  let tokenizer: Tokenizer
  let maxTokens: Int
  let stride: Int
  let labels: [String]

  /// The labels of a set of examples, sorted.
  static func labels(of dataset: Dataset, task: Head.Task) throws(ClozeError) -> [String] {
    var found = Set<String>()
    for example in dataset.examples {
      switch example.content {
      case .text(_, let label?): found.insert(label)
      case .labelled(_, let labels): found.formUnion(labels)
      case .words(_, let tags): found.formUnion(tags)
      default: break
      }
    }
    switch task {
    case .classify, .classifyPairs, .multilabel, .tag:
      let least = task == .multilabel ? 1 : 2
      guard found.count >= least else {
        throw ClozeError(
          .invalidText,
          found.first.map { "all examples have the label \"\($0)\", where two labels are needed" }
            ?? "no example has a label")
      }
      guard found.count <= 65536 else {
        throw ClozeError(
          .invalidText, "the examples have \(found.count) labels; 65536 are possible")
      }
      return found.sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
    case .nsp: return ["next", "not next"]
    case .regress, .regressPairs, .answer, .mlm: return []
    }
  }

  func prepare(_ dataset: Dataset) throws(ClozeError) -> Prepared {
    var prepared = Prepared()
    var numbers: [String: Int32] = [:]
    for (i, label) in labels.enumerated() { numbers[label] = Int32(i) }
    if task == .tag || task == .answer || task == .mlm { prepared.positions = [] }
    for (index, example) in dataset.examples.enumerated() {
      func fail(_ reason: String) -> ClozeError {
        let place = example.place.isEmpty ? "example \(index)" : example.place
        return ClozeError(.invalidText, "\(place): \(reason)")
      }
      func number(_ label: String) throws(ClozeError) -> Int32 {
        guard let number = numbers[label] else {
          throw ClozeError(
            .invalidText, "no training example has the label \"\(label)\"")
        }
        return number
      }
      do throws(ClozeError) {
        switch (task, example.content) {
        case (.classify, .text(let text, let label)), (.classifyPairs, .text(let text, let label)),
          (.nsp, .text(let text, let label)):
          try append(text, to: &prepared)
          prepared.classes.append(try label.map(number) ?? -1)
        case (.multilabel, .labelled(let text, let given)):
          try append(text, to: &prepared)
          var row = [Float](repeating: 0, count: labels.count)
          for label in given { row[Int(try number(label))] = 1 }
          prepared.labels.append(contentsOf: row)
        case (.regress, .scored(let text, let value)),
          (.regressPairs, .scored(let text, let value)):
          guard value.isFinite else { throw ClozeError(.invalidText, "the value is no number") }
          try append(text, to: &prepared)
          prepared.values.append(value)
        case (.tag, .words(let words, let tags)):
          guard tags.count == words.count, !words.isEmpty else {
            throw ClozeError(.invalidText, "\(words.count) words and \(tags.count) tags")
          }
          let classes = try tags.map { tag throws(ClozeError) in try number(tag) }
          try append(words, classes, to: &prepared)
        case (.answer, .question(let question, let passage, let answers, _)):
          let size = passage.utf8.count
          guard
            answers.allSatisfy({
              (0..<max(size, 1)).contains($0.offset) && $0.text.utf8.count <= size
            })
          else { throw ClozeError(.invalidText, "an answer stands outside the passage") }
          try append(question, passage, answers, index, to: &prepared)
        case (.mlm, .document(let sentences)):
          for sentence in sentences { try append(Text(sentence), to: &prepared, isItem: false) }
        default:
          throw ClozeError(.invalidText, "not an example of the task \(task.rawValue)")
        }
      } catch { throw fail(error.message) }
    }
    return prepared
  }

  private func append(
    _ text: Text, to prepared: inout Prepared, isItem: Bool = true
  ) throws(ClozeError) {
    if task.takesPairs, text.second == nil {
      throw ClozeError(.invalidText, "a pair of texts is needed")
    }
    let encoding = try tokenizer.encode(
      text.first, pair: text.second, maxTokens: maxTokens, truncation: .longestFirst)
    guard !encoding.ids.isEmpty else { throw ClozeError(.invalidText, "no tokens") }
    prepared.sequences.append(encoding.ids, encoding.typeIDs, truncated: encoding.truncated)
    if isItem { prepared.bounds.append(prepared.rows + 1) }
  }

  private func append(
    _ words: [String], _ classes: [Int32], to prepared: inout Prepared
  ) throws(ClozeError) {
    let encoded = try WordEncoding(words, tokenizer, maxTokens: maxTokens)
    let start = prepared.sequences.ids.count
    prepared.sequences.append(encoded.ids, encoded.typeIDs, truncated: encoded.truncated)
    for (word, position) in encoded.pieces {
      prepared.positions?.append(start + position)
      prepared.wordOfRow.append(word)
      if word < classes.count { prepared.classes.append(classes[word]) }
    }
    prepared.words.append(words.count)
    prepared.bounds.append(prepared.positions?.count ?? 0)
  }

  private func append(
    _ question: String, _ passage: String, _ answers: [Example.Answer], _ example: Int,
    to prepared: inout Prepared
  ) throws(ClozeError) {
    let windows = try PassageWindows(
      question, passage, tokenizer, maxTokens: maxTokens, stride: stride)
    // The first answer is trained on; the others count when predictions are judged.
    let span = answers.first.flatMap { windows.tokens(of: $0.offset, $0.text.utf8.count) }
    for window in windows.windows {
      let start = prepared.sequences.ids.count
      prepared.sequences.append(window.ids, window.typeIDs, truncated: false)
      prepared.positions?.append(contentsOf: start..<(start + window.ids.count))
      prepared.bounds.append(prepared.positions?.count ?? 0)
      var target = Targets.Span(first: 0, last: 0)
      if let span, span.lowerBound >= window.passage.lowerBound,
        span.upperBound < window.passage.upperBound
      {
        let shift = window.first - window.passage.lowerBound
        target = Targets.Span(
          first: Int32(span.lowerBound + shift), last: Int32(span.upperBound + shift))
      }
      prepared.spans.append(target)
      prepared.windows.append(
        Prepared.Window(
          example: example, first: window.first, last: window.first + window.passage.count,
          offsets: Array(windows.offsets[window.passage])))
    }
  }
}
