package import ClozeIO

/// A tokenizer in the form that a prepared model stores.
package struct StoredTokenizer {
  /// JSON of everything except the vocabulary, with the keys of tokenizer.json where it has them.
  package var settings: [UInt8]
  /// All tokens of WordPiece, each followed by a NUL.
  package var text: [UInt8] = []
  /// The length of each token in bytes, without the NUL.
  package var lengths: [UInt32] = []
  /// The id of each token.
  package var ids: [Int32] = []
  /// The tokens' indices, sorted by their bytes, so that loading does not sort.
  package var order: [UInt32] = []
  /// The tokens of other models.
  package var tables: Tables?

  /// The tables of a Unigram or BPE model, which are used in place.
  package struct Tables {
    /// All tokens, each followed by a NUL.
    package var text: UnsafeRawBufferPointer
    /// Where each token begins, and the end of the last: 32 bits each.
    package var offsets: UnsafeRawBufferPointer
    /// The tokens' ids, ascending, 32 bits each; empty where token `i` has id `i`.
    package var ids: UnsafeRawBufferPointer
    /// A double array from tokens to ids; for Unigram with their scores.
    package var trie: UnsafeRawBufferPointer
    /// Unigram: the score of an unknown scalar, of 64 bits. BPE: the hash table of merges.
    package var values: UnsafeRawBufferPointer
    package var hasScores: Bool
    /// What the tables lie in.
    package var owner: AnyObject

    package init(
      text: UnsafeRawBufferPointer, offsets: UnsafeRawBufferPointer, ids: UnsafeRawBufferPointer,
      trie: UnsafeRawBufferPointer, values: UnsafeRawBufferPointer, hasScores: Bool, owner: AnyObject
    ) {
      self.text = text
      self.offsets = offsets
      self.ids = ids
      self.trie = trie
      self.values = values
      self.hasScores = hasScores
      self.owner = owner
    }
  }

  package init(settings: [UInt8], text: [UInt8], lengths: [UInt32], ids: [Int32], order: [UInt32]) {
    self.settings = settings
    self.text = text
    self.lengths = lengths
    self.ids = ids
    self.order = order
  }

  package init(settings: [UInt8], tables: Tables) {
    self.settings = settings
    self.tables = tables
  }
}

/// Storing a tokenizer in a prepared model, and reading it back.
extension Tokenizer {
  /// The form from which `init(_ stored:)` makes an equal tokenizer; its tables are valid as long as this.
  package var stored: StoredTokenizer {
    let settings = Array(definition.json.utf8)
    if let pipeline, let table = pipeline.table, let values = pipeline.model.values {
      return StoredTokenizer(
        settings: settings,
        tables: StoredTokenizer.Tables(
          text: UnsafeRawBufferPointer(table.text), offsets: UnsafeRawBufferPointer(table.offsets),
          ids: UnsafeRawBufferPointer(table.ids),
          trie: table.trie.bytes,
          values: values.bytes, hasScores: values.areScores, owner: pipeline))
    }
    let tokens = vocabulary.builder
    return StoredTokenizer(
      settings: settings, text: tokens.bytes, lengths: tokens.counts, ids: tokens.ids, order: tokens.order ?? [])
  }

  /// Makes a tokenizer from its stored form, trusting nothing in it.
  ///
  /// - Parameter options: Override what is stored.
  /// - Throws: `.invalidModel`.
  package convenience init(_ stored: StoredTokenizer, options: TokenizerOptions = TokenizerOptions())
    throws(ClozeError)
  {
    var definition = try TokenizerDefinition(stored: stored.settings, tables: stored.tables)
    if stored.tables == nil { definition.vocabulary = try Vocabulary.Builder(stored) }
    try self.init(definition, options)
  }
}

/// The tables of models.
extension Pipeline.Model {
  /// The scores, or the merges.
  fileprivate var values: (bytes: UnsafeRawBufferPointer, areScores: Bool)? {
    switch self {
    case .wordPiece: nil
    case .unigram(let model): (model.scoreBytes, true)
    case .bpe(let model): (UnsafeRawBufferPointer(model.stored), false)
    }
  }

