internal import CClozeKernels
package import ClozeONNX

/// The kernels' numbers for activations.
extension Activation {
  package var kernel: Int32 {
    let kind: cloze_activation =
      switch self {
      case .identity: CLOZE_ACTIVATION_NONE
      case .gelu: CLOZE_ACTIVATION_GELU
      case .geluTanh: CLOZE_ACTIVATION_GELU_TANH
      case .quickGelu: CLOZE_ACTIVATION_QUICK_GELU
      case .relu: CLOZE_ACTIVATION_RELU
      case .silu: CLOZE_ACTIVATION_SILU
      case .tanh: CLOZE_ACTIVATION_TANH
      }
    return Int32(kind.rawValue)
  }
}
