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
    try self.init(description: exported.description, name: "the model's metadata") {
      (name, layers) throws(ClozeError) in
      if name == "mix.shares" { return try exported.mix() }
      let parts = name.split(separator: ".", maxSplits: 2)
      guard parts.count == 3, parts[0] == "layers", let index = Int(parts[1]) else { return nil }
      let parameter =
        switch parts[2] {
        case "norm.gamma": "LayerNorm.weight"
        case "norm.beta": "LayerNorm.bias"
        default: String(parts[2])
        }
      return try exported.parameter(parameter, ofLayer: index, of: layers)
    }
  }
}

/// The sections of a trained head in a prepared model.
extension PreparedFile {
  /// The head; nil where there is none.
  mutating func trainedHead() throws(ClozeError) -> Head? {
    guard contains(HeadSection.description) else { return nil }
    let text = String(decoding: try bytes(HeadSection.description), as: UTF8.self)
    var file = self
    let head = try Head(description: text, name: name) { (parameter, _) throws(ClozeError) in
      let section = HeadSection.parameter(parameter)
      return file.contains(section) ? try file.array(section, of: Float.self) : nil
    }
    self = file
    return head
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