  /// The name and the options of a model, with the keys of tokenizer.json.
  fileprivate func write(to writer: inout JSONWriter) {
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    switch self {
    case .wordPiece: writer.value("type", "WordPiece")
    case .unigram(let model):
      writer.value("type", "Unigram")
      if let id = model.unknownID { writer.value("unk_id", Int(id)) }
      writer.value("byte_fallback", model.hasByteFallback)
    case .bpe(let model):
      writer.value("type", "BPE")
      if let token = model.options.unknownToken { writer.value("bpe_unk_token", text(token)) }
      writer.value("bpe_continuing_subword_prefix", text(model.options.continuingPrefix))
      writer.value("end_of_word_suffix", text(model.options.wordSuffix))
      writer.value("fuse_unk", model.options.fusesUnknown)
      writer.value("byte_fallback", model.options.hasByteFallback)
      writer.value("ignore_merges", model.options.ignoresMerges)
    }
  }

  fileprivate init(stored field: JSONField, _ tables: StoredTokenizer.Tables?) throws(ClozeError) {
    let type = try field.required("type").string()
    if type == "WordPiece" {
      self = .wordPiece
      return
    }
    guard let tables else { throw ClozeError(.damaged, "\(field.path).type is \"\(type)\", whose tables are missing") }
    func table<T: BitwiseCopyable>(_ bytes: UnsafeRawBufferPointer, of type: T.Type, _ name: String) throws(ClozeError)
      -> UnsafeBufferPointer<T>
    {
      guard bytes.count % MemoryLayout<T>.stride == 0,
        Int(bitPattern: bytes.baseAddress) % MemoryLayout<T>.alignment == 0
      else { throw ClozeError(.damaged, "the table of \(name) has \(bytes.count) bytes") }
      return bytes.bindMemory(to: type)
    }
    func trie() throws(ClozeError) -> DoubleArray {
      if tables.hasScores {
        let units = try table(tables.trie, of: DoubleArray.Wide.self, "the trie")
        if let base = units.baseAddress, units.count > 0 { return DoubleArray(wide: base, count: units.count) }
      } else {
        let units = try table(tables.trie, of: UInt32.self, "the trie")
        if let base = units.baseAddress, units.count > 0 { return DoubleArray(base, count: units.count) }
      }
      throw ClozeError(.damaged, "the trie of the tokens is empty")
    }
    let pieces = try PieceTable(
      text: table(tables.text, of: UInt8.self, "texts"), offsets: table(tables.offsets, of: UInt32.self, "offsets"),
      ids: table(tables.ids, of: Int32.self, "ids"), trie: trie(), owner: tables.owner)
    switch type {
    case "Unigram" where tables.hasScores:
      var unknown: Int32?
      if let field = try field.present("unk_id") {
        let id = try field.id()
        guard Int(id) < pieces.count else { throw ClozeError(.damaged, "\(field.path) is \(id)") }
        unknown = id
      }
      let scores = try table(tables.values, of: Double.self, "scores")
      guard scores.count == 1 else { throw ClozeError(.damaged, "there are \(scores.count) scores of unknown text") }
      self = .unigram(
        UnigramModel(
          pieces, unknownScore: scores[0], unknownID: unknown,
          hasByteFallback: try field.required("byte_fallback").bool()))
    case "BPE" where !tables.hasScores:
      let options = BPEModel.Options(
        unknownToken: try field.present("bpe_unk_token")?.text(),
        continuingPrefix: try field.required("bpe_continuing_subword_prefix").text(),
        wordSuffix: try field.required("end_of_word_suffix").text(),
        fusesUnknown: try field.required("fuse_unk").bool(),
        hasByteFallback: try field.required("byte_fallback").bool(),
        ignoresMerges: try field.required("ignore_merges").bool())
      self = .bpe(
        try BPEModel(
          pieces, options, merges: table(tables.values, of: BPEModel.Merge.self, "merges"), owner: tables.owner))
    default:
      throw ClozeError(.damaged, "\(field.path).type is \"\(type)\", which is unknown, or not that of its tables")
    }
  }
}

/// Storing a vocabulary.
extension Vocabulary {
  /// The distinct tokens with their order.
  var builder: Builder {
    var builder = Builder()
    for i in 0..<count { _ = builder.add(bytes(at: i), id: id(at: i)) }
    builder.order = (0..<UInt32(truncatingIfNeeded: count)).sorted {
      bytes(at: Int($0)).lexicographicallyPrecedes(bytes(at: Int($1)))
    }
    return builder
  }
}

