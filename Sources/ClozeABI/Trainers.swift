public import CCloze
internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer
internal import ClozeTraining

/// A trainer, the examples that were added to it, and its result.
final class TrainerHandle {
  enum Kind {
    case head(Trainer)
    case pretraining(Pretrainer, output: String)
  }

  let kind: Kind
  var train = Dataset()
  var valid = Dataset()
  /// Files that examples were read from; of a pre-training those of the two sets.
  var files: [String] = []
  var validFiles: [String] = []
  var result: TrainingResult?
  var pretrained: PretrainingResult?

  init(_ kind: Kind) { self.kind = kind }

  /// The trainer of a head.
  ///
  /// - Throws: `.invalidArgument` for a pre-training.
  func trainer() throws(ClozeError) -> Trainer {
    guard case .head(let trainer) = kind else {
      throw ClozeError(
        .invalidArgument, "the trainer is one of task \"pretrain\", which reads files and writes a folder")
    }
    return trainer
  }

  func trained() throws(ClozeError) -> TrainingResult {
    _ = try trainer()
    guard let result else { throw Self.unfinished }
    return result
  }

  static var unfinished: ClozeError { ClozeError(.invalidArgument, "the trainer has not been run to its end") }

  /// For the table of the report.
  func facts(_ result: TrainingResult) throws(ClozeError) -> [(name: String, value: String)] {
    let trainer = try trainer()
    return [
      ("precision", "\(trainer.model.info.precision)"), ("trained on", "\(result.counts.train) examples"),
      ("validated on", "\(result.counts.valid) examples"), ("truncated texts", "\(result.truncated)"),
      ("seed", "\(trainer.options.seed)"),
    ]
  }

  func add(_ dataset: Dataset, to set: cloze_example_set) throws(ClozeError) {
    func join(_ whole: inout Dataset) {
      whole.examples += dataset.examples
      whole.skipped += dataset.skipped
      whole.remarks += dataset.remarks
    }
    if try isTraining(set) { join(&train) } else { join(&valid) }
  }

  func addFile(_ path: String, to set: cloze_example_set) throws(ClozeError) {
    if try isTraining(set) { files.append(path) } else { validFiles.append(path) }
  }

  private func isTraining(_ set: cloze_example_set) throws(ClozeError) -> Bool {
    switch set {
    case CLOZE_SET_TRAIN: return true
    case CLOZE_SET_VALID: return false
    default: throw ClozeError(.invalidArgument, "set = \(set) is none of the CLOZE_SET_ values")
    }
  }
}

@c @implementation public func cloze_trainer_create(
  _ model: OpaquePointer?, _ task: UnsafePointer<CChar>?, _ options: UnsafePointer<CChar>?,
  _ trainer: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(trainer, "trainer")
    target.pointee = nil
    let name = try String(cString: required(task, "task"))
    if name == "pretrain" {
      target.pointee = handle(try pretrainer(object(model, Model.self), options.map { String(cString: $0) }))
      return
    }
    let model = try required(object(model, Model.self), "model")
    let task = try headTask(name)
    var chosen = TrainingOptions()
    if let options { chosen = try TrainingOptions(json: String(cString: options)) }
    target.pointee = handle(TrainerHandle(.head(try Trainer(model: model, task: task, options: chosen))))
  }
}

/// - Parameter options: JSON, with the output folder among them.
private func pretrainer(_ model: Model?, _ options: String?) throws(ClozeError) -> TrainerHandle {
  let (chosen, output) = try PretrainingOptions.reading(json: options ?? "{}")
  guard let output else {
    throw ClozeError(.invalidArgument, "options: a pre-training needs \"output\", the folder for the model")
  }
  return TrainerHandle(.pretraining(try Pretrainer(model: model, options: chosen), output: output))
}

extension cloze_training_progress {
  /// Bytes tokenized while epoch is 0; then steps, with ended 1 where the model was validated.
  fileprivate init(_ event: PretrainingEvent) {
    self.init()
    struct_size = MemoryLayout<cloze_training_progress>.size
    switch event {
    case .corpus(let done, let total): (self.done, self.total) = (Int64(done), Int64(total))
    case .step(let step):
      done = Int64(step.step)
      total = Int64((Double(step.step) / max(step.share, 1e-9)).rounded())
      epoch = 1
      loss = step.loss
    case .validation(let validation):
      done = Int64(validation.step)
      (epoch, ended) = (1, 1)
      loss = validation.metrics["mlm_loss"] ?? 0
      metric = validation.metrics["mlm_accuracy"] ?? 0
    }
  }
}

