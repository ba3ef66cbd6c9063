internal import CClozeKernels
internal import ClozeIO
internal import ClozeTokenizer

internal import Glibc

// Reading a prepared model.

extension PreparedFile {
  /// Maps the file at a path and reads its table; sections are not checked yet.
  init(path: String) throws(ClozeError) {
    try self.init(MappedFile(mapping: path), name: path)
  }

  mutating func configuration() throws(ClozeError) -> PreparedConfiguration {
    let json = Array(try bytes(PreparedConfiguration.section))
    return try parsed { () throws(ClozeError) in try PreparedConfiguration(json) }
  }

  /// The tokenizer that was stored; nil where there is none.
  mutating func tokenizer() throws(ClozeError) -> Tokenizer? {
    guard contains(TokenizerSection.settings) else { return nil }
    let stored = StoredTokenizer(
      settings: Array(try bytes(TokenizerSection.settings)),
      text: Array(try bytes(TokenizerSection.text)),
      lengths: try array(TokenizerSection.lengths, of: UInt32.self),
      ids: try array(TokenizerSection.ids, of: Int32.self),
      order: try array(TokenizerSection.order, of: UInt32.self))
    return try parsed { () throws(ClozeError) in try Tokenizer(stored) }
  }

  /// What was known of the file that the model was made from.
  mutating func provenance() throws(ClozeError) -> ModelFacts {
    let json = Array(try bytes(ModelFacts.section))
    return try parsed { () throws(ClozeError) in try ModelFacts(json) }
  }

  /// Bytes of everything that is not text.
  var weightBytes: Int {
    let texts = TokenizerSection.all + [PreparedConfiguration.section, ModelFacts.section]
    return names.reduce(0) { $0 + (texts.contains($1) ? 0 : section($1)?.range.count ?? 0) }
  }

  /// What `body` finds wrong names the file too.
  private func parsed<T>(_ body: () throws(ClozeError) -> T) throws(ClozeError) -> T {
    do throws(ClozeError) { return try body() } catch { throw damaged(error.message) }
  }
}

/// The sections of a tokenizer.
enum TokenizerSection {
  static let settings = "tokenizer"
  static let text = "tokenizer.text"
  static let lengths = "tokenizer.lengths"
  static let ids = "tokenizer.ids"
  static let order = "tokenizer.order"
  static let all = [settings, text, lengths, ids, order]
}

extension Model {
  /// A prepared model, and what it was loaded from.
  convenience init(prepared: PreparedFile, options: LoadOptions) throws(ClozeError) {
    var file = prepared
    try file.check(threads: options.loadingThreads)
    let sizes = try file.configuration()
    guard options.precision == nil || options.precision == sizes.precision else {
      throw ClozeError(
        .invalidArgument,
        "\(file.name) holds \(sizes.precision.word) weights, others were asked for; convert the model "
          + "once more, with the other precision")
    }
    guard file.layout == PreparedFormat.layout else {
      throw ClozeError(
        .unsupportedModel,
        "\(file.name): weights lie in layout \(file.layout), this library knows "
          + "\(PreparedFormat.layout); convert the model again with this library")
    }
    let kernels = try Kernels.choose(options.isa)
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    let weights = try Weights(&file, sizes)
    let stored = try file.tokenizer()
    _ = try file.bytes(ModelFacts.section)
    try file.checkNothingIsLeft()
    try self.init(
      weights, sizes.model, kernels: kernels, precision: sizes.precision,
      tokenizer: options.tokenizer ?? stored, settings: sizes.settings)
  }
}
