import Cloze
import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import ClozeTraining

/// Pre-training from text files to a model folder, with documents whose sentences say where they stand.
struct PretrainingTests {
  /// Documents of sentences "dN sM x x x", where N is the document and M the sentence.
  static func text(documents: Int, sentences: Int) -> String {
    (0..<documents).map { d in
      (0..<(sentences + d % 3)).map { s in
        "d\(d % 10) s\(s % 10) " + Array(repeating: "x", count: 1 + s % 5).joined(separator: " ")
      }.joined(separator: "\n")
    }.joined(separator: "\n\n") + "\n"
  }

  static let pieces =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "x", "##x"] + (0..<10).flatMap { ["d\($0)", "s\($0)"] }

  private static func options(_ folder: String, _ set: (inout PretrainingOptions) -> Void = { _ in }) throws
    -> PretrainingOptions
  {
    try pieces.joined(separator: "\n").write(toFile: folder + "/vocab.txt", atomically: true, encoding: .utf8)
    var options = PretrainingOptions()
    options.tokenizer = folder + "/vocab.txt"
    options.shape.layers = 2
    options.shape.hidden = 32
    options.shape.heads = 2
    options.maxTokens = 24
    options.batchSize = 4
    options.length = .steps(20)
    options.threads = 1
    set(&options)
    return options
  }

  private static func weights(_ folder: String) throws -> Data {
    try Data(contentsOf: URL(filePath: folder + "/model.safetensors"))
  }

  @Test func packsDocumentsIntoPairsAsBERTDoes() throws {
    try withFolder { folder in
      let file = folder + "/corpus.txt"
      try Self.text(documents: 300, sentences: 30).write(toFile: file, atomically: true, encoding: .utf8)
      let tokenizer = try Tokenizer(vocabulary: Array(Self.pieces.joined(separator: "\n").utf8))
      let corpus = try Corpus(
        [file], tokenizer, longest: 60, folder: folder, Arithmetic(threads: 2), proceed: { _ in true })
      #expect(corpus.documentCount == 300)
      let document = (0..<300).map { corpus.tokens(corpus.sentences(of: $0)) }
      func owner(_ range: Range<Int>) -> Int? {
        document.firstIndex { $0.lowerBound <= range.lowerBound && range.upperBound <= $0.upperBound }
      }
      let sampler = PairSampler(maxTokens: 64, shortShare: 0.1, hasPairs: true)
      let pairs = Array(PairStream(corpus, Array(0..<300), sampler, seed: 1, epochs: 3))
      var (next, short) = (0, 0)
      for pair in pairs {
        let (first, second) = (owner(pair.first), owner(pair.second))
        #expect(first != nil && second != nil && pair.first.count > 0 && pair.second.count > 0)
        #expect(pair.tokenCount <= 61)
        if pair.isNext {
          next += 1
          #expect(first == second && pair.first.upperBound <= pair.second.lowerBound)
        } else {
          #expect(first != second)
        }
        if pair.tokenCount < 40 { short += 1 }
      }
      #expect(pairs.count > 1500)
      #expect(abs(Double(next) / Double(pairs.count) - 0.5) < 0.05)
      #expect(Double(short) / Double(pairs.count) > 0.05 && Double(short) / Double(pairs.count) < 0.35)
      #expect(pairs == Array(PairStream(corpus, Array(0..<300), sampler, seed: 1, epochs: 3)))
      #expect(pairs != Array(PairStream(corpus, Array(0..<300), sampler, seed: 2, epochs: 3)))
    }
  }

  @Test func masksFifteenPercentAndWordsAsWholes() throws {
    try withFolder { folder in
      let file = folder + "/corpus.txt"
      try Array(repeating: "xxx d1 x xx s2 xxxx x d3 s4 xx", count: 400).joined(separator: "\n")
        .write(toFile: file, atomically: true, encoding: .utf8)
      let tokenizer = try Tokenizer(vocabulary: Array(Self.pieces.joined(separator: "\n").utf8))
      let corpus = try Corpus(
        [file], tokenizer, longest: 60, folder: folder, Arithmetic(threads: 1), proceed: { _ in true })
      for wholeWords in [false, true] {
        var options = PretrainingOptions()
        options.objective = .maskedLM
        options.wholeWords = wholeWords
        let maker = try BatchMaker(corpus, tokenizer, rows: Self.pieces.count, options)
        let pairs = Array(
          PairStream(
            corpus, [0], PairSampler(maxTokens: 64, shortShare: 0, hasPairs: false), seed: 0, epochs: 1))
        let batch = maker.batch(pairs, number: 3)
        #expect(abs(Double(batch.positions.count) / Double(batch.tokens.ids.count) - 0.15) < 0.02)
        #expect(batch.tokens.types.allSatisfy { $0 == 0 })
        var original = batch.tokens.ids
        for (position, target) in zip(batch.positions, batch.targets) { original[position] = target }
        guard wholeWords else { continue }
        // A continuation is chosen exactly where the token before it is.
        let chosen = Set(batch.positions)
        for i in 1..<original.count where original[i] == 6 && original[i - 1] != 2 {
          #expect(chosen.contains(i) == chosen.contains(i - 1))
        }
      }
    }
  }

  /// Fifty steps from the same weights on the same batches.
  @Test func lossesArePyTorchs() throws {
    let all = try Fixture.expected("../training/pretraining")
    func ints(_ name: String) throws -> [Int] { try #require(all[name]).ints }
    let base = try Model(path: Fixture.modelPath("../pretrained/bert"), options: LoadOptions(precision: .float32))
    let arithmetic = try Arithmetic(threads: 2)
    let model = try PretrainingModel(base, hasNextSentence: true, seed: 0, arithmetic)
    var optimizers = try model.blocks.map { try AdamW<Float>(parameters: $0.values.count) }
    let (ids, types, offsets) = (try ints("ids"), try ints("types"), try ints("offsets"))
    let (positions, targets, classes) = (try ints("positions"), try ints("targets"), try ints("classes"))
    let (counts, losses) = (try ints("counts"), try #require(all["losses"]).floats)
    let steps = counts.count / 2
    let sequences = classes.count / steps
    var (token, row) = (0, 0)
    for step in 0..<steps {
      let (tokens, rows) = (counts[2 * step], counts[2 * step + 1])
      var batch = PretrainingBatch()
      batch.tokens = .init(
        ids: ids[token..<(token + tokens)].map { Int32($0) }, types: types[token..<(token + tokens)].map { Int32($0) },
        offsets: Array(offsets[(step * (sequences + 1))..<((step + 1) * (sequences + 1))]))
      batch.positions = Array(positions[row..<(row + rows)])
      batch.targets = targets[row..<(row + rows)].map { Int32($0) }
      batch.classes = classes[(step * sequences)..<((step + 1) * sequences)].map { Int32($0) }
      (token, row) = (token + tokens, row + rows)
      for block in model.blocks { block.clearGradients() }
      let outcome = try model.run(batch, isTraining: true)
      let expected = Double(losses[2 * step]) + Double(losses[2 * step + 1])
      #expect(abs(outcome.loss - expected) <= 1e-5 * expected, "step \(step)")
      let norm = try arithmetic.gradientNorm(model.blocks)
      let clip = min(1, 1 / (norm + 1e-6))
      for (i, block) in model.blocks.enumerated() {
        try optimizers[i].step(block, rate: 1e-3, decay: 0.01, scale: clip, arithmetic)
      }
    }
  }

  @Test func anInterruptedRunEndsWithTheSameBits() throws {
    try withFolder { folder in
      let file = folder + "/corpus.txt"
      try Self.text(documents: 12, sentences: 20).write(toFile: file, atomically: true, encoding: .utf8)
      let whole = try Pretrainer(options: Self.options(folder)).run([file], output: folder + "/whole")
      #expect(whole.steps == 20 && whole.metrics["nsp_accuracy"] != nil)
      let two = try Pretrainer(options: Self.options(folder) { $0.threads = 2 })
      _ = try two.run([file], output: folder + "/two")
      #expect(try Self.weights(folder + "/two") == Self.weights(folder + "/whole"))
      let parts = folder + "/parts"
      for stop in [7, 13] {
        let part = try Pretrainer(
          options: Self.options(folder) {
            $0.resume = true; $0.checkpointSteps = 5
          })
        #expect(throws: ClozeError.self) {
          try part.run([file], output: parts) { event in
            if case .step(let step) = event { step.step != stop } else { true }
          }
        }
      }
      let last = try Pretrainer(options: Self.options(folder) { $0.resume = true }).run([file], output: parts)
      #expect(last.steps == 20)
      #expect(try Self.weights(parts) == Self.weights(folder + "/whole"))
      let lines = try String(contentsOfFile: parts + "/steps.jsonl", encoding: .utf8).split(separator: "\n")
      #expect(lines.count == 20)
      // Other options do not go on from it.
      let other = try Pretrainer(
        options: Self.options(folder) {
          $0.resume = true; $0.seed = 1
        })
      #expect(throws: ClozeError.self) { try other.run([file], output: parts) }
    }
  }

  /// In bfloat16 a run is as reproducible as in float32, learns as fast, and is not resumed in the other.
  @Test func bfloat16TrainsAsFloat32Does() throws {
    try withFolder { folder in
      let file = folder + "/corpus.txt"
      try Self.text(documents: 30, sentences: 20).write(toFile: file, atomically: true, encoding: .utf8)
      func run(_ name: String, _ set: @escaping (inout PretrainingOptions) -> Void) throws -> ([Double], Data) {
        var losses: [Double] = []
        let options = try Self.options(folder) {
          $0.length = .steps(60)
          $0.learningRate = 5e-3
          set(&$0)
        }
        let result = try Pretrainer(options: options).run([file], output: folder + "/" + name) { event in
          if case .step(let step) = event { losses.append(step.loss) }
          return true
        }
        #expect(result.precision == options.precision)
        let mention = result.remarks.contains { $0.contains("float32 would be faster") }
        let isNative = try Arithmetic(precision: options.precision).isNative
        #expect(mention == !isNative)
        return (losses, try Self.weights(folder + "/" + name))
      }
      let (exact, _) = try run("float32") { _ in }
      let (losses, weights) = try run("bfloat16") { $0.precision = .bfloat16 }
      // Rounding is noise of a part in 2^8 on what each product gives; the losses of batches differ by far more.
      for (i, (a, b)) in zip(losses, exact).enumerated() { #expect(abs(a - b) < 0.02 * b, "step \(i): \(a) \(b)") }
      #expect(losses != exact && losses.suffix(10).reduce(0, +) < 0.75 * losses.prefix(10).reduce(0, +))
      #expect(try run("threads") { ($0.precision, $0.threads) = (.bfloat16, 3) }.1 == weights)

      let parts = folder + "/parts"
      let part = try Pretrainer(
        options: Self.options(folder) {
          ($0.precision, $0.length, $0.learningRate, $0.checkpointSteps) = (.bfloat16, .steps(60), 5e-3, 20)
        })
      #expect(throws: ClozeError.self) {
        try part.run([file], output: parts) { if case .step(let step) = $0 { step.step != 31 } else { true } }
      }
      let error = #expect(throws: ClozeError.self) { try run("parts") { $0.resume = true } }
      #expect(error?.message == "\(parts): the checkpoint is of a training in bfloat16, not float32")
      #expect(try run("parts") { ($0.precision, $0.resume) = (.bfloat16, true) }.1 == weights)
    }
  }

  @Test func learnsAndIsReadBackAndContinued() throws {
    try withFolder { folder in
      let file = folder + "/corpus.txt"
      try Self.text(documents: 40, sentences: 20).write(toFile: file, atomically: true, encoding: .utf8)
      let options = try Self.options(folder) {
        $0.length = .steps(250)
        $0.learningRate = 5e-3
      }
      let result = try Pretrainer(options: options).run([file], output: folder + "/bert")
      let before = try #require(result.validations.first?.metrics["mlm_loss"])
      let after = try #require(result.metrics["mlm_loss"])
      #expect(before > 3 && after < 0.6 * before)
      let model = try Model(path: folder + "/bert", options: LoadOptions(precision: .float32))
      #expect(model.info.heads.isSuperset(of: [.mlm, .nsp, .pooler]))
      #expect(model.info.maxPositionEmbeddings == 24 && model.info.vocabSize == Self.pieces.count)
      var more = PretrainingOptions()
      more.length = .steps(2)
      more.batchSize = 4
      more.threads = 1
      let continued = try Pretrainer(model: model, options: more).run([file], output: folder + "/more")
      let begin = try #require(continued.validations.first?.metrics["mlm_loss"])
      #expect(begin < 0.7 * before)
    }
  }

  @Test func refusesWhatItCannotLearnFrom() throws {
    try withFolder { folder in
      func refuses(_ reason: String, _ text: String, _ set: (inout PretrainingOptions) -> Void = { _ in }) throws {
        try refuses(reason, Array(text.utf8), set)
      }
      func refuses(_ reason: String, _ bytes: [UInt8], _ set: (inout PretrainingOptions) -> Void = { _ in }) throws {
        let file = folder + "/corpus.txt"
        try Data(bytes).write(to: URL(filePath: file))
        var message = ""
        do {
          _ = try Pretrainer(options: Self.options(folder, set)).run([file], output: folder + "/out")
        } catch let error as ClozeError { message = error.message }
        #expect(reason.isEmpty ? message.isEmpty : message.contains(reason), "\(message)")
      }
      let text = Self.text(documents: 12, sentences: 10)
      try refuses("there is no text in", "")
      try refuses("there is no text in", "\n\n \n")
      try refuses("1 document, and a second one is needed", "d1 s1\nd2 s2\n")
      try refuses("corpus.txt, line 2: not UTF-8", [0x64, 0x0A, 0x64, 0xFF, 0x0A])
      try refuses("3 attention heads do not divide the hidden size 32", text, { $0.shape.heads = 3 })
      try refuses("max tokens = 24, expected 8 to 16", text, { $0.shape.positions = 16 })
      try refuses(
        "must be", text,
        {
          $0.tokenizer = nil; $0.vocabularySize = 9
        })
      try refuses("batch size = 0", text, { $0.batchSize = 0 })
      try refuses("", text, { $0.length = .steps(1) })
      try refuses("has a checkpoint", text)
    }
  }
}
