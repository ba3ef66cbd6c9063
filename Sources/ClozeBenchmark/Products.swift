import ArgumentParser
import CClozeKernels
import ClozeIO

/// Benchmark of dense layers.
struct Products: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure dense layers: operations per second, and their share of the CPU's limit.",
    discussion: """
      A product with bias and activation on packed activations; `packed` includes packing. Rows are \
      normally distributed, after GELU for the second feed-forward layer. Results must equal those \
      of the scalar kernels to the bit.
      """)

  @Argument(help: "A table of products.") var table: String
  @Option(help: "Only this instruction set.") var isa: String?
  @Option(help: "Measuring time per product, in seconds.") var seconds = 0.3

  func run() throws {
    let shapes = try rows(ofTable: table, fields: 6).map { try Shape($0) }
    for kernels in try variants(isa) {
      for precision in KernelPrecision.allCases {
        let limit = kernels.limit(precision, seconds: seconds)
        let unit = precision == .int8 ? "GOP/s" : "GFLOP/s"
        print(
          "\n\(kernels.name) \(precision.rawValue)" + (limit.map { ", limit \(column($0 / 1e9, 0, 0)) \(unit)" } ?? ""))
        print(column("", 46) + column(unit, 10) + "share    packed   share")
        for shape in shapes {
          let (plain, packed) = try shape.measure(kernels, precision, seconds)
          func share(_ rate: Double) -> String { limit.map { column(rate / $0, 2, 7) } ?? "      -" }
          print(
            column("\(shape.model) \(shape.layer)", 28) + column("\(shape.m) x \(shape.k) x \(shape.n)", 16)
              + column(plain / 1e9, 1, 7) + " " + share(plain) + column(packed / 1e9, 1, 9) + " " + share(packed))
        }
      }
    }
  }
}

/// c [m, n] = activation(a [m, k] b [k, n] + bias)
struct Shape {
  let model: String
  let layer: String
  let m: Int
  let k: Int
  let n: Int
  let activation: cloze_activation

  init(_ fields: [String]) throws {
    guard let m = Int(fields[2]), let k = Int(fields[3]), let n = Int(fields[4]), min(m, k, n) > 0,
      let activation = Self.activations[fields[5]]
    else { throw BenchmarkFailure(description: "not a product: \(fields.joined(separator: " "))") }
    (model, layer) = (fields[0], fields[1])
    (self.m, self.k, self.n) = (m, k, n)
    self.activation = activation
  }

  private static let activations = ["none": CLOZE_ACTIVATION_NONE, "gelu": CLOZE_ACTIVATION_GELU]

  /// Operations per second, without and with packing the activations.
  func measure(_ kernels: cloze_kernels, _ precision: KernelPrecision, _ seconds: Double) throws -> (
    plain: Double, packed: Double
  ) {
    var numbers = SplitMix64(seed: 1)
    var x = numbers.normal(m * k)
    // A layer with fewer outputs than inputs is the second of the feed-forward block, after GELU.
    if k > n { kernels.rows.pointee.activate(&x, x.count, Int32(CLOZE_ACTIVATION_GELU.rawValue)) }
    let w = numbers.normal(n * k).map { $0 * 0.05 }
    let bias = numbers.normal((n + 15) / 16 * 16)

    let matrix = kernels.matrix(precision)
    let a = PackedRows(matrix, m, k)
    let b = PackedColumns(kernels, precision, w, n, k)
    var c = [Float](repeating: 0, count: m * n)
    func pack() { matrix.pack_rows(x, k, nil, m, k, a.rows) }
    func multiply() {
      bias.withUnsafeBufferPointer {
        let epilogue = cloze_epilogue(bias: $0.baseAddress, activation: Int32(activation.rawValue))
        matrix.multiply(m, n, k, a.rows, b.columns, epilogue, &c, n)
      }
    }
    pack()
    multiply()
    try check(c, kernels, precision, x, w, bias)
    let operations = 2 * Double(m) * Double(k) * Double(n)
    let plain = leastTime(seconds: seconds, multiply)
    let packed = leastTime(seconds: seconds) {
      pack()
      multiply()
    }
    return (operations / plain, operations / packed)
  }

  /// Compares the last rows with the scalar kernels; a row does not depend on others.
  private func check(
    _ c: [Float], _ kernels: cloze_kernels, _ precision: KernelPrecision, _ x: [Float], _ w: [Float], _ bias: [Float]
  ) throws {
    let reference = try scalar()
    let matrix = reference.matrix(precision)
    let count = min(m, 5)
    let a = PackedRows(matrix, count, k)
    let b = PackedColumns(reference, precision, w, n, k)
    var expected = [Float](repeating: 0, count: count * n)
    matrix.pack_rows(Array(x.suffix(count * k)), k, nil, count, k, a.rows)
    bias.withUnsafeBufferPointer {
      let epilogue = cloze_epilogue(bias: $0.baseAddress, activation: Int32(activation.rawValue))
      matrix.multiply(count, n, k, a.rows, b.columns, epilogue, &expected, n)
    }
    guard zip(c.suffix(count * n), expected).allSatisfy({ $0.bitPattern == $1.bitPattern }) else {
      throw BenchmarkFailure(
        description: "\(kernels.name) \(precision.rawValue): \(model) \(layer) differs from the " + "scalar kernels")
    }
  }
}
