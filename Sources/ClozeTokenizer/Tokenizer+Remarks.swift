public import ClozeIO

/// What a user should know of a tokenizer's files.
extension Tokenizer {
  /// What the files say that has no effect, or hardly the intended one; a sentence each. Looks through the vocabulary.
  package func remarks() -> [String] { [unreachable(), renumbered()].compactMap { $0 } }

  /// Tokens without a row in a table of `rows` rows; a sentence that names the first, nil where there are none.
  package func remark(rows: Int) -> String? {
    let count = vocabularySize - rows
    guard count > 0 else { return nil }
    let first = Int32(clamping: rows)
    let name = token(for: first).map { ", such as \"\($0)\" (\(first))" } ?? ""
    return "the tokenizer has \(vocabularySize) entries and the word table \(rows) rows: text that needs one of the "
      + "others\(name) is refused"
  }

  /// Entries with capital letters, which lower-cased text does not contain.
  private func unreachable() -> String? {
    guard lowercase, pipeline == nil else { return nil }
    let unicode = normalizer.normalizer.unicode
    var count = 0
    var examples: [String] = []
    for index in 0..<vocabulary.count {
      let bytes = vocabulary.bytes(at: index)
      guard let base = bytes.baseAddress else { continue }
      var isCapital = false
      var at = 0
      while at < bytes.count, !isCapital {
        let (scalar, length) = UTF8Scan.decode(base, at)
        isCapital = unicode.entry(scalar) & ScalarFlags.lowercases != 0
        at &+= length
      }
      guard isCapital, added.id(of: Array(bytes)) == nil else { continue }
      count += 1
      if examples.count < 3 { examples.append("\"\(String(decoding: bytes, as: UTF8.self))\"") }
    }
    if count == 0 { return nil }
    return "text is lower-cased, so that \(count) of \(vocabulary.count) entries of the vocabulary are never used: "
      + examples.joined(separator: ", ")
      + "; do_lower_case false in tokenizer_config.json, or --no-lowercase, keeps case"
  }

  /// Added tokens that get another id than their files say.
  private func renumbered() -> String? {
    for (content, stated) in definition.stated {
      guard let id = added.id(of: content), id != stated else { continue }
      return "the added token \"\(String(decoding: content, as: UTF8.self))\" has the id \(id), its file says "
        + "\(stated): as in transformers, added tokens are numbered on from the vocabulary"
    }
    return nil
  }
}

/// Tokens that a model may not have, and tokens asked for by name.
extension Tokenizer {
  /// - Throws: `.invalidText` for the first token that a table of `rows` rows has no row for.
  package func check(_ ids: some Sequence<Int32>, rows: Int) throws(ClozeError) {
    guard vocabularySize > rows else { return }
    for id in ids where Int(id) >= rows {
      throw ClozeError(
        .invalidText,
        "the token \"\(token(for: id) ?? "")\" has the id \(id), and the model's word table has \(rows) rows")
    }
  }

  /// The id of a token that must be in the vocabulary.
  ///
  /// - Throws: `.invalidArgument`, with what the tokenizer makes of it instead.
  public func requiredID(of token: String) throws(ClozeError) -> Int32 {
    if let id = id(of: token) { return id }
    func refuse(_ reason: String) -> ClozeError {
      ClozeError(.invalidArgument, "\"\(token)\" is not in the vocabulary\(reason)")
    }
    guard let encoding = try? encode(token) else { throw refuse("") }
    var pieces: [String] = []
    for (id, range) in zip(encoding.ids, encoding.offsets) where range.end > range.begin {
      guard id != unknownID else { throw refuse("") }
      if pieces.count < 8 { pieces.append(self.token(for: id).map { "\"\($0)\"" } ?? "\(id)") }
    }
    switch pieces.count {
    case 0: throw refuse("")
    case 1: throw refuse("; it has \(pieces[0])")
    default: throw refuse(" as one token; its pieces are \(pieces.joined(separator: ", "))")
    }
  }
}
