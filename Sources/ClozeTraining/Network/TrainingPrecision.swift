/// What the matrix products of a network's training take; all else is computed, and kept, in float32.
public enum TrainingPrecision: String, Sendable, CaseIterable {
  /// Operands in float32.
  case float32
  /// Operands rounded to bfloat16, to nearest, ties to even, with 0 for values below 2^-56; sums in float32. The bits are
  /// the same on every CPU, and it is faster where one multiplies bfloat16 by itself (AVX-512 BF16).
  case bfloat16
}
