public import Cloze
/// One labelled example.
public struct Example: Sendable {
  /// Its texts and labels, by task.
  public enum Content: Sendable {
    /// A text or a pair, and its class; nil where it has none.
    case text(Text, label: String?)
    /// A text and any number of labels.
    case labelled(Text, labels: [String])
    /// A text or a pair, and a number.
    case scored(Text, value: Float)
    /// Words and as many tags; tags empty where there are none.
    case words([String], tags: [String])
    /// A question about a passage, and the answers that count as right; none: the passage holds no answer.
    case question(String, passage: String, answers: [Answer], id: String)
    /// The sentences or paragraphs of a document.
    case document([String])
  }

  /// A right answer to a question.
  public struct Answer: Hashable, Sendable {
    /// A part of the passage.
    public var text: String
    /// The passage's byte where it begins.
    public var offset: Int

    public init(text: String, offset: Int) {
      self.text = text
      self.offset = offset
    }
  }

  /// Its texts and labels.
  public var content: Content
  /// Where it was read: "train.tsv:17"; empty where a caller made it.
  public var place: String

  public init(_ content: Content, place: String = "") {
    self.content = content
    self.place = place
  }
}

/// Examples for one task.
public struct Dataset: Sendable {
  /// In their order in the file.
  public var examples: [Example]
  /// Reasons of the bad lines that were skipped.
  public var skipped: [String]
  /// What reading a file took for granted, in sentences; `remarks(for:)` has more.
  public var remarks: [String]

  public init(_ examples: [Example] = [], skipped: [String] = [], remarks: [String] = []) {
    self.examples = examples
    self.skipped = skipped
    self.remarks = remarks
  }
}

extension Example.Content {
  /// Its class, labels or tags.
  var labels: [String] {
    switch self {
    case .text(_, let label): label.map { [$0] } ?? []
    case .labelled(_, let labels): labels
    case .words(_, let tags): tags
    case .scored, .question, .document: []
    }
  }

  /// What examples are stratified by: the class, the set of labels, whether there is an answer.
  var stratum: String {
    switch self {
    case .text(_, let label): label ?? ""
    case .labelled(_, let labels): labels.sorted().joined(separator: "\u{1F}")
    case .scored, .words, .document: ""
    case .question(_, _, let answers, _): answers.isEmpty ? "none" : "some"
    }
  }

  /// Its text or texts on one line, for reports.
  var summary: String {
    switch self {
    case .text(let text, _), .labelled(let text, _), .scored(let text, _):
      text.second.map { "\(text.first) | \($0)" } ?? text.first
    case .words(let words, _): words.joined(separator: " ")
    case .question(let question, let passage, _, _): "\(question) | \(passage)"
    case .document(let sentences): sentences.first ?? ""
    }
  }
}

/// The split into training and validation sets.
extension Dataset {
  /// Holds out a share of the examples, stratified and chosen by the seed. Every label of the second set is in the
  /// first; the order in both stays.
  func split(share: Double, seed: UInt64) -> (train: Dataset, valid: Dataset) {
    var strata: [String: [Int]] = [:]
    var names: [String] = []
    for (i, example) in examples.enumerated() {
      let name = example.content.stratum
      if strata[name] == nil { names.append(name) }
      strata[name, default: []].append(i)
    }
    var held = Set<Int>()
    var owed = 0.0
    for (number, name) in names.enumerated() {
      let stratum = strata[name] ?? []
      var random = TrainingRandom(seed, .holdout(stratum: number))
      // The rounding error is carried over to the next stratum.
      owed += Double(stratum.count) * share
      let count = min(max(0, Int(owed.rounded())), stratum.count)
      owed -= Double(count)
      for place in random.permutation(stratum.count).prefix(count) { held.insert(stratum[place]) }
    }
    // A label that only held-out examples have could not be learned.
    var known = Set<String>()
    for (i, example) in examples.enumerated() where !held.contains(i) { known.formUnion(example.content.labels) }
    for i in held.sorted() where !known.isSuperset(of: examples[i].content.labels) {
      known.formUnion(examples[i].content.labels)
      held.remove(i)
    }
    var (train, valid) = (Dataset(), Dataset())
    for (i, example) in examples.enumerated() {
      if held.contains(i) { valid.examples.append(example) } else { train.examples.append(example) }
    }
    return (train, valid)
  }
}
