import Cloze
import Testing

@testable import ClozeTraining

/// Pooling while encoder layers are trained.
struct PoolingTests {
  /// Forward against a sum in Double, and backward as its transpose: dx x = dy y.
  @Test(arguments: Pooling.allCases.filter(\.isLinear), [1, 2, 7]) func linear(_ pooling: Pooling, _ length: Int) {
    let width = 5
    var random = TrainingRandom(9)
    let x = (0..<(length * width)).map { _ in Float(random.normal()) }
    let dy = (0..<width).map { _ in Float(random.normal()) }
    var y = [Float](repeating: .nan, count: width)
    var dx = [Float](repeating: 0, count: length * width)
    poolForward(pooling, x, length, width, &y)
    poolBackward(pooling, dy, length, width, &dx)

    let n = Double(length)
    let weights = (0..<length).map { token -> Double in
      switch pooling {
      case .mean: 1 / n
      case .meanSqrtLen: 1 / n.squareRoot()
      case .cls: token == 0 ? 1 : 0
      case .lastToken: token == length - 1 ? 1 : 0
      case .weightedMean: Double(token + 1) / (n * (n + 1) / 2)
      case .max, .pooler: .nan
      }
    }
    // Each weight is rounded twice, each of its products and sums once.
    let unit = 0x1p-24 * (n + 4)
    for i in 0..<width {
      let terms = (0..<length).map { weights[$0] * Double(x[$0 * width + i]) }
      #expect(abs(Double(y[i]) - terms.reduce(0, +)) <= unit * terms.reduce(0) { $0 + abs($1) })
      for token in 0..<length {
        let slope = weights[token] * Double(dy[i])
        #expect(abs(Double(dx[token * width + i]) - slope) <= unit * abs(slope))
      }
    }
  }
}
