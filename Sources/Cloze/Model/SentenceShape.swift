internal import ClozeIO
internal import ClozeONNX

/// A step after pooling without its weights: what a prepared file's configuration and `inspect` say of it.
enum SentenceShape {
  case dense(size: Int, activation: Activation)
  case norm
  case normalize
  case truncate(Int)

  init(_ step: BERTGraph.SentenceHead.Step) {
    switch step {
    case .dense(let linear, let activation): self = .dense(size: linear.weight.outputSize, activation: activation)
    case .norm: self = .norm
    case .normalize: self = .normalize
    case .truncate(let kept): self = .truncate(kept)
    }
  }

  init(_ step: SentenceStep) {
    switch step {
    case .dense(let layer): self = .dense(size: layer.dense.outputs, activation: layer.activation)
    case .norm: self = .norm
    case .normalize: self = .normalize
    case .truncate(let kept): self = .truncate(kept)
    }
  }

  /// Elements of a vector of `width` after all steps.
  static func width(_ steps: [SentenceShape], of width: Int) -> Int {
    steps.reduce(width) { width, step in
      switch step {
      case .dense(let size, _), .truncate(let size): size
      case .norm, .normalize: width
      }
    }
  }

  /// The class in sentence-transformers; nil where it is a setting there.
  var module: String? {
    switch self {
    case .dense: "Dense"
    case .norm: "LayerNorm"
    case .normalize: "Normalize"
    case .truncate: nil
    }
  }

  /// For people.
  var text: String {
    switch self {
    case .dense(let size, .identity): "Dense to \(size)"
    case .dense(let size, let activation): "Dense to \(size) with \(activation.configKey)"
    case .norm: "LayerNorm"
    case .normalize: "Normalize"
    case .truncate(let kept): "the first \(kept)"
    }
  }
}

/// Steps as JSON: a dense layer has its size, and its activation unless that is the identity; the others have a `type`.
extension SentenceShape {
  func write(to writer: inout JSONWriter) {
    switch self {
    case .dense(let size, let activation):
      writer.value("size", size)
      if activation != .identity { writer.value("hidden_act", activation.configKey) }
    case .norm: writer.value("type", "layer_norm")
    case .normalize: writer.value("type", "normalize")
    case .truncate(let kept):
      writer.value("type", "truncate")
      writer.value("size", kept)
    }
  }

  /// Reads what `write` wrote.
  ///
  /// - Parameter width: elements of a vector before the step.
  init(_ field: JSONField, after width: Int) throws(ClozeError) {
    let type = try field.present("type")
    switch try type?.string() {
    case nil:
      self = .dense(
        size: try Self.size(field, atMost: 65536), activation: try Activation(optional: field.present("hidden_act")))
    case "layer_norm": self = .norm
    case "normalize": self = .normalize
    case "truncate": self = .truncate(try Self.size(field, atMost: width))
    case let other?: throw ClozeError(.damaged, "\(type?.path ?? "") is \"\(other)\", which is unknown")
    }
  }

  private static func size(_ field: JSONField, atMost most: Int) throws(ClozeError) -> Int {
    let size = try field.required("size").integer()
    guard size > 0, size <= most else {
      throw ClozeError(.damaged, "\(field.path).size is \(size), 1 to \(most) was expected")
    }
    return size
  }
}

/// Activations in a prepared file's configuration.
extension Activation {
  /// The activation of a key; the identity where it is missing.
  init(optional field: JSONField?) throws(ClozeError) {
    self = .identity
    guard let field else { return }
    guard let known = Activation(configKey: try field.string()) else {
      throw ClozeError(.damaged, "\(field.path) is an unknown activation")
    }
    self = known
  }
}
