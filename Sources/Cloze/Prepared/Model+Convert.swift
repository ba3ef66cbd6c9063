internal import CClozeKernels
package import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

extension Model {
  /// Writes a model in its prepared form: one file, `.cloze`, that loads at once, because its weights
  /// are quantized and packed already and used where they are mapped, and that holds the tokenizer and
  /// all settings too.
  ///
  /// The file is the same whatever CPU wrote it. It is written under a temporary name and renamed when
  /// it is complete.
  ///
  /// - Parameters:
  ///   - source: as in `init(path:)`; nil: the built-in model.
  ///   - target: where the file goes; what is there is replaced.
  ///   - options: the precision of the weights, and a tokenizer in place of the one beside the model.
  public static func convert(
    _ source: String? = nil, to target: String, options: LoadOptions = LoadOptions()
  ) throws(ClozeError) {
    let image = try PreparedModel(source, options: options)
    let file = try AtomicFile(path: target)
    try image.write { bytes throws(ClozeError) in try file.append(bytes) }
    try file.commit()
  }
}

/// A model in its prepared form, on its way to a file.
package struct PreparedModel {
  private var image = PreparedImage()
  private let model: Model

  package init(_ source: String?, options: LoadOptions) throws(ClozeError) {
    let files = try ModelFiles(path: source)
    guard !PreparedFormat.isPrepared(path: files.model) else {
      throw ClozeError(.invalidArgument, "\(files.model) is prepared already")
    }
    var options = options
    var settings = try files.settings()
    if options.tokenizer == nil { options.tokenizer = try files.tokenizer(ofModel: &settings) }
    let graph = try Model.graph(files, settings)
    settings.follow(graph)
    let model = try Model(graph, tokenizer: options.tokenizer, settings: settings, options: options)
    self.model = model
    let sizes = PreparedConfiguration(graph, model, settings)
    try image.add(PreparedConfiguration.section, text: sizes.json)
    try image.add(ModelFacts.section, text: ModelFacts(graph).json { _ in })
    if let stored = model.tokenizer?.stored {
      try image.add(TokenizerSection.settings, copying: stored.settings)
      try image.add(TokenizerSection.text, copying: stored.text)
      try image.add(TokenizerSection.lengths, copying: stored.lengths)
      try image.add(TokenizerSection.ids, copying: stored.ids)
      try image.add(TokenizerSection.order, copying: stored.order)
    }
    try model.weights.add(to: &image, sizes)
  }

  /// Hands the whole file to `sink`, piece after piece.
  package func write<Failure: Error>(
    _ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void
  ) throws(Failure) {
    defer { withExtendedLifetime(model) {} }
    try image.write(sink)
  }
}
