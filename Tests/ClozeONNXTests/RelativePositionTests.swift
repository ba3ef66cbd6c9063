import Testing

@testable import ClozeONNX

/// Buckets of relative positions.
struct RelativePositionTests {
  /// The first offset of each bucket in turn, as transformers' `MPNetEncoder.relative_position_bucket` computes them in
  /// PyTorch's float32 for every offset from -9,000 to 9,000.
  @Test func areThoseOfTransformers() {
    let starts = [
      (-9000, 15), (-90, 14), (-63, 13), (-45, 12), (-31, 11), (-22, 10), (-15, 9), (-11, 8), (-7, 7), (-6, 6), (-5, 5),
      (-4, 4), (-3, 3), (-2, 2), (-1, 1), (0, 0), (1, 17), (2, 18), (3, 19), (4, 20), (5, 21), (6, 22), (7, 23),
      (8, 24), (12, 25), (16, 26), (23, 27), (32, 28), (46, 29), (64, 30), (91, 31),
    ]
    for offset in -9000...9000 {
      let expected = starts.last { $0.0 <= offset }?.1
      #expect(RelativePosition.bucket(offset) == expected, "offset \(offset)")
    }
    #expect(RelativePosition.bucket(.max) == 31 && RelativePosition.bucket(-Int.max) == 15)
  }
}
