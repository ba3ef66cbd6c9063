internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer
internal import Glibc

/// One pre-training, from text files to a folder with a model.
final class PretrainingRun {
  let options: PretrainingOptions
  let folder: String
  let model: PretrainingModel
  let tokenizer: Tokenizer
  let corpus: Corpus
  let trainDocuments: [Int]
  let valid: [PretrainingBatch]
  let maxTokens: Int
  var remarks: [String] = []
  var validations: [PretrainingValidation] = []
  var checkpoint: Checkpoint
  /// Of training so far, those of an interrupted run included.
  var seconds = 0.0
  var tokens = 0
  private let arithmetic: Arithmetic
  private let batches: BatchMaker
  private let onEvent: (PretrainingEvent) -> Bool
  /// What identifies model and data in a checkpoint.
  private let inputs: String
  /// Sequences of a validation.
  private static let validationLimit = 1024

  var hasPairs: Bool { options.objective == .maskedLMAndNextSentence }

  init(
    _ pretrainer: Pretrainer, _ files: [String], _ validFiles: [String], _ folder: String,
    _ onEvent: @escaping (PretrainingEvent) -> Bool
  ) throws(ClozeError) {
    options = pretrainer.options
    self.folder = folder
    self.onEvent = onEvent
    let options = options
    let hasPairs = options.objective == .maskedLMAndNextSentence
    arithmetic = try Arithmetic(
      threads: options.threads, isa: pretrainer.model?.info.isa, precision: options.precision)
    tokenizer = try Self.tokenizer(pretrainer, files, folder, &remarks)
    if let continued = pretrainer.model {
      model = try PretrainingModel(continued, hasNextSentence: hasPairs, seed: options.seed, arithmetic)
    } else {
      let length = options.maxTokens ?? min(128, options.shape.positions ?? 128)
      model = try PretrainingModel(
        PretrainingModel.Configuration(options.shape, vocabulary: tokenizer.vocabularySize, length: length),
        hasNextSentence: hasPairs, arithmetic)
      model.initialize(options.start, seed: options.seed)
    }
    let positions = model.configuration.positions
    maxTokens = options.maxTokens ?? min(128, positions)
    guard maxTokens >= 8, maxTokens <= positions else {
      throw ClozeError(.invalidArgument, "max tokens = \(maxTokens), expected 8 to \(positions), the model's positions")
    }

    let total = (files + validFiles).reduce(0) { $0 + (fileSize($1) ?? 0) }
    var done = 0
    func read(_ paths: [String], _ tokenizer: Tokenizer, _ longest: Int, _ arithmetic: Arithmetic)
      throws(ClozeError) -> Corpus
    {
      let corpus = try Corpus(paths, tokenizer, longest: longest, folder: folder, arithmetic) {
        onEvent(.corpus(done: done + $0, total: total))
      }
      done += paths.reduce(0) { $0 + (fileSize($1) ?? 0) }
      guard corpus.sentenceCount > 0 else {
        throw ClozeError(.invalidText, "there is no text in \(paths.joined(separator: ", "))")
      }
      return corpus
    }
    let longest = maxTokens - (hasPairs ? 4 : 2)
    corpus = try read(files, tokenizer, longest, arithmetic)
    batches = try BatchMaker(corpus, tokenizer, rows: model.configuration.vocabulary, options)
    let sampler = PairSampler(maxTokens: maxTokens, shortShare: options.shortShare, hasPairs: hasPairs)
    var validFingerprint: UInt64 = 0
    if validFiles.isEmpty {
      let (train, held) = try Self.split(corpus, options)
      trainDocuments = train
      valid = Self.batches(corpus, held, sampler, batches, options)
    } else {
      let held = try read(validFiles, tokenizer, longest, arithmetic)
      trainDocuments = Array(0..<corpus.documentCount)
      validFingerprint = held.fingerprint
      try Self.checkPairs(held.documentCount, hasPairs, of: validFiles.joined(separator: ", "))
      valid = Self.batches(
        held, Array(0..<held.documentCount), sampler,
        try BatchMaker(held, tokenizer, rows: model.configuration.vocabulary, options), options)
    }
    try Self.checkPairs(trainDocuments.count, hasPairs, of: files.joined(separator: ", "))
    if corpus.splitLines > 0 {
      remarks.append(
        "\(corpus.splitLines) lines have more than \(longest) tokens and were divided: a line should be a sentence")
    }
    inputs = [
      "pretrain", "\(model.configuration)", "\(pretrainer.model?.fingerprint ?? 0)", "\(tokenizer.vocabularySize)",
      "\(corpus.fingerprint)", "\(validFingerprint)",
    ].joined(separator: ";")
    checkpoint = Checkpoint(identity: "\(inputs);\(options.identity)")
    if !arithmetic.isNative {
      remarks.append(
        "this CPU has no instructions for bfloat16 (AVX-512 BF16), or they are not used: the results are the same, and "
          + "float32 would be faster")
    }
  }

