import CClozeKernels
import ClozeKernelsTestSupport
import Glibc
import Testing

@Suite struct VariantTests {
  @Test func tablesAreListedBestFirst() {
    let names = Variant.compiled.map(\.name)
    #if arch(x86_64)
      #expect(names == ["avx512amx", "avx512vnni", "avxvnni", "avx2", "scalar"])
    #elseif os(Linux) && arch(arm64)
      #expect(names == ["neoni8mm", "neondot", "scalar"])
    #endif
    #expect(names.last == "scalar")
    #expect(Variant.scalar.kernels.supported() != 0)
  }

  /// What runs is compared with what the operating system says of the CPU, so that no variant is
  /// left out of the tests unnoticed.
  #if os(Linux) && arch(x86_64)
    @Test(arguments: [
      ("avx2", ["avx2", "fma", "f16c"]), ("avxvnni", ["avx2", "fma", "f16c", "avx_vnni"]),
      ("avx512vnni", ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"]),
      (
        "avx512amx",
        ["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni", "amx_tile", "amx_int8"]
      ),
    ]) func variantRunsWhereTheCPUHasItsInstructions(isa: String, needed: [String]) throws {
      let flags = try #require(processorFlags(), "/proc/cpuinfo can't be read")
      #expect(Variant.supported.contains { $0.name == isa } == flags.isSuperset(of: needed))
    }
  #endif

  @Test(
    .enabled(
      if: Variant.all.contains { $0.name.hasPrefix("avx512vnni") },
      "the CPU has no AVX-512 VNNI, and libsimde-dev, which emulates it, is not installed"),
    arguments: [("avx512vnni", 12), ("avx512amx", 32)])
  func avx512RunsOrIsEmulated(name: String, rows: Int32) throws {
    let variant = try #require(Variant.all.first { $0.name.hasPrefix(name) })
    #expect(variant[.int8].mr == rows)
  }

  /// Products in bfloat16 are by the CPU's instruction where it has one, in the variant that has its registers.
  @Test func bfloat16IsMultipliedByTheInstructionThatThereIs() {
    for variant in Variant.compiled {
      var pairs = false
      #if os(Linux) && arch(x86_64)
        let hasPairs = processorFlags()?.isSuperset(of: ["avx512f", "avx512_bf16"]) == true
        pairs = hasPairs && variant.name.hasPrefix("avx512")
      #endif
      #expect(variant.kernels.bfloat16().pointee.kr == (pairs ? 2 : 1), "\(variant.name)")
    }
    for variant in Variant.emulated where variant.name.hasPrefix("avx512vnni") {
      #expect(variant.kernels.bfloat16().pointee.kr == 2)
    }
  }

  @Test(
    .enabled(
      if: Variant.all.contains { $0.name.hasPrefix("avxvnni") }, "the CPU has no AVX2, with which AVX-VNNI is emulated")
  ) func avxVNNIRunsOrIsEmulated() throws {
    let variant = try #require(Variant.all.first { $0.name.hasPrefix("avxvnni") })
    #expect(variant[.int8].mr == 6)
  }

  /// A table that borrowed an operator of another would be a forced variant that did not run. AVX-VNNI adds to AVX2, and
  /// AMX to AVX-512 VNNI, what multiplies bytes, and have their floats.
  @Test func noTwoVariantsShareAnOperator() {
    let borrowing: Set = ["avxvnni", "avx512amx"]
    var owner: [UInt: String] = [:]
    for variant in Variant.compiled {
      for precision in Precision.allCases where precision == .int8 || !borrowing.contains(variant.name) {
        var table = variant[precision]
        let first = MemoryLayout.offset(of: \cloze_matrix_kernels.packed_rows_size) ?? 0
        withUnsafeBytes(of: &table) { claim($0, of: variant.name, skipping: first) }
      }
      if borrowing.contains(variant.name) { continue }
      var (rows, training) = (variant.rows, variant.training)
      withUnsafeBytes(of: &rows) { claim($0, of: variant.name, skipping: 0) }
      withUnsafeBytes(of: &training) { claim($0, of: variant.name, skipping: 0) }
    }
    func claim(_ table: UnsafeRawBufferPointer, of name: String, skipping: Int) {
      for offset in stride(from: skipping, to: table.count, by: 8) {
        let function = table.load(fromByteOffset: offset, as: UInt.self)
        #expect(function != 0)
        #expect(owner[function] == nil, "\(name) has an operator of \(owner[function] ?? "")")
        owner[function] = name
      }
    }
    let floats = 7 + MemoryLayout<cloze_row_kernels>.size / 8 + MemoryLayout<cloze_training_kernels>.size / 8
    let borrowers = Variant.compiled.count { borrowing.contains($0.name) }
    #expect(owner.count == Variant.compiled.count * (7 + floats) - borrowers * floats)
  }

  @Test(arguments: Variant.all, Precision.allCases) func tilesHaveTheSizesThatPackingReliesOn(
    variant: Variant, precision: Precision
  ) {
    let kernels = variant[precision]
    #expect(kernels.mr >= 1 && kernels.nr == 16)
    switch precision {
    case .int8: #expect(kernels.kr == 4 && kernels.column_element_size == 1)
    case .float32: #expect(kernels.kr == 1 && kernels.column_element_size == 4)
    }
  }

  private func processorFlags() -> Set<String>? {
    guard let file = fopen("/proc/cpuinfo", "r") else { return nil }
    defer { fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    var capacity = 0
    defer { free(line) }
    while getline(&line, &capacity, file) > 0 {
      guard let text = line.map({ String(cString: $0) }), text.hasPrefix("flags") else { continue }
      return Set(text.split(whereSeparator: \.isWhitespace).map(String.init))
    }
    return nil
  }
}
