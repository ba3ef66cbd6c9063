import CClozeKernels
import ClozeKernelsTestSupport

extension cloze_activation {
  static let every = (0...CLOZE_ACTIVATION_QUICK_GELU.rawValue).map { cloze_activation(rawValue: $0) }

  func reference(_ x: Double) -> Double { reference_activation(x, Int32(rawValue)) }

  /// The largest slope of any of them, GELU's at sqrt 2.
  static let steepest = 1.13

  /// How far a variant's value may be from the reference at the same x.
  ///
  /// GELU and tanh: as simd/activations.h states. The others are x sigmoid(y) with y within 4
  /// roundings of its true value, which move the sigmoid by at most 4 u |y| of itself; exp has the
  /// relative error 2e-7 that simd/vec16.h states, and 1 +, the division and the product round
  /// once each. Where exp overflows they are 0, and the reference below 1e-36.
  func bound(at x: Double) -> Double {
    let value = abs(reference(x))
    switch self {
    case CLOZE_ACTIVATION_GELU: return 1e-6
    case CLOZE_ACTIVATION_TANH: return 1.2e-7
    case CLOZE_ACTIVATION_GELU_TANH:
      let y = 1.5957691216 * abs(x) * (1 + 0.044715 * x * x)
      return value * (2e-7 + (3 + 4 * min(y, 90)) * unit) + 1e-36
    case CLOZE_ACTIVATION_SILU, CLOZE_ACTIVATION_QUICK_GELU:
      return value * (2e-7 + (3 + 4 * min(1.702 * abs(x), 90)) * unit) + 1e-36
    default: return 0
    }
  }

  /// The same after an int8 product, as simd/activations.h states.
  func boundAfterInt8(at x: Double) -> Double { self == CLOZE_ACTIVATION_GELU ? 1.8e-4 : bound(at: x) }
}
