import CClozeKernels
import ClozeKernelsTestSupport
import Testing

import Glibc

func exponential(_ x: Double) -> Double { exp(x) }

/// The host's rounding and flushing reach no result where a thread enters the kernels' environment.
@Suite struct FloatEnvironmentTests {
  /// Results in which rounding and denormals show.
  private func results(_ variant: Variant) -> [[Float]] {
    var random = Random(61)
    let product = Product(m: 5, n: 20, k: 40, random: &random)
    var tiny = product
    tiny.weights = product.weights.map { $0 * 0x1p-100 }
    tiny.x = product.x.map { $0 * 0x1p-40 }
    tiny.bias = nil
    var sums = random.floats(100)
    variant.rows.softmax(&sums, 100)
    return [product.run(variant, .int8), product.run(variant, .float32), tiny.run(variant, .float32), sums]
  }

  #if arch(x86_64) || arch(arm64)
    @Test(arguments: Variant.all) func hostSettingsDoNotLeakIn(variant: Variant) {
      let host = float_control()
      defer { set_float_control(host) }
      let expected = results(variant)

      set_float_control(float_control_round_up_and_flush())
      let other = float_control()
      let saved = cloze_float_environment_enter()
      let entered = float_control()
      let protected = results(variant)
      cloze_float_environment_restore(saved)
      let restored = float_control()
      let exposed = results(variant)
      set_float_control(host)

      #expect(other == float_control_round_up_and_flush())
      #expect(entered != other)
      #expect(restored == other, "the host's settings did not come back")
      for (a, b) in zip(protected, expected) { #expect(sameBits(a, b)) }
      // Else this test could not fail.
      #expect(!zip(exposed, expected).allSatisfy { sameBits($0, $1) })
      #expect(expected[2].contains { $0.isSubnormal })
    }
  #endif

  @Test func enteringTwiceGivesTheFirstBack() {
    let host = float_control()
    let outer = cloze_float_environment_enter()
    let inner = cloze_float_environment_enter()
    cloze_float_environment_restore(inner)
    cloze_float_environment_restore(outer)
    #expect(float_control() == host)
  }
}
