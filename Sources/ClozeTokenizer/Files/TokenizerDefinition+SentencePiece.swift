internal import ClozeIO

/// Reading a sentencepiece model.
extension TokenizerDefinition {
  /// The tokenizer that transformers makes of a sentencepiece.bpe.model: XLM-R's or CamemBERT's, which number the
  /// pieces of the file anew.
  ///
  /// - Throws: `.unsupportedTokenizer` for the classes of other tokenizers, and for models other than Unigram.
  init(sentencePiece bytes: [UInt8], config: TokenizerConfig) throws(ClozeError) {
    self.init(source: "sentencepiece.bpe.model")
    if let reason = config.refusal(of: Self.sentencePieceClasses) {
      throw ClozeError(.unsupportedTokenizer, reason)
    }
    let file = try SentencePieceFile(bytes, name: source)
    guard file.modelType == 1 else {
      throw ClozeError(
        .unsupportedTokenizer, "\(source): trainer_spec.model_type is \(file.modelType), only 1 (Unigram) is supported")
    }
    let isCamembert = config.tokenizerClass == "CamembertTokenizer"
    var tokens = Vocabulary.Builder()
    var scores: [Double] = []
    func add(_ token: some Collection<UInt8>, _ score: Double) throws(ClozeError) {
      guard tokens.add(token, id: Int32(truncatingIfNeeded: scores.count)) else {
        throw ClozeError(.damaged, "\(source) is too large")
      }
      scores.append(score)
    }
    func name(_ role: String, _ usual: String) -> [UInt8] { config.names[role]?.content ?? Array(usual.utf8) }
    let unknown = name("unk_token", "<unk>")
    if isCamembert {
      try add("<s>NOTUSED".utf8, 0)
      try add(name("pad_token", "<pad>"), 0)
      try add("</s>NOTUSED".utf8, 0)
      try add(unknown, 0)
      try add("<unk>NOTUSED".utf8, -100)
    } else {
      try add(name("bos_token", "<s>"), 0)
      try add(name("pad_token", "<pad>"), 0)
      try add(name("eos_token", "</s>"), 0)
      try add(unknown, 0)
    }
    // The first pieces are <unk>, <s> and </s>.
    for piece in file.pieces.dropFirst(isCamembert ? 1 : 3) { try add(piece.text, Double(piece.score)) }
    try add(name("mask_token", "<mask>"), 0)
    let table = try PieceTable(tokens, ids: [], scores: scores, path: "\(source): pieces")
    var stages = StageDefinition(
      splitters: [
        .split(.flags(ScalarFlags.whitespace), .removed, inverted: false),
        .metaspace(
          replacement: Array("\u{2581}".utf8), config.addsPrefixSpace == false ? .never : .always, splits: true),
      ],
      model: .unigram(
        UnigramModel(
          table, unknownScore: UnigramModel.unknownScore(scores), unknownID: 3, hasByteFallback: false)))
    let scheme = config.addsPrefixSpace == false ? "never" : "always"
    stages.splitter = JSONField.tree(
      #"{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","#
        + #""replacement":"\u2581","prepend_scheme":"\#(scheme)","split":true}]}"#)
    if !file.charsmap.isEmpty {
      stages.setCharsmap(try Charsmap(file.charsmap, path: "\(source): normalizer_spec.precompiled_charsmap"))
      stages.normalizer = JSONField.tree(
        #"{"type":"Precompiled","precompiled_charsmap":"\#(Base64.encoded(file.charsmap))"}"#)
    }
    self.stages = stages
    try takeRobertaNames(config) { table.id(of: $0) }
    if isCamembert {
      for name in ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"] { named.append(Array(name.utf8)) }
      if config.names["mask_token"] == nil {
        added.append(AddedToken(content: names.mask, takesLeft: true, special: true))
        named.removeAll { $0 == names.mask }
      }
    }
  }

  static let sentencePieceClasses: Set<String> = ["XLMRobertaTokenizer", "CamembertTokenizer"]
}

/// What is read of a sentencepiece model, a protocol buffer `ModelProto`.
///
/// Source: sentencepiece_model.proto: pieces = 1 (piece = 1, score = 2), trainer_spec = 2 (model_type = 3),
/// normalizer_spec = 3 (precompiled_charsmap = 2).
struct SentencePieceFile {
  private(set) var pieces: [(text: ArraySlice<UInt8>, score: Float)] = []
  /// 1 where it is not said: Unigram.
  private(set) var modelType = 1
  private(set) var charsmap: [UInt8] = []

  /// - Throws: `.damaged` with the byte where the file is no such message.
  init(_ bytes: [UInt8], name: String) throws(ClozeError) {
    var reader = MessageReader(bytes[...], name: name)
    while let field = try reader.next() {
      switch (field.number, field.value) {
      case (1, .bytes(let message)):
        var piece: (text: ArraySlice<UInt8>, score: Float) = ([], 0)
        var part = MessageReader(message, name: name)
        while let field = try part.next() {
          switch (field.number, field.value) {
          case (1, .bytes(let text)): piece.text = text
          case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
          default: break
          }
        }
        if UTF8Scan.firstInvalid(piece.text) != nil {
          throw ClozeError(.damaged, "\(name): pieces[\(pieces.count)].piece is not UTF-8")
        }
        guard piece.score.isFinite else {
          throw ClozeError(.damaged, "\(name): pieces[\(pieces.count)].score is not a number")
        }
        pieces.append(piece)
      case (2, .bytes(let message)):
        var part = MessageReader(message, name: name)
        while let field = try part.next() {
          if field.number == 3, case .number(let type) = field.value { modelType = Int(clamping: type) }
        }
      case (3, .bytes(let message)):
        var part = MessageReader(message, name: name)
        while let field = try part.next() {
          if field.number == 2, case .bytes(let map) = field.value { charsmap = Array(map) }
        }
      default: break
      }
    }
    guard !pieces.isEmpty else { throw ClozeError(.damaged, "\(name): no pieces") }
  }

  /// The fields of a protocol buffer.
  private struct MessageReader {
    enum Value {
      case number(UInt64)
      case fixed32(UInt32)
      case bytes(ArraySlice<UInt8>)
      case other
    }

    private let bytes: ArraySlice<UInt8>
    private let name: String
    private var at: Int

    init(_ bytes: ArraySlice<UInt8>, name: String) {
      self.bytes = bytes
      self.name = name
      at = bytes.startIndex
    }

    private func damaged() -> ClozeError { ClozeError(.damaged, "\(name): not a sentencepiece model at byte \(at)") }

    /// The next field, nil at the end.
    mutating func next() throws(ClozeError) -> (number: Int, value: Value)? {
      if at == bytes.endIndex { return nil }
      let key = try varint()
      guard key >> 3 > 0, key >> 3 < 1 << 29 else { throw damaged() }
      let number = Int(key >> 3)
      switch key & 7 {
      case 0: return (number, .number(try varint()))
      case 1:
        _ = try take(8)
        return (number, .other)
      case 2:
        let count = try varint()
        guard count <= UInt64(bytes.endIndex &- at) else { throw damaged() }
        return (number, .bytes(try take(Int(count))))
      case 5:
        var bits: UInt32 = 0
        for (i, byte) in try take(4).enumerated() { bits |= UInt32(byte) << UInt32(i &* 8) }
        return (number, .fixed32(bits))
      default: throw damaged()
      }
    }

    private mutating func take(_ count: Int) throws(ClozeError) -> ArraySlice<UInt8> {
      guard count <= bytes.endIndex &- at else { throw damaged() }
      defer { at &+= count }
      return bytes[at..<at &+ count]
    }

    private mutating func varint() throws(ClozeError) -> UInt64 {
      var value: UInt64 = 0
      for shift in stride(from: UInt64(0), to: 70, by: 7) {
        guard at < bytes.endIndex else { throw damaged() }
        let byte = bytes[at]
        at &+= 1
        value |= UInt64(byte & 0x7F) << shift
        if byte & 0x80 == 0 { return value }
      }
      throw damaged()
    }
  }
}
