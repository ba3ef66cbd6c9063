import ArgumentParser
import Cloze
import ClozeIO
import Glibc

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure the speed of a model on this machine.", usage: "cloze bench [<options>]",
    discussion: """
      Runs batches of token ids of several shapes and prints the median times, without \
      tokenization. Every result is compared with the first; a difference is an error. Of limit: \
      the share of the speed that the CPU reaches in matrix products alone.

        cloze bench
        cloze bench --model model.onnx --precision float32 --threads 1
      """)

  @Option(help: ArgumentHelp("Measuring time per shape, in seconds.", valueName: "n")) var seconds = 1.0

  @Flag(help: "Print one JSON object per shape.") var json = false

  @OptionGroup(title: "Model") var modelOptions: ModelOptions

  func validate() throws {
    guard seconds > 0, seconds <= 3600 else {
      throw ValidationError("--seconds \(seconds): must be more than 0 and at most 3600")
    }
  }

  func run() throws {
    let begin = Clock.seconds()
    let session = try modelOptions.makeSession()
    let loading = Clock.seconds() - begin
    let info = session.model.info
    let printer = ByteWriter.standardOutput()
    let processor = processorName()
    if !json {
      var facts = Table(alignments: [.left, .left])
      facts.add(["model", "\(modelOptions.model ?? "built-in"), loaded in \(fixed(loading, digits: 2)) s"])
      facts.add([
        "",
        "\(info.numHiddenLayers) layers, hidden \(info.hiddenSize), \(PrecisionName(info.precision)), "
          + "\(fixed(Double(info.weightBytes) / 1e6, digits: 1)) MB of weights",
      ])
      facts.add(["processor", processor])
      facts.add(["", "\(info.isa), \(session.threads == 1 ? "1 thread" : "\(session.threads) threads")"])
      try printer.write(facts.rendered() + "\n")
      try printer.flush()
    }

    var table = Table([
      ("shape", .left), ("texts", .right), ("tokens", .right), ("ms", .right), ("tokens/s", .right),
      ("texts/s", .right), ("of limit", .right),
    ])
    var limits: [Double] = []
    for workload in Workload.all(longest: info.maxPositionEmbeddings) {
      let seconds = try measure(workload, session)
      // After the runs, at the clock that they leave the CPU with.
      let limit = try productRate(
        Kernels.choose(info.isa), info.precision, threads: session.threads, seconds: 0.05)
      limits.append(limit)
      let texts = Double(workload.lengths.count)
      let tokens = Double(workload.tokens)
      let share = workload.operations(info.configuration) / seconds / limit
      if json {
        try printer.write(
          JSONWriter.line {
            $0.value("shape", workload.name)
            $0.value("texts", workload.lengths.count)
            $0.value("tokens", workload.tokens)
            $0.value("seconds", seconds)
            $0.value("tokens_per_second", tokens / seconds)
            $0.value("texts_per_second", texts / seconds)
            $0.value("share_of_limit", share)
            $0.value("limit_operations_per_second", limit)
            $0.value("precision", PrecisionName(info.precision).rawValue)
            $0.value("isa", info.isa.rawValue)
            $0.value("threads", session.threads)
            $0.value("processor", processor)
          })
        try printer.flush()
      } else {
        table.add([
          workload.name, grouped(workload.lengths.count), grouped(workload.tokens), fixed(seconds * 1000, digits: 2),
          grouped(Int((tokens / seconds).rounded())), grouped(Int((texts / seconds).rounded())),
          fixed(share * 100, digits: 0) + " %",
        ])
      }
    }
    if !json {
      let most = roughly((limits.max() ?? 0) / 1e9)
      try printer.write(
        table.rendered() + "\nlimit: \(most) billion operations per second, what \(PrecisionName(info.precision)) "
          + "products alone reach here with all operands in the cache\n")
    }
    try printer.flush()
  }

  /// The median time of a run, in seconds, after one warm-up run.
  private func measure(_ workload: Workload, _ session: Session) throws -> Double {
    let ids = workload.ids(vocabulary: session.model.info.vocabSize)
    var expected: [Float] = []
    var times: [Double] = []
    let begin = Clock.seconds()
    while times.count < 5 || Clock.seconds() - begin < seconds {
      let start = Clock.seconds()
      let vectors = try embed(ids, workload.offsets, session)
      let time = Clock.seconds() - start
      if expected.isEmpty {
        guard vectors.allSatisfy(\.isFinite) else {
          throw ClozeError(.internal, "\(workload.name): a result is not finite")
        }
        expected = vectors
        continue
      }
      guard zip(vectors, expected).allSatisfy({ $0.bitPattern == $1.bitPattern }) else {
        throw ClozeError(.internal, "\(workload.name): two runs gave different results")
      }
      times.append(time)
    }
    times.sort()
    let middle = times.count / 2
    return times.count % 2 == 1 ? times[middle] : (times[middle - 1] + times[middle]) / 2
  }

  private func embed(_ ids: [Int32], _ offsets: [Int], _ session: Session) throws -> [Float] {
    let count = (offsets.count - 1) * session.model.info.hiddenSize
    return try [Float](unsafeUninitializedCapacity: count) { (values, initialized) throws(ClozeError) in
      var output = Output(.embedding, values: values.baseAddress)
      output.pooling = .mean
      try ids.withUnsafeBufferPointer { (ids) throws(ClozeError) in
        try offsets.withUnsafeBufferPointer { (offsets) throws(ClozeError) in
          try withUnsafePointer(to: output) { (output) throws(ClozeError) in
            let batch = RaggedBatch(ids: ids, typeIDs: nil, offsets: offsets)
            try session.exclusively { () throws(ClozeError) in
              try session.run(batch, UnsafeBufferPointer(start: output, count: 1))
            }
          }
        }
      }
      initialized = count
    }
  }
}

