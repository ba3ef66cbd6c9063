public import CCloze
internal import Cloze
internal import ClozeIO
internal import ClozeTraining

// 7. Heads: predicting and training

extension cloze_example: SizedStruct { static var name: String { "cloze_example" } }

@c @implementation
public func cloze_model_with_head(
  _ base: OpaquePointer?, _ path: UnsafePointer<CChar>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(model, "model")
    target.pointee = nil
    let base = try required(object(base, Model.self), "base")
    let head = try Head(path: String(cString: required(path, "path")))
    target.pointee = handle(try Model(base, head: head))
  }
}

@c @implementation
public func cloze_model_task(_ model: OpaquePointer?) -> UnsafePointer<CChar>? {
  guard let task = object(model, Model.self)?.head?.task else { return nil }
  let text: StaticString =
    switch task {
    case .classify: "classify"
    case .classifyPairs: "classify-pairs"
    case .multilabel: "multilabel"
    case .regress: "regress"
    case .regressPairs: "regress-pairs"
    case .tag: "tag"
    case .answer: "answer"
    case .mlm: "mlm"
    case .nsp: "nsp"
    }
  return UnsafeRawPointer(text.utf8Start).assumingMemoryBound(to: CChar.self)
}

@c @implementation
public func cloze_predict(
  _ session: OpaquePointer?, _ texts: UnsafePointer<cloze_texts>?,
  _ predictions: UnsafeMutablePointer<cloze_prediction>?, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>?, _ truncated: UnsafeMutablePointer<UInt8>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let session = try required(object(session, SessionHandle.self), "session").session
    let source = try CTexts(texts)
    guard let head = session.model.head else {
      throw ClozeError(.noHead, "the model has no trained head; cloze_model_with_head gives it one")
    }
    var list: [Text] = []
    for i in 0..<source.count {
      list.append(
        try source.withText(i) { first, second throws(ClozeError) in
          let pair = try second.map { bytes throws(ClozeError) in try string(bytes, i) }
          return Text(try string(first, i), pair)
        })
    }
    var found: [cloze_prediction] = []
    for (i, prediction) in try session.predict(list).enumerated() {
      truncated?[i] = prediction.truncated ? 1 : 0
      append(prediction, Int64(i), head, to: &found)
    }
    count?.pointee = found.count
    if predictions == nil, capacity == 0 { return }
    guard fits(found.count, capacity) else { throw tooSmall("predictions", capacity, found.count) }
    if found.isEmpty { return }
    let target = try required(predictions, "predictions")
    for (i, entry) in found.enumerated() { target[i] = entry }
  }
}

private func append(
  _ prediction: Prediction, _ text: Int64, _ head: Head, to list: inout [cloze_prediction]
) {
  func add(_ label: Int32, _ score: Float, _ begin: Int = 0, _ end: Int = 0) {
    list.append(
      cloze_prediction(
        text: text, begin: Int64(begin), end: Int64(end), label: label, score: score))
  }
  switch head.task {
  case .regress, .regressPairs: add(-1, prediction.value ?? 0)
  case .tag:
    for word in prediction.tags {
      let label = head.labels.firstIndex(of: word.text) ?? 0
      add(Int32(clamping: label), word.probability, word.begin, word.end)
    }
  case .answer:
    if let answer = prediction.answer {
      add(0, answer.probability, answer.begin, answer.end)
    } else {
      add(-1, 0)
    }
  default:
    let shares = prediction.probabilities
    let order = shares.indices.sorted {
      shares[$0] > shares[$1] || shares[$0] == shares[$1] && $0 < $1
    }
    for label in order { add(Int32(clamping: label), shares[label]) }
  }
}

private func string(_ bytes: UnsafeRawBufferPointer, _ index: Int) throws(ClozeError) -> String {
  guard let text = String(validating: bytes, as: UTF8.self) else {
    throw ClozeError(.invalidText, "text \(index) is not UTF-8")
  }
  return text
}
