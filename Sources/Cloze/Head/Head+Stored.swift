internal import ClozeIO
internal import ClozeONNX

/// A head inside a model's file, whose encoder layers and embeddings are the model's.
extension Head {
  /// The head without what it trained of the encoder, and with a mix whose factor is 1, as exported graphs have it.
  var alone: Head {
    var head = self
    head.encoderLayers = []
    head.embeddings = nil
    head.attentionBias = nil
    head.mix = mix.map { LayerMix(shares: $0.weights, factor: 1) }
    return head
  }

  /// The head of an exported file.
  init(_ exported: ExportedHead) throws(ClozeError) {
    var parameters: [String: [Float]] = [:]
    for (index, layer) in try exported.layers().enumerated() {
      for (name, values) in layer {
        let own = ["LayerNorm.weight": "norm.gamma", "LayerNorm.bias": "norm.beta"][name] ?? name
        parameters["layers.\(index).\(own)"] = values
      }
    }
    parameters["mix.shares"] = try exported.mix()
    try self.init(description: exported.description, parameters: parameters, name: "the model's metadata")
  }
}

/// The sections of a trained head in a prepared model.
extension PreparedFile {
  /// The head; nil where there is none.
  mutating func trainedHead() throws(ClozeError) -> Head? {
    guard contains(HeadSection.description) else { return nil }
    let text = String(decoding: try bytes(HeadSection.description), as: UTF8.self)
    var parameters: [String: [Float]] = [:]
    let prefix = HeadSection.parameter("")
    for section in names where section.hasPrefix(prefix) {
      parameters[String(section.dropFirst(prefix.count))] = try array(section, of: Float.self)
    }
    return try Head(description: text, parameters: parameters, name: name)
  }
}

/// The names of these sections.
enum HeadSection {
  static let description = "head"

  static func parameter(_ name: String) -> String { "\(description).\(name)" }

  /// Adds the sections.
  static func add(_ head: Head, to image: inout PreparedImage) throws(ClozeError) {
    let head = head.alone
    try image.add(description, text: head.description)
    for part in head.parameters { try image.add(parameter(part.name), copying: part.values) }
  }
}
