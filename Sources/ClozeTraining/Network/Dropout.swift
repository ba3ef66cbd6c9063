internal import CClozeKernels

/// The shares of values that one pass over a batch sets to 0, and the key of which: a function of key, place in the
/// network, row and column, and so the same on any number of threads, and in the backward pass.
struct Dropout: Sendable {
  /// Of the inputs of a head's layers.
  var head = 0.0
  /// Of the embeddings, of the two outputs that a layer adds to its input, and of attention's probabilities.
  var encoder = 0.0
  var key: UInt64 = 0

  static let none = Dropout()

  /// A place where values are set to 0.
  enum Site {
    case embeddings
    case attention(layer: Int)
    case attentionOutput(layer: Int)
    case output(layer: Int)
    case head(layer: Int)
  }

  subscript(site: Site) -> cloze_dropout {
    let (number, rate): (Int, Double) =
      switch site {
      case .embeddings: (0, encoder)
      case .attention(let layer): (4 * layer + 1, encoder)
      case .attentionOutput(let layer): (4 * layer + 2, encoder)
      case .output(let layer): (4 * layer + 3, encoder)
      case .head(let layer): (4 * layer + 4, head)
      }
    return cloze_dropout(
      key: TrainingRandom.key(key, path: [UInt64(number)]), threshold: UInt32(min(max(rate, 0), 0.99) * 0x1p32),
      scale: Float(1 / (1 - rate)))
  }
}
