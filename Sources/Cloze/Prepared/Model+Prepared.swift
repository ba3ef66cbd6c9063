internal import CClozeKernels
internal import ClozeIO
internal import ClozeTokenizer

internal import Glibc

/// What the sections of a prepared model mean.
extension PreparedFile {
  /// Maps a file and reads its table; `check` verifies the sections.
  init(path: String) throws(ClozeError) { try self.init(MappedFile(mapping: path), name: path) }

  /// The configuration and settings of the model.
  mutating func configuration() throws(ClozeError) -> PreparedConfiguration {
    let json = Array(try bytes(PreparedConfiguration.section))
    return try parsed { () throws(ClozeError) in try PreparedConfiguration(json) }
  }

  /// The stored tokenizer; nil where there is none. Options override its own.
  mutating func tokenizer(options: TokenizerOptions = TokenizerOptions()) throws(ClozeError) -> Tokenizer? {
    guard contains(TokenizerSection.settings) else { return nil }
    if contains(TokenizerSection.trie) {
      let settings = Array(try bytes(TokenizerSection.settings))
      let hasScores = contains(TokenizerSection.scores)
      let tables = StoredTokenizer.Tables(
        text: try bytes(TokenizerSection.text), offsets: try bytes(TokenizerSection.offsets),
        ids: contains(TokenizerSection.ids)
          ? try bytes(TokenizerSection.ids) : UnsafeRawBufferPointer(start: nil, count: 0),
        trie: try bytes(TokenizerSection.trie),
        values: try bytes(hasScores ? TokenizerSection.scores : TokenizerSection.merges), hasScores: hasScores,
        owner: storage)
      return try parsed { () throws(ClozeError) in
        try Tokenizer(StoredTokenizer(settings: settings, tables: tables), options: options)
      }
    }
    let stored = StoredTokenizer(
      settings: Array(try bytes(TokenizerSection.settings)), text: Array(try bytes(TokenizerSection.text)),
      lengths: try array(TokenizerSection.lengths, of: UInt32.self),
      ids: try array(TokenizerSection.ids, of: Int32.self), order: try array(TokenizerSection.order, of: UInt32.self))
    return try parsed { () throws(ClozeError) in try Tokenizer(stored, options: options) }
  }

  /// The facts of the file that the model was converted from.
  mutating func provenance() throws(ClozeError) -> ModelProvenance {
    let json = Array(try bytes(ModelProvenance.section))
    return try parsed { () throws(ClozeError) in try ModelProvenance(json) }
  }

  /// The bytes of all sections of weights.
  var weightBytes: Int {
    let texts =
      TokenizerSection.all + [PreparedConfiguration.section, ModelProvenance.section, HeadSection.description]
    return names.reduce(0) { $0 + (texts.contains($1) ? 0 : section($1)?.range.count ?? 0) }
  }

  /// Calls `body`; its error also names the file.
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
  /// Of models other than WordPiece, in place of lengths and order.
  static let offsets = "tokenizer.offsets"
  static let trie = "tokenizer.trie"
  static let scores = "tokenizer.scores"
  static let merges = "tokenizer.merges"
  static let all = [settings, text, lengths, ids, order, offsets, trie, scores, merges]

  /// Adds the sections of a tokenizer, whose tables the image refers to.
  static func add(_ stored: StoredTokenizer, to image: inout PreparedImage) throws(ClozeError) {
    try image.add(settings, copying: stored.settings)
    if let tables = stored.tables {
      image.add(text, tables.text)
      image.add(offsets, tables.offsets)
      if !tables.ids.isEmpty { image.add(ids, tables.ids) }
      image.add(trie, tables.trie)
      image.add(tables.hasScores ? scores : merges, tables.values)
      return
    }
    try image.add(text, copying: stored.text)
    try image.add(lengths, copying: stored.lengths)
    try image.add(ids, copying: stored.ids)
    try image.add(order, copying: stored.order)
  }
}

/// Loading a prepared model.
extension Model {
  /// The model in a prepared file, whose weights are used in place.
  convenience init(prepared: PreparedFile, options: LoadOptions, modelName: String? = nil) throws(ClozeError) {
    var file = prepared
    try file.check(threads: options.loadingThreads)
    let sizes = try file.configuration()
    guard options.precision == nil || options.precision == sizes.precision else {
      throw ClozeError(
        .invalidArgument,
        "\(file.name) has \(sizes.precision.word) weights, \((options.precision ?? sizes.precision).word) is "
          + "required; convert the model again with that precision")
    }
    guard file.layout == PreparedFormat.layout else {
      throw ClozeError(
        .unsupportedModel,
        "\(file.name): weights are in layout \(file.layout), this library reads layout "
          + "\(PreparedFormat.layout); convert the model again with this library")
    }
    let kernels = try Kernels.choose(options.isa)
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    let weights = try Weights(&file, sizes)
    var settings = sizes.settings
    settings.name = modelName
    settings.trainedHead = try file.trainedHead()
    let stored = try file.tokenizer()
    _ = try file.bytes(ModelProvenance.section)
    try file.checkAllRead()
    try self.init(
      weights, sizes.model, kernels: kernels, precision: sizes.precision, tokenizer: options.tokenizer ?? stored,
      settings: settings)
  }
}
