internal import CClozeKernels
public import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

/// Writing models as ONNX files.
extension Model {
  /// Writes a model as one clean ONNX graph (docs/MODELS.md).
  ///
  /// The weights are those of the model's file; only `int8` quantizes them, as loading does. The file is
  /// written under a temporary name and renamed when it is complete.
  ///
  /// - Parameters:
  ///   - source: as in `init(path:)`; nil: the built-in model.
  ///   - target: the path of the file, which replaces an existing one, but none of the source's.
  ///   - format: the number format of weights.
  ///   - head: a head that was trained on the model, to be written with it.
  ///   - options: the precision and instruction set to load with, and a tokenizer in place of the model's own.
  public static func export(
    _ source: String? = nil, to target: String, format: ExportFormat = .float32, head: Head? = nil,
    options: LoadOptions = LoadOptions()
  ) throws(ClozeError) {
    try refuse(writing: target, over: Model.files(source))
    try refuseOtherSuffix(target, suffix: "onnx", format: "an ONNX file")
    try ExportedModel(source, format: format, head: head, options: options).write(to: target)
  }

  /// Writes this model, with the trained head on it, as one clean ONNX graph.
  ///
  /// The weights are those in memory: a model loaded in int8 writes its quantized weights, in any format.
  public func export(to target: String, format: ExportFormat = .float32) throws(ClozeError) {
    try refuseOtherSuffix(target, suffix: "onnx", format: "an ONNX file")
    try ExportedModel(self, format: format).write(to: target)
  }
}

/// A model to be written as an ONNX file, piece by piece.
package final class ExportedModel {
  private let export: ONNXExport

  package init(_ source: String?, format: ExportFormat, head: Head? = nil, options: LoadOptions = LoadOptions())
    throws(ClozeError)
  {
    let files = try ModelFiles(path: source)
    if head == nil, format != .int8, !PreparedFormat.isPrepared(path: files.model) {
      // The file's own weights, not packed and unpacked.
      var settings = try files.settings()
      var tokenizer = options.tokenizer
      if tokenizer == nil { tokenizer = try files.tokenizer(ofModel: &settings) }
      let graph = try Model.graph(files, settings)
      try settings.follow(graph)
      if settings.trainedHead == nil {
        export = try Self.export(
          graph, format, [], Self.metadata(settings.labels, settings.head, tokenizer, settings.maxTokens, task: nil))
        return
      }
    }
    var options = options
    // A head is exported with unquantized weights except in int8; a prepared file has one precision only.
    if !PreparedFormat.isPrepared(path: files.model) { options.precision = format == .int8 ? .int8 : .float32 }
    var model = try Model(path: source, options: options)
    if let head { model = try Model(model, head: head) }
    export = try Self.export(model, format)
  }

  package init(_ model: Model, format: ExportFormat) throws(ClozeError) { export = try Self.export(model, format) }

  private static func export(_ model: Model, _ format: ExportFormat) throws(ClozeError) -> ONNXExport {
    let metadata = metadata(
      model.info.labels, model.headSettings, model.tokenizer, model.info.maxTokens, task: model.head?.task)
    var head = model.head
    let isRounded = format == .int8
    // In int8 the model's own weights already include the encoder layers trained with the head, and a trained
    // masked language model.
    var graph = try isRounded ? model.graph() : (model.base ?? model).graph()
    if isRounded {
      head?.encoderLayers = []
      head?.embeddings = nil
      head?.attentionBias = nil
      if head?.task == .mlm { head = nil }
    }
    if isRounded, model.info.precision != .int8 {
      let saved = cloze_float_environment_enter()
      defer { cloze_float_environment_restore(saved) }
      let sentence = graph.sentence
      graph = try Model(
        graph, tokenizer: nil, settings: ModelSettings(), options: LoadOptions(precision: .int8, isa: model.info.isa)
      ).graph()
      if graph.sentence == nil { graph.sentence = sentence }
    }
    var heads = try head.map { head throws(ClozeError) in try graph.take(head) } ?? []
    if let head, head.task != .mlm { for i in heads.indices { heads[i].description = head.alone.description } }
    return try export(graph, format, heads, metadata)
  }

  private static func export(
    _ graph: BERTGraph, _ format: ExportFormat, _ heads: [AddedHead], _ metadata: [(key: String, value: String)]
  ) throws(ClozeError) -> ONNXExport {
    try ONNXExport(graph, format: format.onnx, heads: heads, metadata: metadata, version: "\(libraryVersion)")
  }

  /// The file's metadata, with the keys of config.json and tokenizer_config.json.
  private static func metadata(
    _ labels: [String], _ head: HeadSettings, _ tokenizer: Tokenizer?, _ maxTokens: Int?, task: Head.Task?
  ) -> [(key: String, value: String)] {
    var entries: [(key: String, value: String)] = [("model_type", "bert")]
    if let task { entries.append(("task", task.rawValue)) }
    entries += head.entries
    if !labels.isEmpty {
      var writer = JSONWriter()
      writer.object { writer in for (i, label) in labels.enumerated() { writer.value("\(i)", label) } }
      entries.append(("id2label", writer.text))
    }
    if let maxTokens { entries.append(("max_seq_length", "\(maxTokens)")) }
    if let tokenizer {
      entries.append(("tokenizer", tokenizer.modelType.lowercased()))
      entries.append(("do_lower_case", tokenizer.lowercase ? "true" : "false"))
      entries.append(("strip_accents", tokenizer.stripAccents ? "true" : "false"))
    }
    return entries
  }

  /// The size of the file, in bytes.
  package var size: Int { export.size }

  /// The next bytes of the file, valid until the next call; nil at its end.
  package func next() throws(ClozeError) -> UnsafeRawBufferPointer? {
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    return try export.next()
  }

  /// Writes the file, which appears when it is complete.
  func write(to target: String) throws(ClozeError) {
    let file = try AtomicFile(path: target)
    while let bytes = try next() { try file.append(bytes) }
    try file.commit()
  }
}
