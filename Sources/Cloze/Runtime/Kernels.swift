package import CClozeKernels
package import ClozeIO

/// The kernels of one instruction set, chosen once per model.
package struct Kernels: @unchecked Sendable {
  package let isa: ISA
  package let rows: cloze_row_kernels
  let int8: cloze_matrix_kernels
  package let float32: cloze_matrix_kernels
  package let training: cloze_training_kernels
  package let bfloat16: cloze_bfloat16_kernels

  package func matrix(_ precision: Precision) -> cloze_matrix_kernels { precision == .int8 ? int8 : float32 }

  /// target = norm(x + residual), each [rows, width]; target may be x.
  func normalize(
    _ x: UnsafePointer<Float>, plus residual: UnsafePointer<Float>? = nil, _ norm: Weights.Norm, rows count: Int,
    width: Int, to target: UnsafeMutablePointer<Float>
  ) { rows.layernorm(x, width, residual, width, norm.gamma, norm.beta, norm.epsilon, count, width, target, width) }

  /// The kernels of the instruction set that the caller or else the environment's `CLOZE_ISA` forces; without
  /// either, of the fastest that this CPU has.
  ///
  /// - Throws: `.unsupportedISA`.
  package static func choose(_ forced: ISA?) throws(ClozeError) -> Kernels {
    var wanted = forced
    if wanted == nil, let text = environment("CLOZE_ISA"), !text.isEmpty {
      guard let isa = ISA(rawValue: text) else {
        throw ClozeError(.unsupportedISA, "CLOZE_ISA is \"\(text)\"; expected one of \(names(ISA.allCases))")
      }
      wanted = isa
    }
    // Only those that may be chosen are asked, as AMX asks the system for permission.
    for kernels in all() {
      guard let isa = ISA(rawValue: String(cString: kernels.isa)), wanted == nil || wanted == isa,
        kernels.supported() != 0
      else { continue }
      return Kernels(
        isa: isa, rows: kernels.rows.pointee, int8: kernels.int8.pointee, float32: kernels.float32.pointee,
        training: kernels.training.pointee, bfloat16: kernels.bfloat16().pointee)
    }
    let has = all().filter { $0.supported() != 0 }.compactMap { ISA(rawValue: String(cString: $0.isa)) }
    throw ClozeError(
      .unsupportedISA, "\(wanted?.rawValue ?? "no instruction set") is not supported; this CPU runs \(names(has))")
  }

  private static func all() -> [cloze_kernels] {
    var count = 0
    let tables = cloze_kernels_all(&count)
    return (0..<count).map { tables[$0].pointee }
  }

  private static func names(_ list: [ISA]) -> String { list.map(\.rawValue).joined(separator: ", ") }
}
