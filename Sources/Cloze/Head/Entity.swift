/// A sequence of words that tags mark as one entity.
package struct Entity: Hashable, Sendable {
  package var type: String
  /// Words.
  package var first: Int
  package var last: Int

  /// The entities in a sentence's tags, `B-TYPE`, `I-TYPE` and `O`, also with `E-` and `S-`; an
  /// `I-` after something else begins one, too. So conlleval and seqeval's default mode read tags.
  package static func all(in tags: [String]) -> [Entity] {
    var entities: [Entity] = []
    var open: Entity?
    var before: Substring = "O"
    for (i, tag) in tags.enumerated() {
      let mark = tag.prefix(1)
      let hasType = tag.utf8.dropFirst().first == UInt8(ascii: "-")
      let isOutside = tag == "O" || tag.isEmpty
      let type = hasType ? String(tag.dropFirst(2)) : isOutside ? "" : tag
      let kind: Substring = isOutside ? "O" : hasType ? mark : "I"
      if let entity = open,
        isOutside || kind == "B" || kind == "S" || before == "E" || before == "S" || entity.type != type
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
