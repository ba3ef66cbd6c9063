package import ClozeIO

/// A tokenizer in the form that a prepared model stores.
package struct StoredTokenizer {
  /// JSON of everything except the vocabulary, with the keys of tokenizer.json where it has them.
  package var settings: [UInt8]
  /// All tokens, each followed by a NUL.
  package var text: [UInt8]
  /// The length of each token in bytes, without the NUL.
  package var lengths: [UInt32]
  /// The id of each token.
  package var ids: [Int32]
  /// The tokens' indices, sorted by their bytes, so that loading does not sort.
  package var order: [UInt32]

  package init(settings: [UInt8], text: [UInt8], lengths: [UInt32], ids: [Int32], order: [UInt32]) {
    self.settings = settings
    self.text = text
    self.lengths = lengths
    self.ids = ids
    self.order = order
  }
}

/// Storing a tokenizer in a prepared model, and reading it back.
extension Tokenizer {
  /// The form from which `init(_ stored:)` makes an equal tokenizer.
  package var stored: StoredTokenizer {
    let tokens = vocabulary.builder
    return StoredTokenizer(
      settings: Array(definition.json.utf8), text: tokens.bytes, lengths: tokens.counts, ids: tokens.ids,
      order: tokens.order ?? [])
  }

  /// Makes a tokenizer from its stored form, trusting nothing in it.
  ///
  /// - Parameter options: Override what is stored.
  /// - Throws: `.invalidModel`.
  package convenience init(_ stored: StoredTokenizer, options: TokenizerOptions = TokenizerOptions())
    throws(ClozeError)
  {
    var definition = try TokenizerDefinition(stored: stored.settings)
    definition.vocabulary = try Vocabulary.Builder(stored)
    try self.init(definition, options)
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
      $0.object("normalizer") {
        $0.value("type", "BertNormalizer")
        $0.value("clean_text", normalizer.cleanText)
        $0.value("handle_chinese_chars", normalizer.handleChineseChars)
        if let strip = normalizer.stripAccents { $0.value("strip_accents", strip) }
        $0.value("lowercase", normalizer.lowercase)
      }
      $0.object("model") {
        $0.value("unk_token", text(unknownToken))
        $0.value("continuing_subword_prefix", text(continuingPrefix))
        $0.value("max_input_chars_per_word", longestWord)
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
      if splitSpecialTokens { $0.value("split_special_tokens", true) }
      template?.write(to: &$0)
    }
    return writer.text
  }

  fileprivate init(stored bytes: [UInt8]) throws(ClozeError) {
    let root = try JSONField(parsing: bytes, name: "tokenizer")
    self.init(source: try root.required("source").string())
    normalizer = try readNormalizer(root.required("normalizer"))
    let model = try root.required("model")
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
