internal import ClozeIO

/// Reading a vocab.json with its merges.txt.
extension TokenizerDefinition {
  /// The tokenizer that transformers makes of the two files: RoBERTa's byte-level BPE.
  ///
  /// - Throws: `.unsupportedTokenizer` for the classes of other tokenizers.
  init(vocabularyJSON: [UInt8], merges: [UInt8], config: TokenizerConfig) throws(ClozeError) {
    self.init(source: "vocab.json")
    if let reason = config.refusal(of: Self.bytePairClasses) { throw ClozeError(.unsupportedTokenizer, reason) }
    var tokens = Vocabulary.Builder()
    var parser = try JSONParser(vocabularyJSON, name: source)
    guard try parser.kind() == .object else {
      throw ClozeError(
        .damaged, "vocab.json: it is \(try parser.kind().rawValue), an object from tokens to ids was expected")
    }
    try parser.object { (key, parser) throws(ClozeError) in
      guard try parser.kind() == .number else {
        throw JSONField(value: try parser.value(), path: "vocab.json[\"\(key.string)\"]").mismatch("a number")
      }
      let id = try JSONField.id(parser.number(), "vocab.json[\"\(key.string)\"]")
      guard tokens.add(key.decoded, id: id) else { throw ClozeError(.damaged, "vocab.json is too large") }
    }
    try parser.end()
    guard !tokens.ids.isEmpty else { throw ClozeError(.damaged, "vocab.json is empty") }
    if let place = UTF8Scan.firstInvalid(merges) {
      throw ClozeError(.damaged, "merges.txt is not valid UTF-8 at byte \(place)")
    }
    var listed: [(bytes: ArraySlice<UInt8>, split: Int)] = []
    for (number, line) in merges.split(separator: 0x0A).enumerated() {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.isEmpty { continue }
      if let merge = try MergeList.parse(line, "merges.txt, line \(number + 1),") { listed.append(merge) }
    }
    let bpe = try BPEModel(tokens, listed, BPEModel.Options(), path: source)
    let addsSpace = config.addsPrefixSpace ?? false
    var stages = StageDefinition(splitters: [.byteLevel(addsSpace: addsSpace, splits: true)], model: .bpe(bpe))
    stages.splitter = JSONField.tree(#"{"type":"ByteLevel","add_prefix_space":\#(addsSpace),"use_regex":true}"#)
    self.stages = stages
    if config.trimsOffsets ?? true { trims = [addsSpace] }
    try takeRobertaNames(config) { bpe.table.id(of: $0) }
  }

  static let bytePairClasses: Set<String> = ["RobertaTokenizer", "LongformerTokenizer", "BartTokenizer"]

  /// The special tokens and the template of RoBERTa, whose names the files may change.
  mutating func takeRobertaNames(_ config: TokenizerConfig, _ id: ([UInt8]) -> Int32?) throws(ClozeError) {
    unknownToken = config.names["unk_token"]?.content ?? Array("<unk>".utf8)
    names = SpecialNames(
      cls: Array("<s>".utf8), sep: Array("</s>".utf8), mask: Array("<mask>".utf8), pad: Array("<pad>".utf8))
    take(config)
    var all = [names.cls, names.sep, unknownToken, names.pad, names.mask]
    for (role, name) in [("bos_token", "<s>"), ("eos_token", "</s>")] where config.names[role] == nil {
      all.append(Array(name.utf8))
    }
    for name in all where !named.contains(name) { named.append(name) }
    guard let cls = id(names.cls), let sep = id(names.sep) else {
      let missing = id(names.cls) == nil ? names.cls : names.sep
      throw ClozeError(.missingToken, "\(source) has no \(String(decoding: missing, as: UTF8.self))")
    }
    template = .roberta(cls: cls, sep: sep)
  }
}

/// JSON in source.
extension JSONField {
  /// The tree of a text, null where it is not JSON.
  static func tree(_ text: String) -> JSONValue {
    (try? JSONField(parsing: Array(text.utf8), name: ""))?.value ?? .null
  }
}
