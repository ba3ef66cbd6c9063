internal import ClozeIO

/// A head as JSON, and its parameters by name: in a file of its own, in a `.cloze` file, and in an exported model.
extension Head {
  /// The key of the JSON in a file's metadata.
  static let descriptionKey = "cloze_head"

  /// A parameter as it is stored.
  struct Parameter {
    let name: String
    let shape: [Int]
    let values: [Float]
  }

  /// Everything but the parameters.
  var description: String {
    let isWord = isWord
    var writer = JSONWriter()
    writer.object { writer in
      writer.value("version", 1)
      writer.value("task", task.rawValue)
      writer.array("labels") { writer in for label in labels { writer.value(nil, label) } }
      if !labelCounts.isEmpty { writer.array("label_counts", labelCounts) }
      if let meanValue { writer.value("mean_value", Double(meanValue)) }
      writer.value("pooling", Int(pooling.rawValue))
      if pairs == .apart { writer.value("pairs", pairs.rawValue) }
      writer.value("max_tokens", maxTokens)
      writer.value("stride", stride)
      if let noAnswerThreshold { writer.value("no_answer_threshold", Double(noAnswerThreshold)) }
      writer.value("encoder_layers", encoderLayers.count)
      writer.value("embeddings", embeddings != nil)
      if let mix { writer.value("mix_factor", Double(mix.factor)) }
      writer.value("encoder", String(encoder, radix: 16))
      if let model { writer.value("model", model) }
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
    return writer.text
  }

  /// All parameters, each once.
  var parameters: [Parameter] {
    var found: [Parameter] = []
    func add(_ name: String, _ shape: [Int], _ values: [Float]) {
      found.append(Parameter(name: name, shape: shape, values: values))
    }
    let isWord = isWord
    for (i, layer) in layers.enumerated() {
      if !isWord[i] { add("layers.\(i).weight", [layer.outputs, layer.inputs], layer.weight) }
      add("layers.\(i).bias", [layer.outputs], layer.bias)
      guard let norm = layer.norm else { continue }
      add("layers.\(i).norm.gamma", [layer.outputs], norm.gamma)
      add("layers.\(i).norm.beta", [layer.outputs], norm.beta)
    }
    for (i, layer) in encoderLayers.enumerated() {
      for parameter in EncoderLayerParameter.allCases {
        let values = layer[parameter]
        add("encoder.\(i).\(parameter.rawValue)", [values.count], values)
      }
    }
    if let mix { add("mix.shares", [mix.shares.count], mix.shares) }
    if let embeddings {
      for parameter in EmbeddingParameter.allCases {
        let values = embeddings[parameter]
        let shape = parameter.isTable ? [values.count / max(inputs, 1), inputs] : [values.count]
        add("embeddings.\(parameter.rawValue)", shape, values)
      }
    }
    if let attentionBias { add("embeddings.attention_bias", [attentionBias.count], attentionBias) }
    return found
  }

  /// Which layers are the word embeddings, as a decoder may be, and are stored with these.
  private var isWord: [Bool] { layers.map { layer in embeddings.map { $0.word == layer.weight } ?? false } }

  /// Reads what `description` and `parameters` wrote, trusting nothing in it.
  ///
  /// - Parameters:
  ///   - parameters: their values by their names.
  ///   - name: of the file, in messages.
  init(description: String, parameters: [String: [Float]], name: String) throws(ClozeError) {
    func damaged(_ reason: String) -> ClozeError { ClozeError(.damaged, "\(name): \(reason)") }
    let root = try JSONField(parsing: Array(description.utf8), name: "\(name): \(Self.descriptionKey)")
    let word = try root.required("task").string()
    guard let task = Task(rawValue: word) else { throw damaged("an unknown task, \"\(word)\"") }
    guard let pooling = Pooling(rawValue: try root.required("pooling").id()) else {
      throw damaged("an unknown pooling")
    }
    let pairs = try root.present("pairs")?.string() ?? Pairs.joint.rawValue
    guard let pairs = Pairs(rawValue: pairs) else { throw damaged("an unknown way to read pairs, \"\(pairs)\"") }
    var labels: [String] = []
    for label in try root.required("labels").elements() { labels.append(try label.string()) }
    let fields = try root.required("layers").elements()
    func values(_ name: String) throws(ClozeError) -> [Float] {
      guard let found = parameters[name] else { throw damaged("the head has no \(name)") }
      return found
    }
    var layers: [Dense] = []
    for (i, layer) in fields.enumerated() {
      let word = try layer.required("activation").string()
      guard let activation = Activation(rawValue: word) else { throw damaged("an unknown activation, \"\(word)\"") }
      let isWord = try layer.present("matrix") != nil
      let weight = try values(isWord ? "embeddings.word" : "layers.\(i).weight")
      let bias = try values("layers.\(i).bias")
      var norm: Norm?
      if let epsilon = try layer.present("layer_norm_eps") {
        norm = Norm(
          gamma: try values("layers.\(i).norm.gamma"), beta: try values("layers.\(i).norm.beta"),
          epsilon: Float(try epsilon.number()))
      }
      layers.append(
        Dense(
          inputs: weight.count / max(bias.count, 1), outputs: bias.count, weight: weight, bias: bias,
          activation: activation, norm: norm))
    }
    var encoderLayers: [EncoderLayer] = []
    for i in 0..<Int(try root.present("encoder_layers")?.id() ?? 0) {
      encoderLayers.append(
        try EncoderLayer { parameter throws(ClozeError) in try values("encoder.\(i).\(parameter.rawValue)") })
    }
    var embeddings: EncoderEmbeddings?
    if try root.present("embeddings")?.bool() ?? false {
      embeddings = try EncoderEmbeddings { parameter throws(ClozeError) in
        try values("embeddings.\(parameter.rawValue)")
      }
    }
    var counts: [Int] = []
    for count in try root.present("label_counts")?.elements() ?? [] { counts.append(try count.integer()) }
    let mix = try root.present("mix_factor").map { factor throws(ClozeError) in
      LayerMix(shares: try values("mix.shares"), factor: Float(try factor.number()))
    }
    self.init(
      task: task, labels: labels, layers: layers, pooling: pooling, pairs: pairs,
      maxTokens: Int(try root.required("max_tokens").id()), stride: Int(try root.required("stride").id()),
      noAnswerThreshold: try root.present("no_answer_threshold").map { field throws(ClozeError) in
        Float(try field.number())
      }, encoderLayers: encoderLayers, embeddings: embeddings,
      attentionBias: embeddings == nil ? nil : parameters["embeddings.attention_bias"], mix: mix,
      encoder: UInt64(try root.required("encoder").string(), radix: 16) ?? 0,
      model: try root.present("model")?.string(), labelCounts: counts,
      meanValue: try root.present("mean_value").map { field throws(ClozeError) in Float(try field.number()) })
    do throws(ClozeError) { try check() } catch { throw ClozeError(error.status, "\(name): \(error.message)") }
  }
}
