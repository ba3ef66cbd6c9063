internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer

/// A set of examples as the trainer works with it: tokens, which of them a head reads, and what it should say of each.
///
/// An item is what is drawn into a batch, one sequence of tokens: a text, a sentence of tagged words, a window of a
/// passage. Its rows are what the head reads of it.
struct TokenizedDataset {
  /// Tokens of all items, end to end.
  var ids: [Int32] = []
  var typeIDs: [Int32] = []
  /// [sequences + 1] where the tokens of each begin.
  var offsets: [Int] = [0]
  /// Texts that were cut.
  var truncated = 0
  /// [rows] tokens whose vectors are read; nil: one pooled vector of each item.
  var positions: [Int]?
  /// [items + 1] where each item's rows begin.
  var rowOffsets: [Int] = [0]
  /// Targets, of one kind; see `Targets`.
  var classes: [Int32] = []
  var labels: [Float] = []
  var values: [Float] = []
  var spans: [Targets.Span] = []
  /// `tag`: [rows] the word that each row is the first token of.
  var words: [Word] = []
  /// `answer`: [items]
  var windows: [Window] = []

  /// A word of a sentence.
  struct Word {
    /// Which example.
    var example: Int
    /// Which of its words.
    var word: Int
  }

  /// A window of a passage.
  struct Window {
    /// Which example.
    var example: Int
    /// The passage's first token in the sequence, and the one after its last.
    var first: Int
    var last: Int
    /// Bytes of the passage for each of these tokens.
    var ranges: [ByteRange]
  }

  var items: Int { rowOffsets.count - 1 }
  /// As many as items, or two for each where pairs are read apart.
  var sequences: Int { offsets.count - 1 }
  var rows: Int { rowOffsets[rowOffsets.count - 1] }

  /// Adds an item of two sequences.
  mutating func append(_ first: Encoding, _ second: Encoding) {
    for encoding in [first, second] {
      ids.append(contentsOf: encoding.ids)
      typeIDs.append(contentsOf: encoding.typeIDs)
      offsets.append(ids.count)
    }
    if first.truncated || second.truncated { truncated += 1 }
    rowOffsets.append(rowOffsets.count)
  }

  /// Adds an item.
  ///
  /// - Parameter rows: tokens of the sequence that are read; unused where texts are pooled.
  mutating func append(
    _ ids: some Sequence<Int32>, _ typeIDs: some Sequence<Int32>, truncated: Bool, rows: some Sequence<Int> = []
  ) {
    let first = self.ids.count
    self.ids.append(contentsOf: ids)
    self.typeIDs.append(contentsOf: typeIDs)
    offsets.append(self.ids.count)
    if truncated { self.truncated += 1 }
    positions?.append(contentsOf: rows.lazy.map { first + $0 })
    rowOffsets.append(positions?.count ?? rowOffsets.count)
  }

  /// The targets of some items.
  func targets(_ chosen: some Sequence<Int>) -> Targets {
    if !values.isEmpty { return .values(chosen.map { values[$0] }) }
    if !spans.isEmpty { return .spans(chosen.map { spans[$0] }) }
    if !labels.isEmpty {
      let count = labels.count / items
      return .labels(chosen.flatMap { labels[($0 * count)..<(($0 + 1) * count)] })
    }
    return .classes(chosen.flatMap { classes[rowOffsets[$0]..<rowOffsets[$0 + 1]] })
  }
}

/// What turns examples into tokens and targets.
struct Preparation {
  let tokenizer: Tokenizer
  let maxTokens: Int
  let stride: Int
  let pairs: Head.Pairs
  let labels: [String]
  /// Rows of the model's word table.
  let rows: Int
  /// Whether long sentences of words are read in windows, as by `predict`, and not truncated.
  var splitsSentences = false
  private let classes: [String: Int32]

  init(
    tokenizer: Tokenizer, maxTokens: Int, stride: Int, pairs: Head.Pairs = .joint, labels: [String], rows: Int
  ) {
    self.pairs = pairs
    self.tokenizer = tokenizer
    self.rows = rows
    self.maxTokens = maxTokens
    self.stride = stride
    self.labels = labels
    classes = Dictionary(labels.enumerated().map { ($1, Int32($0)) }, uniquingKeysWith: { _, last in last })
  }

  /// - Parameter proceed: called before each example; what it throws ends the preparation.
  func prepare(
    _ dataset: Dataset, for task: any TrainingTask, proceed: () throws(ClozeError) -> Void = {}
  ) throws(ClozeError) -> TokenizedDataset {
    var data = TokenizedDataset()
    if task.readsTokens { data.positions = [] }
    for (index, example) in dataset.examples.enumerated() {
      try proceed()
      let start = data.ids.count
      do throws(ClozeError) {
        try example.content.checkLabels()
        try task.append(example.content, index, to: &data, self)
        try tokenizer.check(data.ids[start...], rows: rows)
      } catch {
        let place = example.place.isEmpty ? "example \(index)" : example.place
        throw ClozeError(.invalidText, "\(place): \(error.message)")
      }
    }
    return data
  }

  /// Adds a text, or a pair where the task reads pairs.
  func append(_ text: Text, isPair: Bool = false, to data: inout TokenizedDataset) throws(ClozeError) {
    if isPair, text.second == nil { throw ClozeError(.invalidText, "a pair of texts is needed") }
    func encode(_ text: String, _ pair: String? = nil) throws(ClozeError) -> Encoding {
      let encoding = try tokenizer.encode(text, pair: pair, maxTokens: maxTokens, truncation: .longestFirst)
      guard !encoding.ids.isEmpty else { throw ClozeError(.invalidText, "no tokens") }
      return encoding
    }
    if isPair, pairs == .apart, let second = text.second {
      return data.append(try encode(text.first), try encode(second))
    }
    let encoding = try encode(text.first, text.second)
    data.append(encoding.ids, encoding.typeIDs, truncated: encoding.truncated)
  }

  /// The number of a label among `labels`.
  func classIndex(_ label: String) throws(ClozeError) -> Int32 {
    guard let index = classes[label] else {
      let twin = labels.first { $0.trimmed == label.trimmed || $0.lowercased() == label.lowercased() }
      throw ClozeError(
        .invalidText,
        "no training example has the label \"\(label)\"" + (twin.map { "; there is \"\($0)\"" } ?? ""))
    }
    return index
  }
}