/// Reading a stored vocabulary.
extension Vocabulary.Builder {
  fileprivate init(_ stored: StoredTokenizer) throws(ClozeError) {
    func refuse(_ reason: String) -> ClozeError { ClozeError(.damaged, "the vocabulary \(reason)") }
    let count = stored.lengths.count
    guard count > 0, stored.ids.count == count, stored.order.count == count else {
      throw refuse("has \(count) lengths, \(stored.ids.count) ids and \(stored.order.count) sorted indices")
    }
    guard stored.text.count < Int(Int32.max) - 64 else { throw refuse("is too large") }
    if let negative = stored.ids.firstIndex(where: { $0 < 0 || $0 == .max }) {
      throw refuse("gives token \(negative) the id \(stored.ids[negative])")
    }
    self.init()
    bytes = stored.text
    counts = stored.lengths
    ids = stored.ids
    order = stored.order
    offsets = []
    offsets.reserveCapacity(count)
    let problem = bytes.withUnsafeBufferPointer { text -> String? in
      var at = 0
      for (i, length) in counts.enumerated() {
        offsets.append(UInt32(truncatingIfNeeded: at))
        let (end, overflow) = at.addingReportingOverflow(Int(length))
        guard !overflow, end < text.count, text[end] == 0 else { return "does not end token \(i) with a zero byte" }
        at = end &+ 1
      }
      guard at == text.count else { return "has bytes after its last token" }
      if let place = UTF8Scan.firstInvalid(text) { return "is not UTF-8 at byte \(place)" }
      // Strictly ascending, and as many as there are tokens: every token once.
      var before: UnsafeBufferPointer<UInt8>?
      for index in stored.order {
        guard index < count else { return "sorts token \(index), it has \(count)" }
        let offset = Int(offsets[Int(index)])
        let token = UnsafeBufferPointer(rebasing: text[offset..<(offset &+ Int(counts[Int(index)]))])
        if let before, !isLess(before, token) { return "is not in order at token \(index)" }
        before = token
      }
      return nil
    }
    if let problem { throw refuse(problem) }
  }
}

/// Whether `a` is less than `b`, byte by byte.
private func isLess(_ a: UnsafeBufferPointer<UInt8>, _ b: UnsafeBufferPointer<UInt8>) -> Bool {
  let common = min(a.count, b.count)
  var i = 0
  while i < common && a[i] == b[i] { i &+= 1 }
  return i < common ? a[i] < b[i] : a.count < b.count
}

/// A definition as JSON.
extension TokenizerDefinition {
  /// Everything except the vocabulary.
  fileprivate var json: String {
    var writer = JSONWriter()
    func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
    writer.object {
      $0.value("source", source)
      if let stages {
        if let normalizer = stages.normalizer { $0.value("normalizer", normalizer) }
        if let splitter = stages.splitter { $0.value("pre_tokenizer", splitter) }
        stages.casing.write(to: &$0)
      }
      if stages == nil {
        $0.object("normalizer") {
          $0.value("type", "BertNormalizer")
          $0.value("clean_text", normalizer.cleanText)
          $0.value("handle_chinese_chars", normalizer.handleChineseChars)
          if let strip = normalizer.stripAccents { $0.value("strip_accents", strip) }
          $0.value("lowercase", normalizer.lowercase)
        }
      }
      $0.object("model") {
        $0.value("unk_token", text(unknownToken))
        $0.value("continuing_subword_prefix", text(continuingPrefix))
        $0.value("max_input_chars_per_word", longestWord)
        stages?.model.write(to: &$0)
      }
      $0.array("added_tokens") {
        for token in added {
          $0.object {
            $0.value("content", text(token.content))
            $0.value("single_word", token.singleWord)
            $0.value("lstrip", token.takesLeft)
            $0.value("rstrip", token.takesRight)
            $0.value("normalized", token.normalized)
            $0.value("special", token.special)
          }
        }
      }
      $0.array("special_tokens") { for name in named { $0.value(nil, text(name)) } }
      $0.value("cls_token", text(names.cls))
      $0.value("sep_token", text(names.sep))
      $0.value("mask_token", text(names.mask))
      $0.value("pad_token", text(names.pad))
      if let modelMaxLength { $0.value("model_max_length", modelMaxLength) }
      if !trims.isEmpty { $0.array("trim_offsets") { for addsSpace in trims { $0.value(nil, addsSpace) } } }
      if truncatesLeft { $0.value("truncation_side", "left") }
      if splitSpecialTokens { $0.value("split_special_tokens", true) }
      template?.write(to: &$0)
    }
    return writer.text
  }