/// A batch of a given shape.
struct Workload {
  let name: String
  /// Tokens of each text.
  let lengths: [Int]

  var tokens: Int { lengths.reduce(0, +) }

  /// The first token of each text, and the number of tokens: `cu_seqlens`.
  var offsets: [Int] { lengths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) } }

  /// Single texts of three lengths, a batch of long texts, and a ragged batch; none longer than `longest` tokens.
  static func all(longest: Int) -> [Workload] {
    let (short, long) = (min(16, longest), min(128, longest))
    var all = [
      Workload(name: "single\(short)", lengths: [short]), Workload(name: "single\(long)", lengths: [long]),
      Workload(name: "batch8x\(long)", lengths: [Int](repeating: long, count: 8)),
    ]
    if longest >= 512 { all.append(Workload(name: "single512", lengths: [512])) }
    all.append(Workload(name: "ragged", lengths: ragged(long)))
    return all
  }

  /// 256 log-normally distributed lengths, as of sentences: the logarithm has mean 2.9 and standard deviation 0.6,
  /// so that half of the lengths are below 20 tokens and a few percent above 60.
  private static func ragged(_ longest: Int) -> [Int] {
    var random = SplitMix64(seed: 1)
    return (0..<256).map { _ in
      // The sum of twelve uniform numbers is approximately normal.
      let normal = (0..<12).reduce(-6.0) { sum, _ in sum + Double.random(in: 0..<1, using: &random) }
      return max(1, min(2 + Int(exp(2.9 + 0.6 * normal)), longest))
    }
  }

  /// Multiplications and additions of a run: of the dense layers for each token, and in each layer those of a text's
  /// queries by its keys and of probabilities by its values, two for each pair of tokens and element of a state.
  func operations(_ configuration: BERTConfiguration) -> Double {
    let pairs = lengths.reduce(0) { $0 + Double($1) * Double($1) }
    return Double(tokens) * Double(configuration.operationsPerToken)
      + Double(configuration.numHiddenLayers) * 4 * pairs * Double(configuration.hiddenSize)
  }

  /// Ids spread over the vocabulary, the same in every run.
  func ids(vocabulary: Int) -> [Int32] {
    (0..<tokens).map { Int32(truncatingIfNeeded: ($0 &* 7919 &+ 104_729) % max(vocabulary, 1)) }
  }
}
