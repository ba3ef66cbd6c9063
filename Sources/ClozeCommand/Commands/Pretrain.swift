import ArgumentParser
import Cloze
import ClozeIO
import ClozeTraining
import Glibc

struct Pretrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a BERT on raw text: a new one, or on from a model.",
    discussion: """
      A file holds a sentence a line and an empty line between documents. The folder --output becomes \
      a model that every command, cloze.load and transformers read: config.json, model.safetensors, \
      vocab.txt, tokenizer.json, tokenizer_config.json; and beside it metrics.json, steps.jsonl, \
      report.html and a checkpoint, from which --resume goes on to the same bits.

        cloze pretrain --data corpus.txt --vocab-size 8000 --minutes 60 --output bert
        cloze pretrain --data notes.txt --from built-in --epochs 3 --learning-rate 1e-4 --output adapted
        cloze fill-mask --model bert "The first world [MASK] began in 1914."
      """)

  @Option(
    name: [.short, .long], parsing: .upToNextOption,
    help: ArgumentHelp("Files of sentences and documents.", valueName: "file")) var data: [String]

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Files to validate on (default: a hundredth of the documents is held out).", valueName: "file"))
  var valid: [String] = []

  @Option(name: [.short, .long], help: ArgumentHelp("The folder for the model.", valueName: "folder")) var output:
    String

  @Flag(help: "Resume from the checkpoint in --output.") var resume = false

  @Flag(help: "Replace the model and the checkpoint that are in --output already.") var overwrite = false

  @Flag(help: "Print the metrics as one JSON object.") var json = false

  @OptionGroup(title: "Model") var startOptions: StartOptions
  @OptionGroup(title: "Training") var trainingOptions: PretrainingArguments

  func run() throws {
    let options = try trainingOptions.options(startOptions, resume: resume, overwrite: overwrite)
    let pretrainer = try Pretrainer(model: startOptions.model(threads: options.threads), options: options)
    var progress = PretrainingProgress()
    let result: PretrainingResult
    StopRequest.begin()
    do {
      result = try pretrainer.run(data, valid: valid, output: output) { event in
        progress.show(event)
        return !StopRequest.isMade
      }
    } catch {
      progress.clear()
      if error.status == .cancelled, StopRequest.isMade {
        StandardError.note(
          access("\(output)/checkpoint.safetensors", F_OK) == 0
            ? "interrupted; --resume goes on from the last checkpoint" : "interrupted before the first checkpoint")
        StopRequest.end()
      }
      throw error
    }
    progress.clear()
    StopRequest.end()
    for remark in result.remarks { StandardError.note(remark) }
    let printer = ByteWriter.standardOutput()
    if json {
      try printer.write(result.json)
    } else {
      for (name, value) in result.metrics.values { try printer.write("\(name)  \(fixed(value, digits: 4))\n") }
      try printer.write("tokens_per_second  \(fixed(result.tokensPerSecond, digits: 0))\n")
    }
    try printer.flush()
  }
}

/// The model that training starts from.
struct StartOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Go on from a model: a path, or built-in (default: a new model).", valueName: "model"))
  var from: String?
  @Option(
    help: ArgumentHelp("New model: pieces of a vocabulary to learn (default: 8000).", valueName: "n")) var vocabSize:
    Int?
  @Option(
    help: ArgumentHelp("New model: a tokenizer.json, a vocab.txt, or a folder with one.", valueName: "path"))
  var tokenizer: String?
  @Flag(inversion: .prefixedNo, help: "New vocabulary: lower-case text.") var lowercase = true
  @Option(help: ArgumentHelp("New model: encoder layers.", valueName: "n")) var layers = 4
  @Option(help: ArgumentHelp("New model: elements of a hidden state.", valueName: "n")) var hidden = 256
  @Option(help: ArgumentHelp("New model: attention heads (default: one for 64 of --hidden).", valueName: "n"))
  var heads: Int?
  @Option(help: ArgumentHelp("New model: inner size of a layer (default: 4 times --hidden).", valueName: "n"))
  var intermediate: Int?
  @Option(help: ArgumentHelp("New model: positions (default: --max-tokens).", valueName: "n")) var positions: Int?
  @Option(
    help: "New model: initial weights, all random, or positions and attention so that neighbours are seen at once.")
  var start: PretrainingOptions.Start = .normal

  func model(threads: Int?) throws -> Model? {
    guard let from else { return nil }
    return try Model(
      path: from == "built-in" ? nil : from, options: LoadOptions(precision: .float32, threads: threads))
  }
}

