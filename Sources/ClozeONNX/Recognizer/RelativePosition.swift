/// Buckets of relative positions, for a bias of attention scores: those of T5's encoder (Raffel et al. 2020, section
/// 2.1) with 32 buckets up to a distance of 128, which MPNet has.
package enum RelativePosition {
  /// Rows of a table of biases.
  package static let buckets = 32

  /// The distance from which on all positions share a bucket.
  package static let farDistance = 91

  /// The bucket of a key that lies `offset` tokens after its query.
  ///
  ///     n < 8:  n
  ///     else:   min(8 + floor(8 log(n / 8) / log(128 / 8)), 15) = min(2 + floor(log2(n^2)), 15)
  /// with n the distance; keys after the query have the same buckets from 16 on. In integers, hence the same on every
  /// machine; equal to what transformers computes in float32, for every distance.
  package static func bucket(_ offset: Int) -> Int {
    let distance = min(abs(offset), farDistance)
    let near = distance < 8 ? distance : min(2 + (Int.bitWidth - 1 - (distance * distance).leadingZeroBitCount), 15)
    return offset > 0 ? near + buckets / 2 : near
  }
}
