internal import ClozeIO
internal import ClozeONNX

/// The bias of attention scores by relative position, shared by all layers.
struct AttentionBias {
  /// [32, H] a row for each bucket
  let table: UnsafePointer<Float>
  private let heads: Int
  /// [H, stride] the bias of each relative position, from 1 - P on
  private let line: UnsafePointer<Float>
  private let stride: Int
  /// Where relative position 0 is.
  private let zero: Int
  /// Of heads times positions: 256 MB.
  private static let maximumSize = 1 << 25

  /// - Parameters:
  ///   - table: [32, H], which `memory` or the caller keeps.
  ///   - positions: P, the longest sequence.
  ///   - memory: keeps the bias of each relative position.
  ///
  /// - Throws: `.unsupportedModel` for more heads and positions than any model has, which would exhaust memory.
  init(_ table: UnsafePointer<Float>, heads: Int, positions: Int, _ memory: WeightMemory) throws(ClozeError) {
    guard try bytes(heads, max(positions, 1)) <= Self.maximumSize else {
      throw ClozeError(
        .unsupportedModel, "a bias of attention scores for \(heads) heads and \(positions) positions is too large")
    }
    self.table = table
    self.heads = heads
    zero = max(positions, 1) - 1
    // Kernels read whole vectors of 16.
    stride = zero + max(positions, 1).roundedUp(to: 16)
    let line = try memory.floats(bytes(heads, stride))
    for offset in 0..<stride {
      let row = table + RelativePosition.bucket(offset - zero) * heads
      for head in 0..<heads { line[head * stride + offset] = row[head] }
    }
    self.line = UnsafePointer(line)
  }

  /// The bias of a head: element j - i goes to the score of query i and key j.
  func ofHead(_ head: Int) -> UnsafePointer<Float> { line + (head &* stride &+ zero) }

  /// Elements of the table.
  var count: Int { RelativePosition.buckets * heads }
}
