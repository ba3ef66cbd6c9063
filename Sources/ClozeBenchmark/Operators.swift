import ArgumentParser
import CClozeKernels
import ClozeIO

/// Benchmark of the operators other than dense layers.
struct Operators: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure attention, packing and LayerNorm: nanoseconds per token.",
    discussion: "Attention is of one head. Results must equal those of the scalar kernels.")

  @Argument(help: "A table of operators.") var table: String
  @Option(help: "Only this instruction set.") var isa: String?
  @Option(help: "Measuring time per operator, in seconds.") var seconds = 0.3

  func run() throws {
    let operators = try rows(ofTable: table, fields: 3).map { try RowOperator($0) }
    let reference = try scalar()
    for kernels in try variants(isa) {
      print("\n\(kernels.name), ns a token      tokens  width     int8  float32")
      for one in operators {
        let times = try KernelPrecision.allCases.map { precision in
          if precision == .float32, one.kind == .layernorm { return "" }
          var result = one.output()
          one.run(kernels, precision, &result)
          var expected = one.output()
          one.run(reference, precision, &expected)
          guard one.kind == .pack || zip(result, expected).allSatisfy({ $0.bitPattern == $1.bitPattern }) else {
            throw BenchmarkFailure(description: "\(kernels.name): \(one.kind) is wrong")
          }
          let time = leastTime(seconds: seconds) { one.run(kernels, precision, &result) }
          return column(time * 1e9 / Double(one.tokens), 1, 9)
        }
        print(
          column(one.kind.rawValue, 26) + column(Double(one.tokens), 0, 8) + column(Double(one.width), 0, 7)
            + times.joined())
      }
    }
  }
}

/// An operator with its input.
struct RowOperator {
  enum Kind: String { case attention, pack, layernorm }

  let kind: Kind
  let tokens: Int
  let width: Int
  private let input: [Float]
  private let gamma: [Float]

  init(_ fields: [String]) throws {
    guard let kind = Kind(rawValue: fields[0]), let tokens = Int(fields[1]), let width = Int(fields[2]), tokens > 0,
      width > 0
    else { throw BenchmarkFailure(description: "not an operator: \(fields.joined(separator: " "))") }
    self.kind = kind
    self.tokens = tokens
    self.width = width
    var numbers = SplitMix64(seed: 2)
    input = numbers.normal(tokens * 3 * width)
    gamma = numbers.normal(width)
  }

  func output() -> [Float] { [Float](repeating: 0, count: tokens * width) }

  func run(_ kernels: cloze_kernels, _ precision: KernelPrecision, _ output: inout [Float]) {
    let matrix = kernels.matrix(precision)
    switch kind {
    case .layernorm:
      kernels.rows.pointee.layernorm(input, width, nil, 0, gamma, gamma, 1e-12, tokens, width, &output, width)
    case .pack:
      let packed = PackedRows(matrix, tokens, width)
      matrix.pack_rows(input, width, nil, tokens, width, packed.rows)
    case .attention:
      withUnsafeTemporaryAllocation(byteCount: matrix.attention_scratch(tokens, width), alignment: 64) { scratch in
        input.withUnsafeBufferPointer { input in
          guard let q = input.baseAddress, let scratch = scratch.baseAddress else { return }
          matrix.attention(
            q, q + width, q + 2 * width, 3 * width, tokens, width, 1 / Float(width).squareRoot(), nil, 0, tokens,
            &output, width, scratch)
        }
      }
    }
  }
}
