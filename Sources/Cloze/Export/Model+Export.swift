internal import CClozeKernels
public import ClozeIO
internal import ClozeONNX
internal import ClozeTokenizer

extension Model {
  /// Writes a model as a clean ONNX file, for other runtimes and for this one (docs/MODELS.md).
  ///
  /// The weights are those of the model's file; only `int8` quantizes them, as loading does. The file
  /// is written under a temporary name and renamed when it is complete.
  ///
  /// - Parameters:
  ///   - source: as in `init(path:)`; nil: the built-in model.
  ///   - target: where the file goes; what is there is replaced.
  ///   - format: how weights are held.
  ///   - head: a head that was trained on the model, and becomes part of the file.
  public static func export(
    _ source: String? = nil, to target: String, format: ExportFormat = .float32, head: Head? = nil,
    options: LoadOptions = LoadOptions()
  ) throws(ClozeError) {
    try ExportedModel(source, format: format, head: head, options: options).write(to: target)
  }

  /// Writes this model, with the head that was put on it, as a clean ONNX file.
  ///
  /// The weights are those that the model holds: of one that was loaded in int8, in any format, the
  /// weights that were rounded to 8 bits.
  public func export(to target: String, format: ExportFormat = .float32) throws(ClozeError) {
    try ExportedModel(self, format: format).write(to: target)
  }
}

/// A model on its way to an ONNX file.
package final class ExportedModel {
  private let export: ONNXExport

  package init(
    _ source: String?, format: ExportFormat, head: Head? = nil, options: LoadOptions = LoadOptions()
  ) throws(ClozeError) {
    let files = try ModelFiles(path: source)
    if head == nil, format != .int8, !PreparedFormat.isPrepared(path: files.model) {
      // The file's own weights, without packing them in between.
      var settings = try files.settings()
      var tokenizer = options.tokenizer
      if tokenizer == nil { tokenizer = try files.tokenizer(ofModel: &settings) }
      var graph = try Model.graph(files, settings)
      settings.follow(graph)
      if graph.sentence == nil, settings.obstacle == nil, let pooling = settings.pooling {
        graph.sentence = BERTGraph.SentenceHead(
          pooling: pooling.graph, dense: [], normalize: settings.normalize ?? true)
      }
      export = try Self.export(
        graph, format, [],
        Self.metadata(settings.labels, tokenizer, settings.maxTokens, task: nil))
      return
    }
    var options = options
    // A head stands on the weights as they are; a prepared file has one precision only.
    if !PreparedFormat.isPrepared(path: files.model) {
      options.precision = format == .int8 ? .int8 : .float32
    }
    var model = try Model(path: source, options: options)
    if let head { model = try Model(model, head: head) }
    export = try Self.export(model, format)
  }

  package init(_ model: Model, format: ExportFormat) throws(ClozeError) {
    export = try Self.export(model, format)
  }

  private static func export(
    _ model: Model, _ format: ExportFormat
  ) throws(ClozeError) -> ONNXExport {
    let metadata = metadata(
      model.info.labels, model.tokenizer, model.info.maxTokens, task: model.head?.task)
    var head = model.head
    let isRounded = format == .int8
    // In int8, what was trained of the encoder with the head is in the model's own weights already,
    // and so is a masked language model.
    var graph = try isRounded ? model.graph() : (model.base ?? model).graph()
    if isRounded {
      head?.encoderLayers = []
      head?.embeddings = nil
      if head?.task == .mlm { head = nil }
    }
    if isRounded, model.info.precision != .int8 {
      let saved = cloze_float_environment_enter()
      defer { cloze_float_environment_restore(saved) }
      let sentence = graph.sentence
      graph = try Model(
        graph, tokenizer: nil, settings: ModelSettings(),
        options: LoadOptions(precision: .int8, isa: model.info.isa)
      ).graph()
      if graph.sentence == nil { graph.sentence = sentence }
    }
    let heads = try head.map { head throws(ClozeError) in try graph.take(head) } ?? []
    return try ONNXExport(
      graph, format: format.onnx, heads: heads, metadata: metadata, version: "\(libraryVersion)")
  }

  private static func export(
    _ graph: BERTGraph, _ format: ExportFormat, _ heads: [AddedHead],
    _ metadata: [(key: String, value: String)]
  ) throws(ClozeError) -> ONNXExport {
    return try ONNXExport(
      graph, format: format.onnx, heads: heads, metadata: metadata, version: "\(libraryVersion)")
  }

  /// What the file says beside the graph, by the keys of config.json and tokenizer_config.json.
  private static func metadata(
    _ labels: [String], _ tokenizer: Tokenizer?, _ maxTokens: Int?, task: Head.Task?
  ) -> [(key: String, value: String)] {
    var entries: [(key: String, value: String)] = [("model_type", "bert")]
    if let task { entries.append(("task", task.rawValue)) }
    if !labels.isEmpty {
      var writer = JSONWriter()
      writer.object { writer in
        for (i, label) in labels.enumerated() { writer.value("\(i)", label) }
      }
      entries.append(("id2label", writer.text))
    }
    if let maxTokens { entries.append(("max_seq_length", "\(maxTokens)")) }
    if let tokenizer {
      entries.append(("tokenizer", "wordpiece"))
      entries.append(("do_lower_case", tokenizer.lowercase ? "true" : "false"))
      entries.append(("strip_accents", tokenizer.stripAccents ? "true" : "false"))
    }
    return entries
  }

  /// Bytes of the file.
  package var size: Int { export.size }

  /// The next bytes of the file, which stay until the next call; nil at its end.
  package func next() throws(ClozeError) -> UnsafeRawBufferPointer? {
    let saved = cloze_float_environment_enter()
    defer { cloze_float_environment_restore(saved) }
    return try export.next()
  }

  func write(to target: String) throws(ClozeError) {
    let file = try AtomicFile(path: target)
    while let bytes = try next() { try file.append(bytes) }
    try file.commit()
  }
}
