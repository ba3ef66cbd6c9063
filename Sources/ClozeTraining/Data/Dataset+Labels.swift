public import Cloze
package import ClozeIO

/// Labels that are none, or that are meant to be one.
extension Example.Content {
  /// Refuses labels without a letter.
  package func checkLabels() throws(ClozeError) {
    for (i, label) in labels.enumerated() where label.trimmed.isEmpty {
      let what = if case .words = self { "the tag of word \(i + 1)" } else { "the label" }
      throw ClozeError(.invalidText, label.isEmpty ? "\(what) is empty" : "\(what) is blank: \"\(label)\"")
    }
  }
}

extension Dataset {
  /// How often each label occurs.
  var labelCounts: [String: Int] {
    examples.reduce(into: [:]) { for label in $1.content.labels { $0[label, default: 0] += 1 } }
  }

  /// The same in the order of the labels' UTF-8.
  private var sortedCounts: [(label: String, count: Int)] {
    labelCounts.sorted { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }.map { ($0.key, $0.value) }
  }

  /// The place of the first example that has a label; empty where a caller made it.
  private func place(of label: String) -> String {
    examples.first { $0.content.labels.contains(label) }?.place ?? ""
  }

  /// All labels, in the order of their UTF-8.
  ///
  /// - Throws: `.invalidText` for fewer than `minimum` labels, and for two that differ only in blanks around them.
  func labels(atLeast minimum: Int) throws(ClozeError) -> [String] {
    let found = sortedCounts.map(\.label)
    guard found.count >= minimum else {
      throw ClozeError(
        .invalidText,
        found.first.map { "all examples have the label \"\($0)\", two labels are needed" } ?? "no example has a label")
    }
    guard found.count <= 65536 else {
      throw ClozeError(.invalidText, "the examples have \(found.count) labels, the limit is 65536")
    }
    for twins in Dictionary(grouping: found, by: \.trimmed).values where twins.count > 1 {
      let odd = twins.first { $0 != $0.trimmed } ?? twins[0]
      let (place, other) = (place(of: odd), twins.first { $0 != odd } ?? "")
      throw ClozeError(
        .invalidText,
        "\(place.isEmpty ? "" : "\(place): ")the label \"\(odd)\" is \"\(other)\" but for blanks around it")
    }
    return found
  }

  /// What a person should know of these examples before a head is trained on them, in sentences: what reading them
  /// took for granted, bad lines that were skipped, and labels that look wrong.
  public func remarks(for task: Head.Task) -> [String] {
    var all = remarks
    if let first = skipped.first {
      all.append("\(skipped.count == 1 ? "1 bad line" : "\(skipped.count) bad lines") skipped; \(first)")
    }
    guard task != .nsp else { return all }
    let counts = sortedCounts
    /// Spellings of a missing value in pandas, R, Python and JSON.
    let missing: Set = [
      "nan", "NaN", "NAN", "-nan", "None", "null", "NULL", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaT",
    ]
    for (label, count) in counts where missing.contains(label) {
      all.append("the label \"\(label)\" of \(DataReader.count(count, "example")) looks like a missing value")
    }
    for (label, _) in counts where label != label.trimmed { all.append("the label \"\(label)\" has blanks around it") }
    let cases = Dictionary(grouping: counts) { $0.label.lowercased() }
    for twins in cases.values.filter({ $0.count > 1 }).sorted(by: { $0[0].label < $1[0].label }) {
      let list = twins.map { "\"\($0.label)\" (\($0.count))" }.joined(separator: " and ")
      all.append("the labels \(list) differ in case alone, and are labels of their own")
    }
    if let only = loneFirstLabel(counts) {
      all.append("only the first line, \(only.place), has the label \"\(only.label)\" (--header skips a header)")
    }
    if task == .tag, let remark = TagScheme.remark(counts.map(\.label)) { all.append(remark) }
    return all
  }

  /// A label that only the first line of a table has, where every other occurs again: it may be a header's.
  private func loneFirstLabel(_ counts: [(label: String, count: Int)]) -> (label: String, place: String)? {
    guard let first = examples.first, first.place.hasSuffix(":1"), counts.count > 2 else { return nil }
    let label: String
    switch first.content {
    case .text(_, let single?): label = single
    case .words(_, let tags): label = tags.first ?? ""
    default: return nil
    }
    let isLone = counts.allSatisfy { ($0.count == 1) == ($0.label == label) }
    return isLone ? (label, first.place) : nil
  }
}
