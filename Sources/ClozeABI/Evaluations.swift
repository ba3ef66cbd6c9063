public import CCloze
internal import Cloze
internal import ClozeIO
internal import ClozeTraining

// 8. Evaluating heads

/// Labelled examples for a model's head, and how it does on them.
final class EvaluationHandle {
  let model: Model
  let task: Head.Task?
  var data = Dataset()
  /// Files that examples were read from.
  var files: [String] = []
  /// Whether examples with unknown labels are left out.
  var skipsBad = false
  var result: Evaluation?

  init(_ model: Model, _ task: Head.Task?) throws(ClozeError) {
    _ = try model.evaluationTask(task)
    self.model = model
    self.task = task
  }

  func evaluated() throws(ClozeError) -> Evaluation {
    guard let result else { throw ClozeError(.invalidArgument, "the evaluation has not been run to its end") }
    return result
  }
}

@c @implementation public func cloze_evaluation_create(
  _ model: OpaquePointer?, _ task: UnsafePointer<CChar>?, _ evaluation: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(evaluation, "evaluation")
    target.pointee = nil
    let model = try required(object(model, Model.self), "model")
    let task = try task.map { task throws(ClozeError) in try headTask(String(cString: task)) }
    target.pointee = handle(try EvaluationHandle(model, task))
  }
}

@c @implementation public func cloze_evaluation_free(_ evaluation: OpaquePointer?) {
  release(evaluation, EvaluationHandle.self)
}

@c @implementation public func cloze_evaluation_add(
  _ evaluation: OpaquePointer?, _ example: UnsafePointer<cloze_example>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let holder = try required(object(evaluation, EvaluationHandle.self), "evaluation")
    let source = try cloze_example.read(required(example, "example"))
    let head = try holder.model.evaluatedHead(holder.task)
    if source.pair != nil, !head.takesBoth, !head.task.takesPairs {
      throw ClozeError(.invalidText, "a pair of texts; the head answers \(head.task.rawValue) for single texts")
    }
    let content = try content(source, head.task, isPair: source.pair != nil || head.task.takesPairs)
    try content.checkLabels()
    holder.data.examples.append(Example(content))
  }
}

@c @implementation public func cloze_evaluation_add_file(
  _ evaluation: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ format: UnsafePointer<CChar>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let holder = try required(object(evaluation, EvaluationHandle.self), "evaluation")
    var chosen = DataFormat()
    if let format { chosen = try DataFormat(json: String(cString: format)) }
    let path = try String(cString: required(path, "path"))
    let task = try holder.model.evaluationTask(holder.task, format: chosen)
    let read = try Dataset(path: path, task: task, format: chosen)
    holder.data.examples += read.examples
    holder.data.skipped += read.skipped
    holder.data.remarks += read.remarks
    holder.files.append(path)
    if chosen.skipBad { holder.skipsBad = true }
  }
}

@c @implementation public func cloze_evaluation_run(_ evaluation: OpaquePointer?, _ session: OpaquePointer?)
  -> cloze_status
{
  call { () throws(ClozeError) in
    let holder = try required(object(evaluation, EvaluationHandle.self), "evaluation")
    let session = try required(object(session, SessionHandle.self), "session").session
    guard session.model === holder.model else {
      throw ClozeError(.invalidArgument, "the session is of another model than the evaluation")
    }
    holder.result = try session.evaluate(holder.data, task: holder.task, skipBad: holder.skipsBad)
  }
}

@c @implementation public func cloze_evaluation_result(
  _ evaluation: OpaquePointer?, _ json: UnsafeMutablePointer<CChar>?, _ capacity: Int,
  _ size: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let holder = try required(object(evaluation, EvaluationHandle.self), "evaluation")
    try copy(holder.evaluated().json, "json", json, capacity, size)
  }
}

@c @implementation public func cloze_evaluation_report(_ evaluation: OpaquePointer?, _ path: UnsafePointer<CChar>?)
  -> cloze_status
{
  call { () throws(ClozeError) in
    let holder = try required(object(evaluation, EvaluationHandle.self), "evaluation")
    let (result, path) = (try holder.evaluated(), try String(cString: required(path, "path")))
    let report = EvaluationReport(
      result, title: result.task.rawValue,
      facts: [("precision", "\(holder.model.info.precision)")] + holder.files.map { ("data", $0) }
        + [("examples", "\(result.examples)"), ("truncated texts", "\(result.truncated)")])
    try write(report.html, to: path, over: holder.files)
  }
}

@c @implementation public func cloze_trainer_evaluation(
  _ trainer: OpaquePointer?, _ json: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ size: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let result = try required(object(trainer, TrainerHandle.self), "trainer").trained()
    try copy(result.evaluation.json, "json", json, capacity, size)
  }
}

@c @implementation public func cloze_trainer_report(_ trainer: OpaquePointer?, _ path: UnsafePointer<CChar>?)
  -> cloze_status
{
  call { () throws(ClozeError) in
    let holder = try required(object(trainer, TrainerHandle.self), "trainer")
    let (result, path) = (try holder.trained(), try String(cString: required(path, "path")))
    let report = TrainingReport(result: result, title: result.head.task.rawValue, facts: try holder.facts(result))
    try write(report.html, to: path, over: holder.files)
  }
}

/// Writes a page to a file, whole or not at all.
private func write(_ html: String, to path: String, over files: [String]) throws(ClozeError) {
  let file = try AtomicFile(path: path, inputs: files)
  try file.append(Array(html.utf8))
  try file.commit()
}
