/// A sequence of words that tags mark as one entity.
package struct Entity: Hashable, Sendable {
  package var type: String
  /// Words.
  package var first: Int
  package var last: Int

  /// The marks before a tag's type: begin, inside, middle; end, last; single, unit, whole.
  private static let marks: Set<Substring> = ["B", "I", "M", "E", "L", "S", "U", "W"]
  private static let ends: Set<Substring> = ["E", "L", "S", "U", "W"]
  private static let singles: Set<Substring> = ["S", "U", "W"]

  /// The entities in a sentence's tags of any scheme: `B-TYPE`, `I-TYPE` and `O`, in which an `I-` after something
  /// else begins one too; IOBES, BILOU and BMEWO; and types alone, whose equal neighbours are one. So conlleval and
  /// seqeval's default mode read tags.
  package static func all(in tags: [String]) -> [Entity] {
    var entities: [Entity] = []
    var open: Entity?
    var before: Substring = "O"
    for (i, tag) in tags.enumerated() {
      let mark = tag.prefix(1)
      let hasType = tag.utf8.dropFirst().first == UInt8(ascii: "-") && marks.contains(mark)
      let isOutside = tag == "O" || tag.isEmpty
      let type = hasType ? String(tag.dropFirst(2)) : isOutside ? "" : tag
      let kind: Substring = isOutside ? "O" : hasType ? mark : "I"
      if let entity = open,
        isOutside || kind == "B" || singles.contains(kind) || ends.contains(before) || entity.type != type
      {
        entities.append(entity)
        open = nil
      }
      if !isOutside {
        if var entity = open {
          entity.last = i
          open = entity
        } else {
          open = Entity(type: type, first: i, last: i)
        }
      }
      before = kind
    }
    if let open { entities.append(open) }
    return entities
  }
}
