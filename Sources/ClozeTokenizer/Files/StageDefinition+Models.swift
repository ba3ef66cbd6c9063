internal import ClozeIO

/// Reading the models of a tokenizer.json.
extension TokenizerDocument {
  /// Refuses a vocabulary of another form than the model's, or an empty one.
  func check(isArray: Bool, _ model: JSONField) throws(ClozeError) {
    let path = "\(model.path).vocab"
    let expected = isArray ? "an array of tokens and scores" : "an object from tokens to ids"
    let kind: JSONKind
    switch form {
    case .missing: throw ClozeError(.damaged, "\(model.path) has no vocab")
    case .object: kind = .object
    case .array: kind = .array
    case .other(let other): kind = other
    }
    guard kind == (isArray ? .array : .object) else {
      throw ClozeError(.damaged, "\(path) is \(kind.rawValue), \(expected) was expected")
    }
    guard !vocabulary.ids.isEmpty else { throw ClozeError(.damaged, "\(path) is empty") }
  }
}

/// Reading a Unigram model.
extension UnigramModel {
  convenience init(json model: JSONField, _ document: TokenizerDocument) throws(ClozeError) {
    try document.check(isArray: true, model)
    let path = "\(model.path).vocab"
    var unknown: Int32?
    if let field = try model.present("unk_id") {
      let id = try field.id()
      guard Int(id) < document.scores.count else {
        throw ClozeError(.damaged, "\(field.path) is \(id), \(path) has \(document.scores.count) tokens")
      }
      unknown = id
    }
    self.init(
      try PieceTable(document.vocabulary, ids: [], scores: document.scores, path: path),
      unknownScore: UnigramModel.unknownScore(document.scores), unknownID: unknown,
      hasByteFallback: try model.present("byte_fallback")?.bool() ?? false)
  }
}

/// Reading a BPE model.
extension BPEModel {
  convenience init(json model: JSONField, _ document: TokenizerDocument) throws(ClozeError) {
    try document.check(isArray: false, model)
    guard let merges = document.merges else { throw ClozeError(.damaged, "\(model.path) has no merges") }
    if let field = try model.present("dropout"), try field.number() != 0 {
      throw ClozeError(
        .unsupportedTokenizer, "\(field.path) is \(try field.scalar()): a random choice is not supported")
    }
    let options = Options(
      unknownToken: try model.present("unk_token")?.text(),
      continuingPrefix: try model.present("continuing_subword_prefix")?.text() ?? [],
      wordSuffix: try model.present("end_of_word_suffix")?.text() ?? [],
      fusesUnknown: try model.present("fuse_unk")?.bool() ?? false,
      hasByteFallback: try model.present("byte_fallback")?.bool() ?? false,
      ignoresMerges: try model.present("ignore_merges")?.bool() ?? false)
    guard !options.hasByteFallback || options.continuingPrefix.isEmpty && options.wordSuffix.isEmpty else {
      throw ClozeError(
        .unsupportedTokenizer, "\(model.path).byte_fallback with a prefix or suffix of words is not supported")
    }
    try self.init(document.vocabulary, merges, options, path: model.path)
  }

  /// - Parameters:
  ///   - vocabulary: the tokens with their ids; of equal tokens the last counts.
  ///   - path: the model's name in messages.
  convenience init(
    _ vocabulary: Vocabulary.Builder, _ listed: [(bytes: ArraySlice<UInt8>, split: Int)], _ options: Options,
    path: String
  ) throws(ClozeError) {
    let distinct = Vocabulary(vocabulary, continuingPrefix: [], longestPiece: 0)
    let (tokens, ids) = distinct.sorted
    guard tokens.ids.count == distinct.count else {
      throw ClozeError(.damaged, "\(path).vocab gives two tokens the same id")
    }
    let table = try PieceTable(tokens, ids: ids, path: "\(path).vocab")
    var merges: [Merge] = []
    merges.reserveCapacity(listed.count)
    let prefix = options.continuingPrefix.count
    for (rank, merge) in listed.enumerated() {
      let first = merge.bytes.prefix(merge.split)
      let second = merge.bytes.dropFirst(merge.split)
      func id(_ token: some Collection<UInt8>) throws(ClozeError) -> Int32 {
        if let id = distinct.id(of: token) { return id }
        throw ClozeError(
          .damaged,
          "\(path).merges[\(rank)] needs the token \"\(String(decoding: token, as: UTF8.self))\", which \(path).vocab "
            + "does not have")
      }
      let ids = (try id(first), try id(second))
      guard second.count >= prefix else {
        throw ClozeError(.damaged, "\(path).merges[\(rank)] has a second token shorter than the prefix")
      }
      merges.append(
        Merge(
          first: ids.0, second: ids.1, rank: Int32(truncatingIfNeeded: rank),
          result: try prefix == 0 ? id(merge.bytes) : id(Array(first) + second.dropFirst(prefix))))
    }
    try self.init(table, options, merges: BPEModel.hashed(merges), owner: nil)
  }
}

/// A vocabulary in the order of ids.
extension Vocabulary {
  /// The tokens by ascending id, one for each id, and their ids; none where token `i` has id `i`.
  var sorted: (tokens: Builder, ids: [Int32]) {
    var tokens = Builder()
    var ids: [Int32] = []
    for index in order {
      _ = tokens.add(bytes(at: Int(index)), id: id(at: Int(index)))
      ids.append(id(at: Int(index)))
    }
    let dense = ids.indices.allSatisfy { ids[$0] == Int32(truncatingIfNeeded: $0) }
    return (tokens, dense ? [] : ids)
  }
}
