public import ClozeIO
internal import ClozeTokenizer

/// The files of a WordPiece tokenizer, as BertTokenizerFast of Hugging Face's transformers writes them.
package struct WordPieceFiles {
  /// In the order of their ids.
  var pieces: [String]
  var lowercase: Bool
  /// nil: as `lowercase`.
  var stripAccents: Bool?

  /// The files that are written.
  package static let fileNames = ["vocab.txt", "tokenizer_config.json", "tokenizer.json"]

  /// Refuses a folder with a tokenizer, which is not replaced unless that is wanted, and one whose files are read.
  package static func check(folder: String, overwrite: Bool, inputs: [String] = []) throws(ClozeError) {
    if try FileKind(folder) == .file { throw ClozeError(.invalidArgument, "\(folder) is a file, not a folder") }
    for name in fileNames {
      let path = joined(folder, name)
      try refuse(writing: path, over: inputs)
      if !overwrite, try FileKind(path) != .missing {
        throw ClozeError(
          .invalidArgument, "\(folder) has a tokenizer, \(name): write to another folder (--overwrite replaces it)")
      }
    }
  }

  /// Writes vocab.txt, tokenizer_config.json and tokenizer.json, each replaced atomically once it is complete; see
  /// `LearnedVocabulary.write`.
  package func write(to folder: String, overwrite: Bool, interruption: (any TemporaryFileGuard)? = nil)
    throws(ClozeError)
  {
    try Self.check(folder: folder, overwrite: overwrite)
    try makeFolder(folder)
    var lines: [UInt8] = []
    for piece in pieces {
      lines += piece.utf8
      lines.append(0x0A)
    }
    // tokenizer.json is looked for first, and so comes last.
    for (name, content) in zip(Self.fileNames, [lines, config, tokenizer]) {
      let file = try AtomicFile(path: joined(folder, name), interruption: interruption)
      try file.append(content)
      try file.commit()
    }
  }

  /// The special tokens with their ids.
  private var specialTokens: [(id: Int, token: String)] {
    VocabularyTrainer.specialTokens.compactMap { token in pieces.firstIndex(of: token).map { ($0, token) } }
  }

  /// The special tokens as they stand in both files.
  private static let flags =
    #""single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}"#

  private var config: [UInt8] {
    let tokens = specialTokens.map { id, token in
      #""\#(id)":{"content":"\#(token)",\#(Self.flags)"#
    }
    return Array(
      (#"{"added_tokens_decoder":{"# + tokens.joined(separator: ",")
        + #"},"clean_up_tokenization_spaces":true,"cls_token":"[CLS]","do_lower_case":\#(lowercase),"#
        + #""mask_token":"[MASK]","pad_token":"[PAD]","sep_token":"[SEP]","strip_accents":\#(accents),"#
        + #""tokenize_chinese_chars":true,"tokenizer_class":"BertTokenizer","unk_token":"[UNK]"}"# + "\n").utf8)
  }

  private var tokenizer: [UInt8] {
    let tokens = specialTokens.map { id, token in
      #"{"id":\#(id),"content":"\#(token)",\#(Self.flags)"#
    }
    let begin =
      #"{"version":"1.0","truncation":null,"padding":null,"added_tokens":["# + tokens.joined(separator: ",")
      + #"],"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"#
      + #""strip_accents":\#(accents),"lowercase":\#(lowercase)},"# + stages + #","model":{"type":"WordPiece","#
      + ###""unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":"###
    var vocabulary = JSONWriter()
    vocabulary.object { for (id, piece) in pieces.enumerated() { $0.value(piece, id) } }
    return begin.utf8 + vocabulary.bytes + "}}\n".utf8
  }

  /// What follows the normalizer: [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with type 1
  /// from B on.
  private var stages: String {
    func id(_ token: String) -> Int { specialTokens.first { $0.token == token }?.id ?? 0 }
    return #""pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"TemplateProcessing","single":["#
      + #"{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},"#
      + #"{"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[{"SpecialToken":{"id":"[CLS]","type_id":0}},"#
      + #"{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}},"#
      + #"{"Sequence":{"id":"B","type_id":1}},{"SpecialToken":{"id":"[SEP]","type_id":1}}],"special_tokens":{"#
      + #""[CLS]":{"id":"[CLS]","ids":[\#(id("[CLS]"))],"tokens":["[CLS]"]},"#
      + #""[SEP]":{"id":"[SEP]","ids":[\#(id("[SEP]"))],"tokens":["[SEP]"]}}},"#
      + ###""decoder":{"type":"WordPiece","prefix":"##","cleanup":true}"###
  }

  private var accents: String { stripAccents.map { $0 ? "true" : "false" } ?? "null" }
}

/// Writing what was learned.
extension LearnedVocabulary {
  /// Writes vocab.txt, tokenizer_config.json and tokenizer.json, each replaced atomically once it is complete.
  ///
  /// - Parameters:
  ///   - folder: made where it is missing; the one above it must exist.
  ///   - overwrite: whether a tokenizer that is there is replaced.
  /// - Throws: `.invalidArgument` where there is one; `.io`.
  public func write(to folder: String, overwrite: Bool = false) throws(ClozeError) {
    try files.write(to: folder, overwrite: overwrite)
  }

  /// What is written.
  package var files: WordPieceFiles {
    WordPieceFiles(pieces: pieces, lowercase: lowercase, stripAccents: stripAccents)
  }
}

extension WordPieceFiles {
  /// The files of a tokenizer that was read.
  ///
  /// - Throws: `.unsupportedModel` where these files do not say what it does.
  init(_ tokenizer: Tokenizer) throws(ClozeError) {
    guard let plain = tokenizer.plainWordPiece else {
      throw ClozeError(
        .unsupportedModel,
        "the tokenizer is not a plain BERT tokenizer (WordPiece, [CLS], [SEP], [MASK], [PAD] and [UNK], ids without "
          + "gaps), and cannot be written beside the model")
    }
    self.init(pieces: plain.pieces, lowercase: tokenizer.lowercase, stripAccents: plain.stripAccents)
  }
}