/// How a BERT is pre-trained.
struct PretrainingArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Length: steps of the optimizer.", valueName: "n")) var steps: Int?
  @Option(help: ArgumentHelp("Length: passes over the corpus (default: 1).", valueName: "n")) var epochs: Int?
  @Option(help: ArgumentHelp("Length: minutes; the learning rate has come down by then.", valueName: "n")) var minutes:
    Double?
  @Option(help: "What is learned: masked words and the next sentence, or masked words.") var objective:
    PretrainingOptions.Objective = .maskedLMAndNextSentence
  @Flag(help: "Mask the tokens of a word together.") var wholeWords = false
  @Option(help: ArgumentHelp("Sequences per batch.", valueName: "n")) var batchSize = 32
  @Option(help: ArgumentHelp("Tokens of a sequence (default: 128, at most the model's positions).", valueName: "n"))
  var maxTokens: Int?
  @Option(help: ArgumentHelp("Learning rate of adamw.", valueName: "x")) var learningRate = 1e-3
  @Option(help: "Learning rate schedule.") var schedule: Schedule = .linear
  @Option(help: ArgumentHelp("Fraction of steps in which the learning rate rises.", valueName: "p")) var warmup = 0.1
  @Option(help: ArgumentHelp("Dropout rate.", valueName: "p")) var dropout = 0.0
  @Option(help: ArgumentHelp("Weight decay of adamw.", valueName: "x")) var weightDecay = 0.01
  @Option(help: ArgumentHelp("Maximum norm of the gradient; 0 for none.", valueName: "x")) var clip = 1.0
  @Option(help: "Matrix products of float32, or of bfloat16: faster on a CPU with AVX-512 BF16.") var precision:
    TrainingPrecision = .float32
  @Option(help: ArgumentHelp("Random seed.", valueName: "n")) var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Fraction of documents held out without --valid.", valueName: "p")) var holdout = 0.01
  @Option(help: ArgumentHelp("Steps between checkpoints (default: one every five minutes).", valueName: "n"))
  var checkpointSteps: Int?
  @Option(help: ArgumentHelp("Threads (default: as many as the process may use).", valueName: "n")) var threads: Int?

  func validate() throws {
    guard [steps != nil, epochs != nil, minutes != nil].count(where: \.self) <= 1 else {
      throw ValidationError("--steps, --epochs and --minutes contradict each other: name one")
    }
  }

  func options(_ start: StartOptions, resume: Bool, overwrite: Bool) throws -> PretrainingOptions {
    var result = PretrainingOptions()
    result.tokenizer = start.tokenizer
    result.vocabularySize = start.vocabSize
    result.lowercase = start.lowercase
    result.shape.layers = start.layers
    result.shape.hidden = start.hidden
    result.shape.heads = start.heads
    result.shape.intermediate = start.intermediate
    result.shape.positions = start.positions
    result.start = start.start
    result.objective = objective
    result.wholeWords = wholeWords
    result.length = steps.map { .steps($0) } ?? minutes.map { .minutes($0) } ?? .epochs(epochs ?? 1)
    result.batchSize = batchSize
    result.maxTokens = maxTokens
    result.learningRate = learningRate
    result.schedule = schedule
    result.warmup = warmup
    result.dropout = dropout
    result.weightDecay = weightDecay
    result.clip = clip
    result.precision = precision
    result.seed = seed
    result.holdout = holdout
    result.checkpointSteps = checkpointSteps
    result.threads = threads
    result.resume = resume
    result.overwrite = overwrite
    return result
  }
}

/// The status line of pre-training.
private struct PretrainingProgress {
  private let start = Clock.seconds()
  private var accuracy = ""
  private var status = StatusLine()
  /// When the first step ended, and how much was done then.
  private var begin: (seconds: Double, share: Double, step: PretrainingStep)?

  mutating func show(_ event: PretrainingEvent) {
    switch event {
    case .corpus(let done, let total):
      status.show { _ in "\(grouped(done >> 20)) of \(grouped(total >> 20)) MB tokenized" }
    case .step(let step):
      let now = Clock.seconds()
      let first = begin ?? (now, step.share, step)
      begin = first
      let speed = Double(step.tokens - first.step.tokens) / max(step.seconds - first.step.seconds, 1e-9)
      let done = step.share - first.share
      let left = done > 0 ? Progress.duration((now - first.seconds) * (1 - step.share) / done) + " left  " : ""
      let facts = "step \(grouped(step.step))  loss \(fixed(step.loss, digits: 4))  \(accuracy)"
      status.show { width in
        clipped(
          "\(StatusLine.bar(step.share, width: 20))  \(Int(step.share * 100)) %  \(left)"
            + "\(grouped(Int(speed))) tokens/s  \(facts)", to: max(1, width - 1))
      }
    case .validation(let validation):
      accuracy = validation.metrics["mlm_accuracy"].map { "accuracy \(fixed($0, digits: 4))" } ?? ""
    }
  }

  mutating func clear() { status.clear() }
}
