import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import Cloze

/// Every instruction set that this CPU runs.
let availableISAs = ISA.allCases.filter { (try? Kernels.choose($0)) != nil }

/// Models of fixtures.
extension Model {
  /// The model of a fixture.
  static func fixture(_ name: String, _ precision: Precision = .float32, isa: ISA? = nil) throws -> Model {
    try Model(path: Fixture.modelPath(name), options: LoadOptions(precision: precision, isa: isa))
  }

  /// Every output that this model has.
  var outputs: [RunOutput] {
    var outputs: [RunOutput] = [
      .hidden(layers: Array(0...info.numHiddenLayers)), .embedding(EmbeddingOptions(pooling: .mean, normalize: true)),
      .embedding(EmbeddingOptions(pooling: .max, normalize: false)),
      .embedding(EmbeddingOptions(pooling: .meanSqrtLen, normalize: true, dimensions: 7)),
      .embedding(EmbeddingOptions(pooling: .lastToken, normalize: false)),
      .embedding(EmbeddingOptions(pooling: .weightedMean, normalize: false)),
    ]
    if info.heads.contains(.pooler) { outputs.append(.pooler) }
    if info.heads.contains(.mlm) { outputs.append(.mlm) }
    if info.heads.contains(.nsp) { outputs.append(.nsp) }
    if info.heads.contains(.classes) { outputs.append(.classes) }
    if info.heads.contains(.tags) { outputs.append(.tags) }
    if info.heads.contains(.answer) { outputs.append(.answer) }
    return outputs
  }
}

/// Sequences of token ids, and the arrays that `Session.run` takes.
struct Batch {
  struct Sequence {
    var ids: [Int32]
    var types: [Int32]
  }

  var sequences: [Sequence]

  var ids: [Int32] { sequences.flatMap(\.ids) }
  var types: [Int32] { sequences.flatMap(\.types) }
  var ends: [Int32] { sequences.reduce(into: [0]) { $0.append(($0.last ?? 0) + Int32($1.ids.count)) } }

  init(_ sequences: [Sequence]) { self.sequences = sequences }

  /// Random ids in sequences of these lengths; the same for the same seed.
  init(_ model: Model, lengths: [Int], seed: UInt64 = 1) {
    var random = Random(state: seed)
    sequences = lengths.map { length in
      Sequence(
        ids: (0..<length).map { _ in .random(in: 0..<Int32(model.info.vocabSize), using: &random) },
        types: (0..<length).map { _ in .random(in: 0..<Int32(model.info.typeVocabSize), using: &random) })
    }
  }

  /// The sequences of a fixture's input without padding, and the indices of their tokens in [B, S].
  static func of(_ expected: [String: Fixture.Array], _ model: Model) throws -> (Batch, [Int]) {
    let ids = try #require(expected["input_ids"])
    let mask = try #require(expected["attention_mask"])
    let types = try #require(expected["token_type_ids"])
    let width = ids.shape[1]
    var places: [Int] = []
    let sequences = (0..<ids.shape[0]).map { row in
      let real = (row * width..<(row + 1) * width).filter { mask.ints[$0] == 1 }
      places += real
      return Batch.Sequence(
        ids: real.map { Int32(ids.ints[$0]) },
        types: real.map { model.info.typeVocabSize > 1 ? Int32(types.ints[$0]) : 0 })
    }
    return (Batch(sequences), places)
  }

  /// Lengths 1, the longest, and random ones; about `tokens` tokens together.
  static func lengths(_ model: Model, tokens: Int, seed: UInt64 = 1) -> [Int] {
    var random = Random(state: seed)
    var lengths = [1, model.info.maxPositionEmbeddings]
    while lengths.reduce(0, +) < tokens {
      lengths.append(.random(in: 1...model.info.maxPositionEmbeddings, using: &random))
    }
    return lengths
  }
}

/// Runs on test batches.
extension Session {
  func run(_ batch: Batch, _ output: RunOutput = .hidden, positions: [Int]? = nil) throws(ClozeError) -> [Float] {
    try run(ids: batch.ids, cuSeqlens: batch.ends, typeIDs: batch.types, output: output, positions: positions)
  }
}

