package import ClozeIO

/// A head whose outputs for labelled examples are judged: what it answers, and how texts are prepared for it.
package struct EvaluatedHead: Sendable {
  package let task: Head.Task
  /// The names of its outputs; empty where they have none.
  package let labels: [String]
  /// C, of each row.
  package let outputs: Int
  /// The length limit of texts and windows.
  package private(set) var maxTokens: Int
  /// Tokens that two windows over one text share.
  package private(set) var stride: Int
  package let noAnswerThreshold: Float?
  /// Whether a text may be given alone or as a pair.
  package let takesBoth: Bool
  /// The trained head; nil: one of the model's file.
  package let trained: Head?

  /// The head with another length limit, within the model's; windows share at most half of one.
  package func limited(to maxTokens: Int, _ info: ModelInfo) throws(ClozeError) -> EvaluatedHead {
    try info.checkLimit(maxTokens)
    var head = self
    head.maxTokens = maxTokens
    head.stride = TaskHead.stride(stride, limited: maxTokens)
    return head
  }
}

/// Which head is judged.
extension Model {
  /// The head that answers a task.
  ///
  /// - Parameter task: nil: that of `predict`, or of the masked language model that was trained.
  /// - Throws: `.noHead` where the model has none for the task, `.invalidArgument` for a trained head of another task.
  package func evaluatedHead(_ task: Head.Task?) throws(ClozeError) -> EvaluatedHead {
    let trained = head
    if let wanted = task ?? trained?.task, wanted == .mlm || wanted == .nsp && taskHead?.task != .nsp {
      guard trained == nil || trained?.task == wanted else { throw other(wanted, trained?.task) }
      let head = try packedHead(wanted == .mlm ? .maskedLM : .nextSentence)
      return EvaluatedHead(
        task: wanted, labels: wanted == .mlm ? [] : ["next", "not next"], outputs: head.outputs,
        maxTokens: trained?.maxTokens ?? info.maxTokens, stride: 0, noAnswerThreshold: nil, takesBoth: false,
        trained: trained)
    }
    let found = try requiredTaskHead()
    let takesBoth = !found.isTrained && found.task != .answer && found.task != .tag
    if let task, task != found.task {
      let isPairOfIt =
        task == .classifyPairs && found.task == .classify || task == .regressPairs && found.task == .regress
      guard takesBoth, isPairOfIt else { throw other(task, found.task) }
    }
    let isNumber = found.task == .regress || found.task == .regressPairs
    guard !isNumber || found.head.outputs == 1 else {
      throw ClozeError(
        .unsupportedModel, "the model's head gives \(found.head.outputs) numbers; a head of one number is evaluated")
    }
    return EvaluatedHead(
      task: found.task, labels: found.labels, outputs: found.head.outputs, maxTokens: found.maxTokens,
      stride: found.stride, noAnswerThreshold: found.noAnswerThreshold, takesBoth: takesBoth, trained: trained)
  }

  private func other(_ task: Head.Task, _ own: Head.Task?) -> ClozeError {
    ClozeError(.invalidArgument, "the model's head answers \(own?.rawValue ?? "nothing"), not \(task.rawValue)")
  }
}

/// The outputs of heads as they are judged by labelled examples.
extension Session {
  /// The outputs [rows, C] of a head for some sequences, logits or numbers; within `exclusively`.
  ///
  /// - Parameters:
  ///   - offsets: [B + 1] from 0, where each sequence ends in `ids`.
  ///   - positions: tokens, one row for each; nil: one row for each sequence.
  package func outputs(
    of head: EvaluatedHead, ids: ArraySlice<Int32>, typeIDs: ArraySlice<Int32>, offsets: [Int], at positions: [Int64]?
  ) throws(ClozeError) -> [Float] {
    let hasTypes = model.info.typeVocabSize > 1
    return try ids.withUnsafeBufferPointer { ids throws(ClozeError) in
      try typeIDs.withUnsafeBufferPointer { types throws(ClozeError) in
        try offsets.withUnsafeBufferPointer { offsets throws(ClozeError) in
          let batch = RaggedBatch(ids: ids, typeIDs: hasTypes ? types : nil, offsets: offsets)
          if head.task == .mlm || head.task == .nsp && model.taskHead?.task != .nsp {
            return try own(head, batch, at: positions)
          }
          let task = try taskHead()
          let values = try outputs(of: task, batch, at: positions)
          return task.hasSigmoid ? values.map { sigmoid($0) } : values
        }
      }
    }
  }

  /// Those of the model's masked language model or next-sentence head.
  private func own(_ head: EvaluatedHead, _ batch: RaggedBatch, at positions: [Int64]?) throws(ClozeError) -> [Float] {
    let rows = positions?.count ?? batch.sequences
    if rows == 0 { return [] }
    return try [Float](count: bytes(rows, head.outputs)) { values throws(ClozeError) in
      var output = Output(head.task == .mlm ? .mlm : .nsp, values: values)
      guard let positions else { return try run(batch, output) }
      try positions.withUnsafeBufferPointer { positions throws(ClozeError) in
        output.positions = positions
        try run(batch, output)
      }
    }
  }
}
