public import Cloze
internal import ClozeIO

/// One labelled example, as it comes from a file or a caller.
public struct Example: Sendable {
  /// What is known of it, by task.
  public enum Content: Sendable {
    /// A text or a pair, and its class; nil where it has none.
    case text(Text, label: String?)
    /// A text and any number of labels.
    case labelled(Text, labels: [String])
    /// A text or a pair, and a number.
    case scored(Text, value: Float)
    /// Words and as many tags; tags empty where there are none.
    case words([String], tags: [String])
    /// A question about a passage, and the answers that count as right: each with the byte of the
    /// passage where it begins; none: the passage holds no answer.
    case question(String, passage: String, answers: [Answer], id: String)
    /// The sentences or paragraphs of a document.
    case document([String])
  }

  /// A right answer to a question.
  public struct Answer: Hashable, Sendable {
    /// As it stands in the passage.
    public var text: String
    /// The passage's byte where it begins.
    public var offset: Int

    /// Of its parts.
    public init(text: String, offset: Int) {
      self.text = text
      self.offset = offset
    }
  }

  /// What it says.
  public var content: Content
  /// Where it stands: "train.tsv:17"; empty where it came from a caller.
  public var place: String

  /// Of its parts.
  public init(_ content: Content, place: String = "") {
    self.content = content
    self.place = place
  }
}

/// Examples for one task.
public struct Dataset: Sendable {
  /// In their order in the file.
  public var examples: [Example]
  /// Bad lines that were left out.
  public var skipped: [String]

  /// Of examples.
  public init(_ examples: [Example] = [], skipped: [String] = []) {
    self.examples = examples
    self.skipped = skipped
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
}

extension Head.Task {
  /// The class of an example, for drawing from all classes alike.
  func stratum(_ example: Example) -> String {
    switch example.content {
    case .text(_, let label): label ?? ""
    case .labelled(_, let labels): labels.sorted().joined(separator: "\u{1F}")
    case .scored, .words, .document: ""
    case .question(_, _, let answers, _): answers.isEmpty ? "none" : "some"
    }
  }
}

extension Dataset {
  /// Splits off a share of the examples, of every class alike, chosen by the seed; every label of
  /// the second part is in the first, and the order within both stays.
  func split(_ task: Head.Task, share: Double, seed: UInt64) -> (train: Dataset, valid: Dataset) {
    var groups: [String: [Int]] = [:]
    var names: [String] = []
    for (i, example) in examples.enumerated() {
      let name = task.stratum(example)
      if groups[name] == nil { names.append(name) }
      groups[name, default: []].append(i)
    }
    var held = Set<Int>()
    var owed = 0.0
    for (number, name) in names.enumerated() {
      let group = groups[name] ?? []
      var random = TrainingRandom(seed, 2, UInt64(number))
      // What rounding leaves over is made up for by the next class.
      owed += Double(group.count) * share
      let count = min(max(0, Int(owed.rounded())), group.count)
      owed -= Double(count)
      for place in random.order(group.count).prefix(count) { held.insert(group[place]) }
    }
    // A label that held-out examples alone have could not be learned.
    var known = Set<String>()
    for (i, example) in examples.enumerated() where !held.contains(i) {
      known.formUnion(example.content.labels)
    }
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
