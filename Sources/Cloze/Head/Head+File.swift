public import ClozeIO
internal import ClozeTokenizer

/// A head's file: safetensors, with everything but the weights as JSON under the metadata key
/// "cloze_head".
extension Head {
  /// What the file is called in the folder of a head.
  public static let fileName = "head.safetensors"

  /// Reads a head.
  ///
  /// - Parameter path: a file, or a folder with a `head.safetensors` in it.
  public init(path: String) throws(ClozeError) {
    var file = path
    switch try FileKind(path) {
    case .missing: throw ClozeError(.notFound, "\(path): no such file or folder")
    case .file: break
    case .folder:
      file = joined(path, Self.fileName)
      guard try FileKind(file) == .file else {
        throw ClozeError(.notFound, "\(path): no \(Self.fileName) in this folder")
      }
    }
    let source = try TensorFile(path: file)
    try self.init(source, name: file)
    do throws(ClozeError) { try check() } catch { throw ClozeError(error.status, "\(file): \(error.message)") }
  }

  private init(_ file: TensorFile, name: String) throws(ClozeError) {
    func damaged(_ reason: String) -> ClozeError { ClozeError(.damaged, "\(name): \(reason)") }
    guard let text = file.text("cloze_head") else { throw damaged("no head of Cloze") }
    let root = try JSONField(parsing: Array(text.utf8), name: "\(name): cloze_head")
    let word = try root.required("task").string()
    guard let task = Task(rawValue: word) else { throw damaged("an unknown task, \"\(word)\"") }
    let pooling = try root.required("pooling").id()
    guard let pooling = Pooling(rawValue: pooling) else { throw damaged("an unknown pooling") }
    var labels: [String] = []
    for label in try root.required("labels").elements() { labels.append(try label.string()) }
    var layers: [Dense] = []
    for (i, layer) in try root.required("layers").elements().enumerated() {
      let activation = try layer.required("activation").string()
      guard let activation = Activation(rawValue: activation) else {
        throw damaged("an unknown activation, \"\(activation)\"")
      }
      let matrix = try layer.present("matrix").map { field throws(ClozeError) in try field.string() }
      let name = matrix == "word" ? "embeddings.word" : "layers.\(i).weight"
      guard let weight = file.floats(name), weight.shape.count == 2, let bias = file.floats("layers.\(i).bias") else {
        throw damaged("no weights of layer \(i)")
      }
      var norm: Norm?
      if let epsilon = try layer.present("layer_norm_eps") {
        guard let gamma = file.floats("layers.\(i).norm.gamma"), let beta = file.floats("layers.\(i).norm.beta") else {
          throw damaged("no norm of layer \(i)")
        }
        norm = Norm(gamma: gamma.values, beta: beta.values, epsilon: Float(try epsilon.number()))
      }
      layers.append(
        Dense(
          inputs: weight.shape[1], outputs: weight.shape[0], weight: weight.values, bias: bias.values,
          activation: activation, norm: norm))
    }
    var encoderLayers: [EncoderLayer] = []
    for i in 0..<Int(try root.present("encoder_layers")?.id() ?? 0) {
      encoderLayers.append(
        try EncoderLayer { parameter throws(ClozeError) in
          guard let values = file.floats("encoder.\(i).\(parameter.rawValue)") else {
            throw damaged("no \(parameter.rawValue) of encoder layer \(i)")
          }
          return values.values
        })
    }
    var embeddings: EncoderEmbeddings?
    if try root.present("embeddings")?.bool() ?? false {
      embeddings = try EncoderEmbeddings { parameter throws(ClozeError) in
        guard let values = file.floats("embeddings.\(parameter.rawValue)") else {
          throw damaged("no \(parameter.rawValue) of the embeddings")
        }
        return values.values
      }
    }
    var mix: LayerMix?
    if let factor = try root.present("mix_factor") {
      guard let shares = file.floats("mix.shares") else { throw damaged("no mix of layers") }
      mix = LayerMix(shares: shares.values, factor: Float(try factor.number()))
    }
    var counts: [Int] = []
    for count in try root.present("label_counts")?.elements() ?? [] { counts.append(try count.integer()) }
    self.init(
      task: task, labels: labels, layers: layers, pooling: pooling,
      maxTokens: Int(try root.required("max_tokens").id()), stride: Int(try root.required("stride").id()),
      noAnswerThreshold: try root.present("no_answer_threshold").map { field throws(ClozeError) in
        Float(try field.number())
      }, encoderLayers: encoderLayers, embeddings: embeddings,
      attentionBias: embeddings == nil ? nil : file.floats("embeddings.attention_bias")?.values, mix: mix,
      encoder: UInt64(try root.required("encoder").string(), radix: 16) ?? 0, labelCounts: counts,
      meanValue: try root.present("mean_value").map { field throws(ClozeError) in Float(try field.number()) })
  }

  /// Writes the head, whole or not at all.
  ///
  /// - Parameter path: a file; its folder must be there.
  public func save(to path: String) throws(ClozeError) {
    try check()
    // A decoder that is the word embeddings is stored once.
    let isWord = layers.map { layer in embeddings.map { $0.word == layer.weight } ?? false }
    var writer = JSONWriter()
    writer.object { writer in
      writer.value("version", 1)
      writer.value("task", task.rawValue)
      writer.array("labels") { writer in for label in labels { writer.value(nil, label) } }
      if !labelCounts.isEmpty { writer.array("label_counts", labelCounts) }
      if let meanValue { writer.value("mean_value", Double(meanValue)) }
      writer.value("pooling", Int(pooling.rawValue))
      writer.value("max_tokens", maxTokens)
      writer.value("stride", stride)
      if let noAnswerThreshold { writer.value("no_answer_threshold", Double(noAnswerThreshold)) }
      writer.value("encoder_layers", encoderLayers.count)
      writer.value("embeddings", embeddings != nil)
      if let mix { writer.value("mix_factor", Double(mix.factor)) }
      writer.value("encoder", String(encoder, radix: 16))
      writer.array("layers") { writer in
        for (i, layer) in layers.enumerated() {
          writer.object { writer in
            if isWord[i] { writer.value("matrix", "word") }
            writer.value("activation", layer.activation.rawValue)
            if let norm = layer.norm { writer.value("layer_norm_eps", Double(norm.epsilon)) }
          }
        }
      }
    }
    var file = TensorFile()
    file.metadata = [("cloze_head", writer.text)]
    for (i, layer) in layers.enumerated() {
      if !isWord[i] { file.add("layers.\(i).weight", [layer.outputs, layer.inputs], layer.weight) }
      file.add("layers.\(i).bias", [layer.outputs], layer.bias)
      guard let norm = layer.norm else { continue }
      file.add("layers.\(i).norm.gamma", [layer.outputs], norm.gamma)
      file.add("layers.\(i).norm.beta", [layer.outputs], norm.beta)
    }
    for (i, layer) in encoderLayers.enumerated() {
      for parameter in EncoderLayerParameter.allCases {
        let values = layer[parameter]
        file.add("encoder.\(i).\(parameter.rawValue)", [values.count], values)
      }
    }
    if let mix { file.add("mix.shares", [mix.shares.count], mix.shares) }
    if let embeddings {
      for parameter in EmbeddingParameter.allCases {
        let values = embeddings[parameter]
        let shape = parameter.isTable ? [values.count / max(inputs, 1), inputs] : [values.count]
        file.add("embeddings.\(parameter.rawValue)", shape, values)
      }
    }
    if let attentionBias { file.add("embeddings.attention_bias", [attentionBias.count], attentionBias) }
    try file.write(to: path)
  }
}
