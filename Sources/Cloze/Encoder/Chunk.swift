/// A part of a ragged batch that goes through the layers together: its tokens, where its sequences
/// begin, and which states are wanted of it.
struct Chunk {
  var ids: UnsafePointer<Int32>
  /// nil: all 0
  var typeIDs: UnsafePointer<Int32>?
  /// [sequences + 1] as in the whole batch; the chunk's first token is offsets[0]
  var offsets: UnsafePointer<Int>
  var sequences: Int
  var tokens: Int { offsets[sequences] - offsets[0] }
  var captures: UnsafeBufferPointer<Capture>
  /// What `Capture.order` selects: indices into its positions.
  var order: UnsafeBufferPointer<Int>
  /// [L + 1] the weight of the state after each layer in their mix; nil: none is wanted.
  var mix: UnsafePointer<Float>?

  /// States to be copied out of the run.
  struct Capture {
    enum State: Equatable {
      /// After so many layers; 0: the embeddings.
      case layer(Int)
      /// The mix of the states after all layers.
      case mix
    }

    var state: State
    /// Where row 0 of the batch goes, and how many floats lie between rows.
    var target: UnsafeMutablePointer<Float>
    var stride: Int
    /// Only these tokens of the batch, in this order; nil: all.
    var positions: UnsafePointer<Int64>?
    /// The part of the chunk's `order` that lists which of these lie in the chunk.
    var order: Range<Int>
  }

  /// Copies what is wanted of a state.
  ///
  /// - Parameter rows: [tokens, width] the state.
  func capture(_ state: Capture.State, _ rows: UnsafePointer<Float>, width: Int) {
    let start = offsets[0]
    for wanted in captures where wanted.state == state {
      if let positions = wanted.positions {
        for place in wanted.order {
          let index = order[place]
          let row = rows + (Int(positions[index]) &- start) &* width
          (wanted.target + index &* wanted.stride).update(from: row, count: width)
        }
      } else {
        for token in 0..<tokens {
          (wanted.target + (start &+ token) &* wanted.stride).update(from: rows + token &* width, count: width)
        }
      }
    }
  }
}