  /// The model's tokenizer, the one that is named, or one that is learned from the files; in the folder it is written
  /// beside the model.
  private static func tokenizer(
    _ pretrainer: Pretrainer, _ files: [String], _ folder: String, _ remarks: inout [String]
  ) throws(ClozeError) -> Tokenizer {
    let options = pretrainer.options
    if options.resume, try FileKind(joined(folder, Checkpoint.fileName)) == .file {
      return try Tokenizer(path: folder)
    }
    let written: WordPieceFiles
    if let model = pretrainer.model {
      written = try WordPieceFiles(model.requiredTokenizer())
    } else if let path = options.tokenizer {
      written = try WordPieceFiles(Tokenizer(path: path))
    } else {
      var settings = VocabularyOptions()
      settings.size = options.vocabularySize ?? 8000
      settings.lowercase = options.lowercase
      settings.threads = options.threads
      let vocabulary = try VocabularyTrainer(options: settings).train(files: files)
      remarks += vocabulary.remarks
      written = vocabulary.files
    }
    try written.write(to: folder, overwrite: true)
    return try Tokenizer(path: folder)
  }

  private static func checkPairs(_ documents: Int, _ hasPairs: Bool, of name: String) throws(ClozeError) {
    guard hasPairs, documents < 2 else { return }
    throw ClozeError(
      .invalidText,
      "\(name): \(documents) document, and a second one is needed for pairs that do not follow each other; an empty "
        + "line ends a document (--objective mlm learns masked words alone)")
  }

  /// Documents to train on, and those held out.
  private static func split(_ corpus: Corpus, _ options: PretrainingOptions) throws(ClozeError) -> ([Int], [Int]) {
    let least = options.objective == .maskedLMAndNextSentence ? 2 : 1
    let count = corpus.documentCount
    guard count >= 2 * least else {
      if least == 2 { try checkPairs(count, true, of: "the corpus") }
      throw ClozeError(
        .invalidText, "\(count) documents are too few to hold some out for validation: name files to validate on")
    }
    let wanted = min(max(least, Int(Double(count) * options.holdout)), count - least)
    var random = TrainingRandom(options.seed, .holdout(stratum: 0))
    let order = random.permutation(count)
    return (order.dropFirst(wanted).sorted(), order.prefix(wanted).sorted())
  }

  private static func batches(
    _ corpus: Corpus, _ documents: [Int], _ sampler: PairSampler, _ maker: BatchMaker, _ options: PretrainingOptions
  ) -> [PretrainingBatch] {
    let pairs = Array(
      PairStream(corpus, documents, sampler, seed: options.seed &+ 1, epochs: 1).prefix(validationLimit))
    return stride(from: 0, to: pairs.count, by: options.batchSize).map { first in
      let last = min(first + options.batchSize, pairs.count)
      // Numbers that no training step has.
      return maker.batch(Array(pairs[first..<last]), number: .max - first)
    }
  }

  // MARK: - Training

