/// A sequence of words that tags mark as one entity.
package struct Entity: Hashable, Sendable {
  package var type: String
  /// Words.
  package var first: Int
  package var last: Int

  /// What a tag says of its word.
  private enum Mark {
    case outside, begin, inside, end, single

    /// `B`, `I` and `O` of IOB, `E` and `S` of IOBES, `L` and `U` of BILOU, `M` of BMES, `W` of BMEW.
    init(_ letter: UInt8) {
      switch letter {
      case UInt8(ascii: "B"): self = .begin
      case UInt8(ascii: "E"), UInt8(ascii: "L"): self = .end
      case UInt8(ascii: "S"), UInt8(ascii: "U"), UInt8(ascii: "W"): self = .single
      default: self = .inside
      }
    }
  }

  /// The mark and the type of a tag: `B-PER`, `B` without a type, or a type alone, which is inside of it.
  private static func read(_ tag: String) -> (mark: Mark, type: String) {
    if tag == "O" || tag.isEmpty { return (.outside, "") }
    let bytes = tag.utf8
    guard let first = bytes.first else { return (.outside, "") }
    guard "BIESLUMW".utf8.contains(first) else { return (.inside, tag) }
    if bytes.dropFirst().first == UInt8(ascii: "-") { return (Mark(first), String(tag.dropFirst(2))) }
    if bytes.count == 1 { return (Mark(first), "") }
    return (.inside, tag)
  }

  /// The entities in a sentence's tags of any scheme that has the marks above; an inside after something else begins
  /// one, too, as in IOB1. So conlleval and seqeval's default mode read tags.
  package static func all(in tags: [String]) -> [Entity] {
    var entities: [Entity] = []
    var open: Entity?
    var before = Mark.outside
    for (i, tag) in tags.enumerated() {
      let (mark, type) = read(tag)
      if let entity = open,
        mark == .outside || mark == .begin || mark == .single || before == .end || before == .single
          || entity.type != type
      {
        entities.append(entity)
        open = nil
      }
      if mark != .outside {
        if var entity = open {
          entity.last = i
          open = entity
        } else {
          open = Entity(type: type, first: i, last: i)
        }
      }
      before = mark
    }
    if let open { entities.append(open) }
    return entities
  }
}
