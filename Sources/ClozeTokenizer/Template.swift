/// The order of special tokens and the tokens of one text, or of two.
struct Template: Sendable, Equatable {
  enum Piece: Sendable, Equatable {
    case special(ids: [Int32], typeID: Int32)
    case first(typeID: Int32)
    case second(typeID: Int32)
  }

  var single: [Piece]
  var pair: [Piece]

  /// BERT's own: [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with type id 1 from B on.
  static func bert(cls: Int32, sep: Int32) -> Template {
    let first: [Piece] = [.special(ids: [cls], typeID: 0), .first(typeID: 0), .special(ids: [sep], typeID: 0)]
    return Template(single: first, pair: first + [.second(typeID: 1), .special(ids: [sep], typeID: 1)])
  }

  /// RoBERTa's: <s> A </s>, and <s> A </s> </s> B </s>, all of one type.
  static func roberta(cls: Int32, sep: Int32) -> Template {
    let first: [Piece] = [.special(ids: [cls], typeID: 0), .first(typeID: 0), .special(ids: [sep], typeID: 0)]
    return Template(
      single: first,
      pair: first + [.special(ids: [sep], typeID: 0), .second(typeID: 0), .special(ids: [sep], typeID: 0)])
  }

  /// Without special tokens.
  static let plain = Template(single: [.first(typeID: 0)], pair: [.first(typeID: 0), .second(typeID: 1)])

  /// The number of special tokens in a list of pieces.
  static func added(_ pieces: [Piece]) -> Int {
    pieces.reduce(0) { sum, piece in if case .special(let ids, _) = piece { sum &+ ids.count } else { sum } }
  }

  /// The largest type id in it.
  var largestTypeID: Int32 {
    (single + pair).reduce(0) { largest, piece in
      switch piece {
      case .special(_, let typeID), .first(let typeID), .second(let typeID): max(largest, typeID)
      }
    }
  }

  /// The largest id of a special token, -1 if there is none.
  var largestID: Int32 {
    (single + pair).reduce(-1) { largest, piece in
      if case .special(let ids, _) = piece { max(largest, ids.max() ?? -1) } else { largest }
    }
  }
}