  func run() throws(ClozeError) -> PretrainingResult {
    let blocks = model.blocks
    var optimizers: [AdamW<Float>] = []
    for block in blocks { optimizers.append(try AdamW(parameters: block.values.count)) }
    let isResumed = try restore(&optimizers)
    let record = try StepRecord(folder: folder, steps: checkpoint.steps)
    let sampler = PairSampler(maxTokens: maxTokens, shortShare: options.shortShare, hasPairs: hasPairs)
    func stream(_ epochs: Int?) -> PairStream {
      PairStream(corpus, trainDocuments, sampler, seed: options.seed, epochs: epochs)
    }
    let total = steps(stream)
    var pairs = stream(nil)
    // A stream has no state worth keeping: it is run again up to the checkpoint.
    for _ in 0..<(checkpoint.steps * options.batchSize) { _ = pairs.next() }
    var (saved, validated) = (Clock.seconds(), share(total))
    if !isResumed { try write(validation: validate()) }

    while share(total) < 1 {
      let begin = Clock.seconds()
      var chosen: [SegmentPair] = []
      while chosen.count < options.batchSize, let pair = pairs.next() { chosen.append(pair) }
      let batch = batches.batch(chosen, number: checkpoint.steps)
      for block in blocks { block.clearGradients() }
      let dropout = Dropout(
        encoder: options.dropout,
        key: TrainingRandom.key(options.seed, .dropout(epoch: 0, batch: checkpoint.steps)))
      let outcome = try model.run(batch, isTraining: true, dropout: dropout)
      let norm = try arithmetic.gradientNorm(blocks)
      guard norm.isFinite, outcome.loss.isFinite else {
        throw ClozeError(
          .invalidArgument,
          "training diverged at step \(checkpoint.steps + 1): the loss is \(outcome.loss); try a smaller learning rate")
      }
      let clip = options.clip > 0 ? min(1, options.clip / (norm + 1e-6)) : 1
      let rate = options.learningRate * factor(total)
      for (i, block) in blocks.enumerated() {
        try optimizers[i].step(block, rate: rate, decay: options.weightDecay, scale: clip, arithmetic)
      }
      checkpoint.steps += 1
      tokens += batch.tokens.ids.count
      seconds += Clock.seconds() - begin
      let step = PretrainingStep(
        step: checkpoint.steps, share: min(share(total), 1), loss: outcome.loss, maskedLMLoss: outcome.maskedLMLoss,
        nextSentenceLoss: hasPairs ? outcome.nextSentenceLoss : nil, tokens: tokens, seconds: seconds,
        learningRate: rate, gradientNorm: norm)
      try record.add(step)
      let goesOn = onEvent(.step(step))
      if share(total) >= 1 || Int(step.share * 10) > Int(validated * 10) {
        validated = step.share
        try write(validation: validate())
      }
      if !goesOn || share(total) >= 1 || isCheckpointDue(since: saved) {
        try record.flush()
        try save(optimizers)
        saved = Clock.seconds()
      }
      if !goesOn { throw ClozeError(.cancelled, "cancelled") }
    }
    return try finish(record)
  }

  private func isCheckpointDue(since saved: Double) -> Bool {
    if let every = options.checkpointSteps { return checkpoint.steps % every == 0 }
    return Clock.seconds() - saved >= 300
  }

  /// Planned steps; nil where minutes are planned.
  private func steps(_ stream: (Int?) -> PairStream) -> Int? {
    switch options.length {
    case .steps(let count): return count
    case .minutes: return nil
    case .epochs(let count):
      let sequences = stream(count).reduce(0) { count, _ in count + 1 }
      return max(1, sequences / options.batchSize)
    }
  }

  /// How much of the training is done.
  private func share(_ total: Int?) -> Double {
    if case .minutes(let minutes) = options.length { return seconds / (60 * minutes) }
    return Double(checkpoint.steps) / Double(total ?? 1)
  }

  /// What the learning rate is multiplied by.
  private func factor(_ total: Int?) -> Double {
    // Time in units that the schedule counts as steps.
    let units = 1_000_000
    let (step, steps) = total.map { (checkpoint.steps, $0) } ?? (Int(min(share(nil), 1) * Double(units)), units)
    let warmup = Int((options.warmup * Double(steps)).rounded())
    return options.schedule.factor(step: step, steps: steps, warmup: warmup)
  }

