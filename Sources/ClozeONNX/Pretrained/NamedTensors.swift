package import ClozeIO

/// Tensors by name, as PyTorch names those of its modules.
extension [String: Tensor] {
  func tensor(_ name: String, _ shape: [Int]? = nil) throws(ClozeError) -> Tensor {
    guard let tensor = self[name] else { throw ClozeError(.unsupported, "the tensor \"\(name)\" is missing") }
    guard tensor.elementType.isFloat else { throw ClozeError(.unsupported, "\(tensor.label) is not floating-point") }
    if let shape, tensor.shape != shape { throw ClozeError(.shape, "\(tensor.label) should have the shape \(shape)") }
    return tensor
  }

  /// The linear layer `name`.weight [outputs, inputs], `name`.bias.
  func linear(_ name: String, inputs: Int, outputs: Int? = nil) throws(ClozeError) -> Linear {
    let weight = try tensor(name + ".weight")
    guard weight.shape.count == 2, weight.shape[1] == inputs, weight.shape[0] > 0,
      outputs == nil || weight.shape[0] == outputs
    else {
      throw ClozeError(.shape, "\(weight.label) should have the shape [\(outputs.map { "\($0)" } ?? "any"), \(inputs)]")
    }
    let matrix = Matrix(tensor: weight, layout: .outIn, inputSize: inputs, outputSize: weight.shape[0])
    let bias = self[name + ".bias"] == nil ? nil : try tensor(name + ".bias", [weight.shape[0]])
    return Linear(weight: matrix, bias: bias)
  }
}

/// The layers of one module of sentence-transformers, in a safetensors file.
package struct ModuleTensors {
  private let tensors: [String: Tensor]

  /// - Throws: `.damaged` for a malformed file, `.io`.
  package init(path: String) throws(ClozeError) { tensors = try Safetensors(path: path).byName }

  package func has(_ name: String) -> Bool { tensors[name] != nil }

  /// `linear.weight` [outputs, inputs] and `linear.bias`, if there is one.
  package func linear(inputs: Int, outputs: Int) throws(ClozeError) -> Linear {
    try tensors.linear("linear", inputs: inputs, outputs: outputs)
  }

  /// `norm.weight` and `norm.bias` [width], with the epsilon of PyTorch's `LayerNorm`.
  package func norm(_ width: Int) throws(ClozeError) -> LayerNorm {
    LayerNorm(
      gamma: try tensors.tensor("norm.weight", [width]), beta: try tensors.tensor("norm.bias", [width]), epsilon: 1e-5)
  }
}
