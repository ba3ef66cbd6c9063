import CClozeKernels
import Testing

@Suite struct ActivationTests {
  private func activate(_ variant: Variant, _ x: [Float], _ activation: cloze_activation) -> [Float] {
    let y = GuardedBuffer(x)
    variant.rows.activate(y.pointer, x.count, Int32(activation.rawValue))
    return y.array
  }

  /// Every exponent with a few mantissas, both signs; the zeros; and steps of 1/128 over -20 ...
  /// 20.
  private static let sweep: [Float] = {
    var values: [Float] = []
    for exponent in UInt32(0)..<255 {
      for mantissa: UInt32 in [0, 1, 0x2a_aaaa, 0x55_5555, 0x7f_ffff] {
        let value = Float(bitPattern: exponent << 23 | mantissa)
        values += [value, -value]
      }
    }
    return values + (-2560...2560).map { Float($0) / 128 }
  }()

  @Test(arguments: Variant.supported, cloze_activation.every) func valuesAreWithinTheBound(
    variant: Variant, activation: cloze_activation
  ) {
    let result = activate(variant, Self.sweep, activation)
    let off = Self.sweep.indices.first {
      let x = Double(Self.sweep[$0])
      return !(abs(Double(result[$0]) - activation.reference(x)) <= activation.bound(at: x))
    }
    #expect(off == nil, "\(activation.rawValue) at \(off.map { "\(Self.sweep[$0]): \(result[$0])" } ?? "")")
    #expect(sameBits(result, activate(.scalar, Self.sweep, activation)))
  }

  @Test(arguments: Variant.supported, cloze_activation.every) func valueDoesNotDependOnItsPlace(
    variant: Variant, activation: cloze_activation
  ) {
    var random = Random(51)
    let x = random.floats(67)
    let expected = activate(.scalar, x, activation)
    for count in 1...67 {
      #expect(sameBits(activate(variant, Array(x[..<count]), activation), Array(expected[..<count])))
    }
    #expect(activate(variant, [], activation) == [])
  }

  @Test(arguments: Variant.supported) func infinitiesZerosAndNaN(variant: Variant) {
    for activation in cloze_activation.every {
      let values = activate(variant, [.infinity, -.infinity, 0, -0.0, .nan, -.nan, .signalingNaN, 1], activation)
      let isTanh = activation == CLOZE_ACTIVATION_TANH
      #expect(values[0] == (isTanh ? 1 : .infinity), "\(activation.rawValue)")
      switch activation {
      case CLOZE_ACTIVATION_NONE: #expect(values[1] == -.infinity)
      case CLOZE_ACTIVATION_TANH: #expect(values[1] == -1)
      // x sigmoid(x) is -infinity times 0, as in other runtimes; the limit is 0.
      default: #expect(values[1] == 0 || values[1].isNaN, "\(activation.rawValue)")
      }
      #expect(values[2] == 0 && values[3] == 0)
      // A NaN spoils no other lane.
      #expect(sameBits([values[7]], activate(variant, [1], activation)))
    }
  }
}