  /// Evaluates the present weights.
  private func validate() throws(ClozeError) -> PretrainingValidation {
    var sum = PretrainingModel.Outcome()
    var (words, sequences) = (0, 0)
    for batch in valid {
      let outcome = try model.run(batch, isTraining: false)
      sum.maskedLMLoss += outcome.maskedLMLoss * Double(batch.targets.count)
      sum.nextSentenceLoss += outcome.nextSentenceLoss * Double(batch.sequences)
      sum.maskedLMCorrect += outcome.maskedLMCorrect
      sum.nextSentenceCorrect += outcome.nextSentenceCorrect
      words += batch.targets.count
      sequences += batch.sequences
    }
    let loss = sum.maskedLMLoss / Double(max(words, 1))
    var values = [
      ("mlm_loss", loss), ("mlm_perplexity", Glibc.exp(min(loss, 700))),
      ("mlm_accuracy", Double(sum.maskedLMCorrect) / Double(max(words, 1))),
    ]
    if hasPairs {
      values += [
        ("nsp_loss", sum.nextSentenceLoss / Double(max(sequences, 1))),
        ("nsp_accuracy", Double(sum.nextSentenceCorrect) / Double(max(sequences, 1))),
      ]
    }
    return PretrainingValidation(step: checkpoint.steps, metrics: Metrics(values))
  }

  private func write(validation: PretrainingValidation) throws(ClozeError) {
    validations.append(validation)
    guard onEvent(.validation(validation)) else { throw ClozeError(.cancelled, "cancelled") }
  }

  // MARK: - Checkpoints

  private func save(_ optimizers: [AdamW<Float>]) throws(ClozeError) {
    checkpoint.doubles = [("progress", [seconds, Double(tokens)])]
    for (i, validation) in validations.enumerated() {
      checkpoint.doubles.append(
        ("validation.\(i)", [Double(validation.step)] + validation.metrics.values.map(\.value)))
    }
    checkpoint.floats = []
    for (i, block) in model.blocks.enumerated() {
      checkpoint.floats += [
        ("parameters.\(i)", block.values.array), ("first.\(i)", optimizers[i].first.array),
        ("second.\(i)", optimizers[i].second.array),
      ]
    }
    try checkpoint.write(to: folder)
    checkpoint.floats = []
  }

  /// Takes over the checkpoint of the folder; false where there is none, or it is not to be resumed.
  private func restore(_ optimizers: inout [AdamW<Float>]) throws(ClozeError) -> Bool {
    guard options.resume, let found = try Checkpoint(folder: folder) else { return false }
    guard found.identity == checkpoint.identity else {
      var other = options
      for precision in TrainingPrecision.allCases {
        other.precision = precision
        if found.identity == "\(inputs);\(other.identity)" {
          throw ClozeError(
            .invalidArgument,
            "\(folder): the checkpoint is of a training in \(precision.rawValue), not \(options.precision.rawValue)")
        }
      }
      throw ClozeError(.invalidArgument, "\(folder): the checkpoint belongs to other data, options or another model")
    }
    guard let progress = found.doubles("progress"), progress.count == 2, (0...1e12).contains(progress[0]),
      let count = Int(exactly: progress[1]), (0...(1 << 40)).contains(found.steps), count >= 0, count < 1 << 60
    else {
      throw ClozeError(.invalidModel, "\(folder): the checkpoint is not one of a pre-training")
    }
    (checkpoint.steps, seconds, tokens) = (found.steps, progress[0], count)
    let names = ["mlm_loss", "mlm_perplexity", "mlm_accuracy"] + (hasPairs ? ["nsp_loss", "nsp_accuracy"] : [])
    while let entry = found.doubles("validation.\(validations.count)"), entry.count == names.count + 1,
      let step = Int(exactly: entry[0])
    { validations.append(PretrainingValidation(step: step, metrics: Metrics(Array(zip(names, entry[1...]))))) }
    for (i, block) in model.blocks.enumerated() {
      let count = block.values.count
      block.values.fill(from: try found.floats("parameters.\(i)", count: count))
      optimizers[i].first.fill(from: try found.floats("first.\(i)", count: count))
      optimizers[i].second.fill(from: try found.floats("second.\(i)", count: count))
      optimizers[i].steps = checkpoint.steps
    }
    return true
  }
}

/// The size of a regular file in bytes; nil for anything else.
private func fileSize(_ path: String) -> Int? {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG ? Int(status.st_size) : nil
}
