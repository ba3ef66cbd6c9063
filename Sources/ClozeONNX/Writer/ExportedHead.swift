package import ClozeIO

/// A trained head in a file that this library exported, read back by name, as its graph alone does not tell what it
/// is for.
package struct ExportedHead: Sendable {
  private enum Key {
    static let description = "cloze_head"
    static let name = "cloze_head_name"
    static let outputs = "cloze_head_outputs"
  }

  /// What the runtime noted about it.
  package let description: String
  /// Which the names of its parameters begin with.
  let name: String
  /// The names of the graph's outputs that it gives.
  let outputs: [String]
  private let parameters: [String: Tensor]

  /// The entries in the metadata of a head's file; none without a description.
  static func metadata(_ head: AddedHead) -> [(key: String, value: String)] {
    guard let description = head.description else { return [] }
    return [
      (Key.description, description), (Key.name, head.name), (Key.outputs, head.outputs.joined(separator: ",")),
    ]
  }

  /// The head of a file; nil where it has none, or another program has written the file again.
  init?(_ graph: Graph) {
    func value(_ key: String) -> String? { graph.metadata.first { $0.key == key }?.value }
    guard graph.producer == ONNXExport.producer, let description = value(Key.description),
      let name = value(Key.name), let outputs = value(Key.outputs)
    else { return nil }
    self.description = description
    self.name = name
    self.outputs = outputs.split(separator: ",").map { String($0) }
    var found: [String: Tensor] = [:]
    for (value, index) in graph.initializers where graph.names[value].hasPrefix(name + ".") {
      found[graph.names[value]] = graph.tensors[index]
    }
    parameters = found
  }

  /// The parameters of each layer by their names: "weight" [outputs, inputs], "bias", "LayerNorm.weight" and
  /// "LayerNorm.bias" [outputs].
  package func layers() throws(ClozeError) -> [[String: [Float]]] {
    var layers: [[String: [Float]]] = []
    var isLast = false
    while !isLast {
      isLast = parameters["\(name).layers.\(layers.count).weight"] == nil
      let prefix = isLast ? name : "\(name).layers.\(layers.count)"
      var layer: [String: [Float]] = [:]
      for part in ["weight", "bias", "LayerNorm.weight", "LayerNorm.bias"] {
        guard let tensor = parameters["\(prefix).\(part)"] else { continue }
        layer[part] = try tensor.shape.count == 2 ? Self.transposed(tensor) : Self.floats(tensor)
      }
      layers.append(layer)
    }
    return layers
  }

  /// A matrix that is stored [inputs, outputs].
  private static func transposed(_ tensor: Tensor) throws(ClozeError) -> [Float] {
    let values = try floats(tensor)
    let (inputs, outputs) = (tensor.shape[0], tensor.shape[1])
    return values.indices.map { values[$0 % inputs * outputs + $0 / inputs] }
  }

  /// The factor of each state that the head reads the sum of, [L + 1]; nil: it reads the last state.
  package func mix() throws(ClozeError) -> [Float]? {
    var factors: [Float] = []
    while let tensor = parameters["\(name).mix.\(factors.count)"] { factors += try Self.floats(tensor) }
    return factors.isEmpty ? nil : factors
  }

  private static func floats(_ tensor: Tensor) throws(ClozeError) -> [Float] {
    var values = [Float](repeating: 0, count: tensor.count)
    // A function with typed errors cannot be the body of `withUnsafeMutableBufferPointer`.
    let result = values.withUnsafeMutableBufferPointer { target -> Result<Void, ClozeError> in
      do throws(ClozeError) { return .success(try tensor.copyFloat32(to: target)) } catch { return .failure(error) }
    }
    try result.get()
    return values
  }
}
