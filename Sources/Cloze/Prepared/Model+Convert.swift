internal import CClozeKernels
package import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// Converting a model to a `.cloze` file.
extension Model {
  /// Writes a model in its prepared form, one `.cloze` file: weights quantized and packed, which loading maps
  /// and uses in place, the tokenizer, and all settings.
  ///
  /// The file does not depend on the CPU that writes it. It is written under a temporary name and renamed when
  /// it is complete.
  ///
  /// - Parameters:
  ///   - source: as in `init(path:)`; nil: the built-in model.
  ///   - target: the path of the file, which replaces an existing one, but none of the source's.
  ///   - head: a head that was trained on the model, to be stored with it.
  ///   - options: the precision of the weights, and a tokenizer in place of the one beside the model.
  public static func convert(
    _ source: String? = nil, to target: String, head: Head? = nil, options: LoadOptions = LoadOptions()
  ) throws(ClozeError) {
    try refuse(writing: target, over: Model.files(source))
    try refuseOtherSuffix(target, suffix: "cloze", format: "a prepared model")
    let image = try PreparedModel(source, head: head, options: options)
    let file = try AtomicFile(path: target)
    try image.write { bytes throws(ClozeError) in try file.append(bytes) }
    try file.commit()
  }
}

/// The prepared form of a model, to be written to a file.
package struct PreparedModel {
  private var image = PreparedImage()
  private let model: Model

  package init(_ source: String?, head: Head? = nil, options: LoadOptions) throws(ClozeError) {
    let files = try ModelFiles(path: source)
    guard !PreparedFormat.isPrepared(path: files.model) else {
      throw ClozeError(.invalidArgument, "\(files.model) is prepared already")
    }
    var options = options
    var settings = try files.settings()
    if options.tokenizer == nil { options.tokenizer = try files.tokenizer(ofModel: &settings) }
    let graph = try Model.graph(files, settings)
    try settings.follow(graph)
    var model = try Model(graph, tokenizer: options.tokenizer, settings: settings, options: options)
    if let head { model = try Model(model, head: head) }
    self.model = model
    var weights = model.weights
    weights.heads = weights.heads.filter { $0.value.arithmetic == .model }
    guard weights.isTied || weights.word.columns == nil else {
      throw ClozeError(
        .invalidArgument,
        "the decoder of the head is no longer the word table, which a .cloze file of this model cannot hold; "
          + "export model and head to ONNX, and convert that")
    }
    let sizes = PreparedConfiguration(weights, of: model, settings)
    try image.add(PreparedConfiguration.section, text: sizes.json)
    try image.add(ModelProvenance.section, text: ModelProvenance(graph).json { _ in })
    if let stored = model.tokenizer?.stored { try TokenizerSection.add(stored, to: &image) }
    try weights.add(to: &image, sizes)
    // A masked language model is a head of the model's own.
    if let head = model.head, head.task != .mlm { try HeadSection.add(head, to: &image) }
  }

  /// Passes the whole file to `sink`, in pieces.
  package func write<Failure: Error>(_ sink: (UnsafeRawBufferPointer) throws(Failure) -> Void) throws(Failure) {
    defer { withExtendedLifetime(model) {} }
    try image.write(sink)
  }
}