  fileprivate init(stored bytes: [UInt8], tables: StoredTokenizer.Tables?) throws(ClozeError) {
    let root = try JSONField(parsing: bytes, name: "tokenizer")
    self.init(source: try root.required("source").string())
    let model = try root.required("model")
    if try model.present("type") == nil {
      guard tables == nil else { throw ClozeError(.damaged, "\(model.path) has no type") }
      normalizer = try readNormalizer(root.required("normalizer"))
    } else {
      stages = try StageDefinition(root)
      stages?.model = try Pipeline.Model(stored: model, tables)
      stages?.casing = try StageDefinition.Casing(root)
    }
    for element in try root.present("trim_offsets")?.elements() ?? [] { trims.append(try element.bool()) }
    truncatesLeft = try root.present("truncation_side")?.string() == "left"
    unknownToken = try model.required("unk_token").text()
    continuingPrefix = try model.required("continuing_subword_prefix").text()
    longestWord = Int(try model.required("max_input_chars_per_word").id())
    for element in try root.required("added_tokens").elements() { added.append(try AddedToken(json: element)) }
    for element in try root.required("special_tokens").elements() { named.append(try element.text()) }
    names.cls = try root.required("cls_token").text()
    names.sep = try root.required("sep_token").text()
    names.mask = try root.required("mask_token").text()
    names.pad = try root.required("pad_token").text()
    if let field = try root.present("model_max_length") { modelMaxLength = Int(try field.id()) }
    splitSpecialTokens = try root.present("split_special_tokens")?.bool() ?? false
    if let field = try root.present("post_processor") { template = try readTemplate(field) }
  }
}

/// Casing as JSON.
extension StageDefinition.Casing {
  fileprivate func write(to writer: inout JSONWriter) {
    if self == StageDefinition.Casing() { return }
    writer.object("casing") {
      if let lowercase { $0.value("lowercase", lowercase) }
      if let stripAccents {
        if let strip = stripAccents {
          $0.value("strip_accents", strip)
        } else {
          $0.value("strip_accents", String?.none)
        }
      }
      if let handleChineseChars { $0.value("handle_chinese_chars", handleChineseChars) }
      if lowercasesFirst { $0.value("lowercase_first", true) }
    }
  }

  fileprivate init(_ root: JSONField) throws(ClozeError) {
    guard let field = try root.present("casing") else { return }
    lowercase = try field.present("lowercase")?.bool()
    if let strip = try field.member("strip_accents") {
      if case .null = strip.value { stripAccents = .some(nil) } else { stripAccents = try strip.bool() }
    }
    handleChineseChars = try field.present("handle_chinese_chars")?.bool()
    lowercasesFirst = try field.present("lowercase_first")?.bool() ?? false
  }
}

/// A template as JSON.
extension Template {
  /// Writes a `TemplateProcessing` that names its special tokens by number.
  fileprivate func write(to writer: inout JSONWriter) {
    var specials: [[Int32]] = []
    func write(_ pieces: [Piece], _ key: String, to writer: inout JSONWriter) {
      writer.array(key) {
        for piece in pieces {
          let (kind, name, type): (String, String, Int32) =
            switch piece {
            case .special(_, let typeID): ("SpecialToken", String(specials.count), typeID)
            case .first(let typeID): ("Sequence", "A", typeID)
            case .second(let typeID): ("Sequence", "B", typeID)
            }
          if case .special(let ids, _) = piece { specials.append(ids) }
          $0.object {
            $0.object(kind) {
              $0.value("id", name)
              $0.value("type_id", Int(type))
            }
          }
        }
      }
    }
    writer.object("post_processor") {
      $0.value("type", "TemplateProcessing")
      write(single, "single", to: &$0)
      write(pair, "pair", to: &$0)
      $0.object("special_tokens") {
        for (index, ids) in specials.enumerated() {
          $0.object(String(index)) { $0.array("ids") { for id in ids { $0.value(nil, Int(id)) } } }
        }
      }
    }
  }
}