/// The task of a name.
func headTask(_ name: String) throws(ClozeError) -> Head.Task {
  guard let task = Head.Task(rawValue: name) else {
    let known = Head.Task.allCases.map(\.rawValue).joined(separator: ", ")
    throw ClozeError(.invalidArgument, "task is \"\(name)\"; known are \(known)")
  }
  return task
}

@c @implementation public func cloze_trainer_free(_ trainer: OpaquePointer?) { release(trainer, TrainerHandle.self) }

@c @implementation public func cloze_trainer_add(
  _ trainer: OpaquePointer?, _ set: cloze_example_set, _ example: UnsafePointer<cloze_example>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let holder = try required(object(trainer, TrainerHandle.self), "trainer")
    let source = try cloze_example.read(required(example, "example"))
    let task = try holder.trainer().task
    let content = try content(source, task, isPair: task.takesPairs)
    try content.checkLabels()
    try holder.add(Dataset([Example(content)]), to: set)
  }
}

/// The texts and labels of a caller's example.
///
/// - Parameter isPair: whether the text is a pair.
func content(_ example: cloze_example, _ task: Head.Task, isPair: Bool) throws(ClozeError) -> Example.Content {
  func text(_ pointer: UnsafePointer<CChar>?, _ name: String) throws(ClozeError) -> String {
    let pointer = try required(pointer, name)
    guard let text = String(validatingCString: pointer) else { throw ClozeError(.invalidText, "\(name) is not UTF-8") }
    return text
  }
  func list(_ pointer: UnsafePointer<UnsafePointer<CChar>?>?, _ count: Int, _ name: String) throws(ClozeError)
    -> [String]
  {
    guard count >= 0 else { throw ClozeError(.invalidArgument, "\(name)_count is too large") }
    if count == 0 { return [] }
    let start = try required(pointer, "\(name)s")
    var texts: [String] = []
    for i in 0..<count { texts.append(try text(start[i], "\(name)s[\(i)]")) }
    return texts
  }
  func whole() throws(ClozeError) -> Text {
    let second = isPair ? try text(example.pair, "pair") : nil
    return Text(try text(example.text, "text"), second)
  }
  let labels = try list(example.labels, example.label_count, "label")
  let words = try list(example.words, example.word_count, "word")
  switch task {
  case .classify, .classifyPairs:
    guard labels.count == 1 else { throw ClozeError(.invalidArgument, "\(labels.count) labels, expected 1") }
    return .text(try whole(), label: labels[0])
  case .multilabel: return .labelled(try whole(), labels: labels)
  case .regress, .regressPairs:
    guard example.value.isFinite else { throw ClozeError(.invalidArgument, "value is not finite") }
    return .scored(try whole(), value: Float(example.value))
  case .tag:
    guard words.count == labels.count, !words.isEmpty else {
      throw ClozeError(.invalidArgument, "\(words.count) words and \(labels.count) tags")
    }
    return .words(words, tags: labels)
  case .answer:
    let passage = try text(example.pair, "pair")
    let bytes = Array(passage.utf8)
    var answers: [Example.Answer] = []
    for (i, label) in labels.enumerated() {
      let offset = try Int(clamping: required(example.offsets, "offsets")[i])
      guard offset >= 0, offset < bytes.count, !label.isEmpty, bytes[offset...].starts(with: label.utf8) else {
        throw ClozeError(.invalidText, "the answer \"\(label)\" does not begin at byte \(offset) of the passage")
      }
      answers.append(Example.Answer(text: label, offset: offset))
    }
    return .question(try text(example.text, "text"), passage: passage, answers: answers, id: "")
  case .mlm, .nsp: return .document(words.isEmpty ? [try text(example.text, "text")] : words)
  }
}

@c @implementation public func cloze_trainer_add_file(
  _ trainer: OpaquePointer?, _ set: cloze_example_set, _ path: UnsafePointer<CChar>?, _ format: UnsafePointer<CChar>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let holder = try required(object(trainer, TrainerHandle.self), "trainer")
    var chosen = DataFormat()
    if let format { chosen = try DataFormat(json: String(cString: format)) }
    let path = try String(cString: required(path, "path"))
    guard case .head(let trainer) = holder.kind else {
      guard format == nil else { throw ClozeError(.invalidArgument, "a file of sentences has no format") }
      return try holder.addFile(path, to: set)
    }
    try holder.add(Dataset(path: path, task: trainer.task, format: chosen), to: set)
    holder.files.append(path)
  }
}

