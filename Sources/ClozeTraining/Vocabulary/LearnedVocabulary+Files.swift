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
    throws(ClozeError) {
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

  private var config: [UInt8] {
    JSONWriter.line { writer in
      writer.object("added_tokens_decoder") { writer in
        for (id, token) in specialTokens {
          writer.object("\(id)") { Self.write(token, to: &$0) }
        }
      }
      writer.value("clean_up_tokenization_spaces", true)
      writer.value("cls_token", "[CLS]")
      writer.value("do_lower_case", lowercase)
      writer.value("mask_token", "[MASK]")
      writer.value("pad_token", "[PAD]")
      writer.value("sep_token", "[SEP]")
      writeStripAccents(to: &writer)
      writer.value("tokenize_chinese_chars", true)
      writer.value("tokenizer_class", "BertTokenizer")
      writer.value("unk_token", "[UNK]")
    }
  }

  private var tokenizer: [UInt8] {
    JSONWriter.line { writer in
      writer.value("version", "1.0")
      writer.value("truncation", .null)
      writer.value("padding", .null)
      writer.array("added_tokens") { writer in
        for (id, token) in specialTokens {
          writer.object { writer in
            writer.value("id", id)
            Self.write(token, to: &writer)
          }
        }
      }
      writer.object("normalizer") { writer in
        writer.value("type", "BertNormalizer")
        writer.value("clean_text", true)
        writer.value("handle_chinese_chars", true)
        writeStripAccents(to: &writer)
        writer.value("lowercase", lowercase)
      }
      writer.object("pre_tokenizer") { $0.value("type", "BertPreTokenizer") }
      writer.object("post_processor") { writeTemplate(to: &$0) }
      writer.object("decoder") { writer in
        writer.value("type", "WordPiece")
        writer.value("prefix", "##")
        writer.value("cleanup", true)
      }
      writer.object("model") { writer in
        writer.value("type", "WordPiece")
        writer.value("unk_token", "[UNK]")
        writer.value("continuing_subword_prefix", "##")
        writer.value("max_input_chars_per_word", 100)
        writer.object("vocab") { writer in
          for (id, piece) in pieces.enumerated() { writer.value(piece, id) }
        }
      }
    }
  }

  private func writeStripAccents(to writer: inout JSONWriter) {
    if let stripAccents { writer.value("strip_accents", stripAccents) } else { writer.value("strip_accents", .null) }
  }

  private static func write(_ token: String, to writer: inout JSONWriter) {
    writer.value("content", token)
    for (key, flag) in [
      ("single_word", false), ("lstrip", false), ("rstrip", false), ("normalized", false), ("special", true),
    ] { writer.value(key, flag) }
  }

  /// [CLS] A [SEP], and [CLS] A [SEP] B [SEP] with type 1 from B on.
  private func writeTemplate(to writer: inout JSONWriter) {
    let single = [("[CLS]", 0), ("A", 0), ("[SEP]", 0)]
    writer.value("type", "TemplateProcessing")
    for (name, parts) in [("single", single), ("pair", single + [("B", 1), ("[SEP]", 1)])] {
      writer.array(name) { writer in
        for (id, type) in parts {
          writer.object { writer in
            writer.object(id.hasPrefix("[") ? "SpecialToken" : "Sequence") { writer in
              writer.value("id", id)
              writer.value("type_id", type)
            }
          }
        }
      }
    }
    writer.object("special_tokens") { writer in
      for (id, token) in specialTokens where token == "[CLS]" || token == "[SEP]" {
        writer.object(token) { writer in
          writer.value("id", token)
          writer.array("ids", [id])
          writer.array("tokens", [token])
        }
      }
    }
  }
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
