import CClozeBenchmark
import CClozeKernels

/// The kernel variants that this CPU supports, or the named one; the scalar reference only by its name.
func variants(_ name: String?) throws -> [cloze_kernels] {
  var count = 0
  let tables = cloze_kernels_all(&count)
  let all = (0..<count).map { tables[$0].pointee }.filter { $0.supported() != 0 }
  let chosen = all.filter { name == nil ? $0.name != "scalar" : $0.name == name }
  guard !chosen.isEmpty else {
    throw BenchmarkFailure(description: "this CPU runs \(all.map(\.name).joined(separator: ", "))")
  }
  return chosen
}

/// The scalar reference.
func scalar() throws -> cloze_kernels { try variants("scalar")[0] }

extension cloze_kernels {
  var name: String { String(cString: isa) }

  func matrix(_ precision: KernelPrecision) -> cloze_matrix_kernels {
    precision == .int8 ? int8.pointee : float32.pointee
  }

  /// Operations per second of the multiplication instruction in registers, the limit of a product; nil if there is
  /// no such loop.
  func limit(_ precision: KernelPrecision, seconds: Double, rounds: Int = 7) -> Double? {
    var count: Int32 = 0
    let limits = cloze_limits(&count)
    for i in 0..<Int(count)
    where String(cString: limits[i].isa) == name && (limits[i].is_float32 != 0) == (precision == .float32) {
      let passes: Int64 = 100_000
      let time = leastTime(seconds: seconds, rounds: rounds) { limits[i].run(passes) }
      return Double(limits[i].operations) * Double(passes) / time
    }
    return nil
  }
}

enum KernelPrecision: String, CaseIterable { case int8, float32 }
