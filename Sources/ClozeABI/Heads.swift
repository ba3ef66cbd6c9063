public import CCloze
internal import Cloze
internal import ClozeIO
internal import ClozeTraining

// 7. Heads: predicting and training

extension cloze_example: SizedStruct { static var name: String { "cloze_example" } }

@c @implementation public func cloze_model_with_head(
  _ base: OpaquePointer?, _ path: UnsafePointer<CChar>?, _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(model, "model")
    target.pointee = nil
    let base = try required(object(base, Model.self), "base")
    let head = try Head(path: String(cString: required(path, "path")))
    target.pointee = handle(try Model(base, head: head))
  }
}

@c @implementation public func cloze_model_task(_ model: OpaquePointer?) -> UnsafePointer<CChar>? {
  object(model, Model.self)?.info.task.flatMap { taskNames[$0] }
}

private let taskNames = StaticNames<Head.Task>(\.rawValue)

@c @implementation public func cloze_predict(
  _ session: OpaquePointer?, _ texts: UnsafePointer<cloze_texts>?,
  _ predictions: UnsafeMutablePointer<cloze_prediction>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?,
  _ truncated: UnsafeMutablePointer<UInt8>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let session = try required(object(session, SessionHandle.self), "session").session
    try write(session.predict(CTexts(texts), truncated: truncated), to: predictions, capacity, count)
  }
}

@c @implementation public func cloze_entities(
  _ tags: UnsafePointer<UnsafePointer<CChar>?>?, _ tag_count: Int, _ entities: UnsafeMutablePointer<cloze_entity>?,
  _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    guard tag_count >= 0 else { throw ClozeError(.invalidArgument, "tag_count = \(tag_count), expected 0 or more") }
    var words: [String] = []
    for i in 0..<tag_count { words.append(String(cString: try required(required(tags, "tags")[i], "tags[\(i)]"))) }
    let found = Entity.all(in: words)
    count?.pointee = found.count
    if entities == nil, capacity == 0 { return }
    guard fits(found.count, capacity) else { throw tooSmall("entities", capacity, found.count) }
    if found.isEmpty { return }
    let target = try required(entities, "entities")
    for (i, entity) in found.enumerated() {
      let typeBegin = words[entity.first].utf8.count - entity.type.utf8.count
      target[i] = cloze_entity(
        begin: Int64(entity.first), end: Int64(entity.last + 1), type_begin: Int64(typeBegin))
    }
  }
}

@c @implementation public func cloze_rerank(
  _ session: OpaquePointer?, _ pairs: UnsafePointer<cloze_texts>?, _ top_k: Int32,
  _ predictions: UnsafeMutablePointer<cloze_prediction>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?,
  _ truncated: UnsafeMutablePointer<UInt8>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let session = try required(object(session, SessionHandle.self), "session").session
    let ranked = try session.rerank(CTexts(pairs), topK: positive(top_k, "top_k"), truncated: truncated)
    try write(ranked.map(\.label), to: predictions, capacity, count)
  }
}

private func write(
  _ scored: [ScoredLabel], to predictions: UnsafeMutablePointer<cloze_prediction>?, _ capacity: Int,
  _ count: UnsafeMutablePointer<Int>?
) throws(ClozeError) {
  count?.pointee = scored.count
  if predictions == nil, capacity == 0 { return }
  guard fits(scored.count, capacity) else { throw tooSmall("predictions", capacity, scored.count) }
  if scored.isEmpty { return }
  let target = try required(predictions, "predictions")
  for (i, entry) in scored.enumerated() {
    target[i] = cloze_prediction(
      text: Int64(entry.text), begin: Int64(entry.bytes.lowerBound), end: Int64(entry.bytes.upperBound),
      label: entry.label.map { Int32(clamping: $0) } ?? -1, score: entry.score)
  }
}