/// Sessions on small models with a tokenizer of letters, and with a head of random weights for each
/// task that `predict` answers.
struct HeadedSessions {
  /// Every head of pre-training.
  let all: Session
  /// A dense layer after pooling, 20 -> 9.
  let dense: Session
  let tasks: [Head.Task: Session]
  /// Pairs whose texts are encoded apart.
  let apart: Session

  init(_ precision: Precision) throws {
    func model(_ name: String, entries: Int) throws -> Model {
      let vocabulary = TextTests.vocabulary.prefix(entries).joined(separator: "\n")
      let tokenizer = try Tokenizer(vocabulary: Array(vocabulary.utf8))
      return try Model(path: Fixture.modelPath(name), options: LoadOptions(precision: precision, tokenizer: tokenizer))
    }
    let base = try model("pretraining-float16", entries: 1003)
    all = try Session(model: base, threads: 2)
    dense = try Session(model: model("sentence-dense", entries: 53), threads: 2)
    var tasks: [Head.Task: Session] = [:]
    for task in Head.Task.allCases where task != .mlm {
      tasks[task] = try Session(model: Model(base, head: .random(task, on: base)), threads: 2)
    }
    self.tasks = tasks
    apart = try Session(model: Model(base, head: .random(.classifyPairs, on: base, pairs: .apart)), threads: 2)
  }
}

extension Head {
  /// A head of random weights with a hidden layer; that of `tag` reads a mix of layers.
  static func random(_ task: Task, on model: Model, pairs: Pairs = .joint) -> Head {
    var random = Random(state: 11)
    func dense(_ inputs: Int, _ outputs: Int, _ activation: Activation) -> Dense {
      Dense(
        inputs: inputs, outputs: outputs,
        weight: (0..<(inputs * outputs)).map { _ in .random(in: -0.5...0.5, using: &random) },
        bias: (0..<outputs).map { _ in .random(in: -0.5...0.5, using: &random) }, activation: activation)
    }
    let labels: [String] =
      switch task {
      case .classify, .classifyPairs, .multilabel: ["red", "green", "blue"]
      case .tag: ["O", "B-LOC", "I-LOC"]
      case .nsp: ["next", "other"]
      case .regress, .regressPairs, .answer, .mlm: []
      }
    let outputs =
      switch task {
      case .regress, .regressPairs: 1
      case .answer, .nsp: 2
      case .mlm: model.info.vocabSize
      case .classify, .classifyPairs, .multilabel, .tag: labels.count
      }
    let width = model.info.hiddenSize
    let states = model.info.numHiddenLayers + 1
    let mix = LayerMix(shares: (0..<states).map { _ in .random(in: 0...1, using: &random) }, factor: 0.7)
    let first = dense(pairs == .apart ? 4 * width : width, width, task == .nsp ? .tanh : .gelu)
    return Head(
      task: task, labels: labels, layers: [first, dense(width, outputs, .identity)],
      pooling: task == .nsp ? .cls : .mean, pairs: pairs, maxTokens: 20, stride: task == .answer ? 4 : 0,
      mix: task == .tag ? mix : nil, encoder: model.fingerprint)
  }
}

extension Prediction {
  /// Every number in it.
  var bits: [UInt32] {
    let spans = tags + entities + [answer].compactMap(\.self)
    return probabilities.bits + [value].compactMap(\.self).bits
      + spans.flatMap { [UInt32($0.begin), UInt32($0.end), $0.probability.bitPattern] }
  }
}

/// xorshift64: the same numbers in every run.
struct Random: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state
  }
}

/// Comparison to the bit.
extension [Float] {
  /// The bits of the elements; as floats, 0 and -0 are equal.
  var bits: [UInt32] { map(\.bitPattern) }
}

/// The error that `body` throws, which must have this status and contain these parts.
@discardableResult func expectError(
  _ status: ClozeError.Status, _ parts: String..., at location: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) -> ClozeError? {
  do {
    try body()
    Issue.record("nothing was thrown, expected \(status)", sourceLocation: location)
  } catch let error as ClozeError {
    #expect(error.status == status, "\(error)", sourceLocation: location)
    for part in parts { #expect(error.message.contains(part), "\(error)", sourceLocation: location) }
    return error
  } catch { Issue.record("\(error)", sourceLocation: location) }
  return nil
}

/// Calls `body` with a temporary folder.
func write(_ text: String, to path: String) throws {
  let file = URL(filePath: path)
  try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
  try Data(text.utf8).write(to: file)
}