@c @implementation public func cloze_trainer_remarks(
  _ trainer: OpaquePointer?, _ json: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ size: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let holder = try required(object(trainer, TrainerHandle.self), "trainer")
    var remarks = holder.pretrained?.remarks ?? []
    if case .head(let trainer) = holder.kind {
      remarks = [holder.train, holder.valid].flatMap { $0.remarks(for: trainer.task) }
    }
    var writer = JSONWriter()
    writer.array { for remark in remarks { $0.value(nil, remark.printable) } }
    try copy(writer.text, "json", json, capacity, size)
  }
}

@c @implementation public func cloze_trainer_run(
  _ trainer: OpaquePointer?, _ callback: cloze_training_callback?, _ context: UnsafeMutableRawPointer?
) -> cloze_status {
  call { () throws(ClozeError) in
    let holder = try required(object(trainer, TrainerHandle.self), "trainer")
    if case .pretraining(let pretrainer, let output) = holder.kind {
      holder.pretrained = try pretrainer.run(holder.files, valid: holder.validFiles, output: output) { event in
        guard let callback else { return true }
        var progress = cloze_training_progress(event)
        return callback(context, &progress) == 0
      }
      return
    }
    let trainer = try holder.trainer()
    let (options, start) = (trainer.options, Clock.seconds())
    let folder = try options.folder.map { path throws(ClozeError) in
      try TrainingFolder(path, options: options, inputs: holder.files)
    }
    let result = try trainer.train(holder.train, valid: holder.valid) { event in
      folder?.add(event)
      guard let callback else { return true }
      var progress = cloze_training_progress()
      progress.struct_size = MemoryLayout<cloze_training_progress>.size
      switch event {
      case .features(let done, let total):
        progress.done = Int64(done)
        progress.total = Int64(total)
      case .step(let step):
        progress.done = Int64(step.step)
        progress.total = Int64(step.steps)
        progress.epoch = Int32(clamping: step.epoch)
        progress.loss = step.loss
      case .epoch(let epoch):
        progress.done = Int64(epoch.epoch)
        progress.total = Int64(epoch.epochs)
        progress.epoch = Int32(clamping: epoch.epoch)
        progress.ended = 1
        progress.loss = epoch.loss
        progress.metric = epoch.metrics.values.first?.value ?? 0
      case .result: return true
      }
      return callback(context, &progress) == 0
    }
    let seconds = Clock.seconds() - start
    try folder?.write(result, title: result.head.task.rawValue, facts: holder.facts(result), seconds: seconds)
    holder.result = result
  }
}

@c @implementation public func cloze_trainer_metrics(
  _ trainer: OpaquePointer?, _ json: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ size: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let holder = try required(object(trainer, TrainerHandle.self), "trainer")
    var writer = JSONWriter()
    if case .pretraining = holder.kind {
      guard let result = holder.pretrained else { throw TrainerHandle.unfinished }
      return try copy(String(decoding: result.json.dropLast(), as: UTF8.self), "json", json, capacity, size)
    }
    let result = try holder.trained()
    writer.object { writer in for (name, value) in result.metrics.values { writer.value(name, value) } }
    try copy(writer.text, "json", json, capacity, size)
  }
}

@c @implementation public func cloze_trainer_save(_ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?)
  -> cloze_status
{
  call { () throws(ClozeError) in
    let holder = try required(object(trainer, TrainerHandle.self), "trainer")
    let (result, path) = (try holder.trained(), try String(cString: required(path, "path")))
    try refuse(writing: path, over: holder.files)
    try result.head.save(to: path)
  }
}

@c @implementation public func cloze_trainer_model(
  _ trainer: OpaquePointer?, _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(model, "model")
    target.pointee = nil
    let holder = try required(object(trainer, TrainerHandle.self), "trainer")
    if case .pretraining(_, let output) = holder.kind {
      guard holder.pretrained != nil else { throw TrainerHandle.unfinished }
      target.pointee = handle(try Model(path: output))
      return
    }
    target.pointee = handle(try Model(holder.trainer().model, head: holder.trained().head))
  }
}
