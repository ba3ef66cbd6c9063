import Foundation

@testable import ClozeONNX

/// A BERT in double precision, written for clarity, which computes with a recognised graph: a wrong tensor, layout
/// or constant changes its results.
struct ReferenceEncoder {
  typealias Rows = [[Double]]

  let graph: BERTGraph

  static func elements(_ tensor: Tensor) throws -> [Double] {
    var floats = [Float](repeating: .nan, count: tensor.count)
    try floats.withUnsafeMutableBufferPointer { try tensor.copyFloat32(to: $0) }
    return floats.map { Double($0) }
  }

  static func table(_ tensor: Tensor) throws -> Rows {
    let all = try elements(tensor)
    let width = tensor.shape[1]
    return (0..<tensor.shape[0]).map { Array(all[($0 * width)..<(($0 + 1) * width)]) }
  }

  func linear(_ layer: Linear, _ x: Rows) throws -> Rows {
    let w = try Self.elements(layer.weight.tensor)
    let (m, n) = (layer.weight.inputSize, layer.weight.outputSize)
    let bias = try layer.bias.map(Self.elements) ?? Array(repeating: 0, count: n)
    return x.map { row in
      (0..<n).map { o in
        var sum = bias[o]
        for i in 0..<m { sum += row[i] * (layer.weight.layout == .inOut ? w[i * n + o] : w[o * m + i]) }
        return sum
      }
    }
  }

  func norm(_ norm: LayerNorm, _ x: Rows) throws -> Rows {
    let gamma = try norm.gamma.map(Self.elements)
    let beta = try norm.beta.map(Self.elements)
    return x.map { row in
      let mean = row.reduce(0, +) / Double(row.count)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(row.count)
      let scale = 1 / (variance + norm.epsilon).squareRoot()
      return row.indices.map { (row[$0] - mean) * scale * (gamma?[$0] ?? 1) + (beta?[$0] ?? 0) }
    }
  }

  func add(_ a: Rows, _ b: Rows) -> Rows { zip(a, b).map { zip($0, $1).map { $0 + $1 } } }

  func attention(_ layer: BERTGraph.Layer, _ x: Rows) throws -> Rows {
    let heads = graph.configuration.numAttentionHeads
    let width = graph.configuration.hiddenSize / heads
    let (q, k, v) = (try linear(layer.query, x), try linear(layer.key, x), try linear(layer.value, x))
    let bias = try graph.attentionBias.map(Self.table)
    var context = x.map { $0.map { _ in 0.0 } }
    for h in 0..<heads {
      let columns = (h * width)..<((h + 1) * width)
      for i in x.indices {
        let scores = x.indices.map { j in
          layer.attentionScale * columns.reduce(0) { $0 + q[i][$1] * k[j][$1] } + (bias?[bucket(j - i)][h] ?? 0)
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exponential($0 - top) }
        let total = weights.reduce(0, +)
        for c in columns { context[i][c] = x.indices.reduce(0) { $0 + weights[$1] / total * v[$1][c] } }
      }
    }
    return try linear(layer.attentionOutput, context)
  }

  /// As MPNet's class computes it.
  private func bucket(_ offset: Int) -> Int {
    let distance = Double(abs(offset))
    let near = distance < 8 ? abs(offset) : min(8 + Int(log(distance / 8) / log(16) * 8), 15)
    return offset > 0 ? 16 + near : near
  }

  private func exponential(_ x: Double) -> Double {
    // By the activation's own function: sigmoid(t) = silu(t) / t, exp(x) = s / (1 - s).
    if x == 0 { return 1 }
    let sigmoid = Activation.silu(x) / x
    return sigmoid / (1 - sigmoid)
  }

  /// States after the embeddings and after each layer, of one sequence without padding.
  func hiddenStates(ids: [Int], types: [Int]) throws -> [Rows] {
    let word = try Self.table(graph.embeddings.word)
    let position = try Self.table(graph.embeddings.position)
    let type = try graph.embeddings.tokenType.map(Self.table)
    var x: Rows = ids.indices.map { s in
      word[ids[s]].indices.map { word[ids[s]][$0] + position[s][$0] + (type?[types[s]][$0] ?? 0) }
    }
    x = try norm(graph.embeddings.norm, x)
    if let projection = graph.embeddings.projection { x = try linear(projection, x) }
    var states = [x]
    for layer in graph.layers {
      x = try norm(layer.attentionNorm, add(x, attention(layer, x)))
      let wide = try linear(layer.intermediate, x).map { row in row.map { graph.configuration.hiddenAct($0) } }
      x = try norm(layer.outputNorm, add(x, linear(layer.output, wide)))
      states.append(x)
    }
    return states
  }

  func pooled(_ last: Rows) throws -> Rows? {
    guard let pooler = graph.pooler else { return nil }
    return try linear(pooler, [last[0]]).map { $0.map { Activation.tanh($0) } }
  }

  func classes(_ head: BERTGraph.SequenceHead, _ last: Rows) throws -> Rows {
    var x = [last[0]]
    if let transform = head.transform { x = try linear(transform, x).map { row in row.map { head.activation($0) } } }
    return try linear(head.output, x)
  }

  func maskedLogits(_ last: Rows) throws -> Rows? {
    guard let mlm = graph.mlm else { return nil }
    let changed = try linear(mlm.transform, last).map { row in row.map { mlm.activation($0) } }
    let normed = try norm(mlm.norm, changed)
    switch mlm.decoder {
    case .tied:
      let word = graph.embeddings.word
      let matrix = Matrix(tensor: word, layout: .outIn, inputSize: word.shape[1], outputSize: word.shape[0])
      return try linear(Linear(weight: matrix, bias: mlm.bias), normed)
    case .separate(let matrix): return try linear(Linear(weight: matrix, bias: mlm.bias), normed)
    }
  }
}
