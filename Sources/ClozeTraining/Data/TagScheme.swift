/// How tags mark the entities that words belong to.
enum TagScheme {
  /// The schemes that `Entity` reads, by the marks that they have beside `O`.
  private static let known: [(name: String, marks: Set<Character>)] = [
    ("IOB", ["I", "B"]), ("IOBES", ["I", "B", "E", "S"]), ("BILOU", ["B", "I", "L", "U"]),
    ("BMES", ["B", "M", "E", "S"]), ("BMEW", ["B", "M", "E", "W"]),
  ]

  /// What is odd about the tags of a data set; nil: they are of one known scheme.
  static func remark(_ tags: [String]) -> String? {
    func mark(_ tag: String) -> Character? {
      tag.utf8.dropFirst().first == UInt8(ascii: "-") && tag.utf8.count > 2 ? tag.first : nil
    }
    let bare: Set<String> = ["B", "I", "E", "S", "L", "U", "M", "W"]
    let inside = tags.filter { $0 != "O" }
    let marked = inside.filter { mark($0) != nil || bare.contains($0) }
    func list(_ tags: [String]) -> String {
      tags.prefix(3).map { "\"\($0)\"" }.joined(separator: ", ") + (tags.count > 3 ? ", ..." : "")
    }
    let schemes = "IOB, IOBES, BILOU, BMES"
    guard !marked.isEmpty else {
      return inside.isEmpty
        ? nil
        : "no tag (\(list(inside))) has a mark of a scheme (\(schemes)), such as B- or I-: for F1, words in a row with "
          + "one tag count as one entity"
    }
    let plain = inside.filter { mark($0) == nil && !bare.contains($0) }
    if !plain.isEmpty { return "\(list(plain)) have no mark such as B- or I-, which other tags have" }
    let marks = Set(marked.compactMap { mark($0) ?? $0.first })
    if known.contains(where: { marks.isSubset(of: $0.marks) }) { return nil }
    let odd = marked.filter { tag in !known.contains { $0.marks.contains(mark(tag) ?? tag.first ?? "O") } }
    return odd.isEmpty
      ? "the marks \(marks.sorted().map { "\($0)-" }.joined(separator: ", ")) are of no one scheme (\(schemes))"
      : "the marks of \(list(odd)) are of no known scheme (\(schemes))"
  }
}
