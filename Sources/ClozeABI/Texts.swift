public import CCloze
internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer

// 6. Running on text

extension TextOptions {
  init(_ maxTokens: Int32, _ truncation: cloze_truncation) throws(ClozeError) {
    self.init(
      maxTokens: try positive(maxTokens, "max_tokens"), truncation: try Truncation(truncation, default: .longestFirst))
  }
}

@c @implementation public func cloze_embed_texts(
  _ session: OpaquePointer?, _ texts: UnsafePointer<cloze_texts>?, _ options: UnsafePointer<cloze_embed_options>?,
  _ embeddings: UnsafeMutablePointer<Float>?, _ capacity: Int, _ truncated: UnsafeMutablePointer<UInt8>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let session = try required(object(session, SessionHandle.self), "session").session
    let texts = try CTexts(texts)
    let options = try cloze_embed_options.read(options)
    let embedding = EmbeddingOptions(
      pooling: try poolingChoice(options.pooling), normalize: try choice(options.normalize, "normalize"),
      dimensions: try positive(options.dimensions, "dimensions"), prompt: options.prompt.map { String(cString: $0) })
    let text = try TextOptions(options.max_tokens, options.truncation)
    if texts.count == 0 { return }
    let (needed, overflow) = try texts.count.multipliedReportingOverflow(by: session.embeddingWidth(embedding))
    guard !overflow, fits(needed, capacity) else { throw tooSmall("embeddings", capacity, needed) }
    try session.embed(
      texts, text: text, embedding: embedding, into: required(embeddings, "embeddings"), truncated: truncated)
  }
}

@c @implementation public func cloze_encode_texts(
  _ session: OpaquePointer?, _ texts: UnsafePointer<cloze_texts>?, _ options: UnsafePointer<cloze_encode_options>?,
  _ hidden: UnsafeMutablePointer<Float>?, _ capacity: Int, _ cu_seqlens: UnsafeMutablePointer<Int64>?,
  _ truncated: UnsafeMutablePointer<UInt8>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let session = try required(object(session, SessionHandle.self), "session").session
    let texts = try CTexts(texts)
    let options = try cloze_encode_options.read(options)
    let text = try TextOptions(options.max_tokens, options.truncation)
    let layers = try list(options.layers, options.layer_count, "layer", atMost: 1 << 20)
    let cuSeqlens = try required(cu_seqlens, "cu_seqlens")
    try session.encode(
      texts, text: text, layers: layers, into: hidden,
      capacity: hidden == nil && capacity == 0 ? nil : Int(clamping: UInt(bitPattern: capacity)), cuSeqlens: cuSeqlens,
      truncated: truncated)
  }
}

@c @implementation public func cloze_fill_mask(
  _ session: OpaquePointer?, _ texts: UnsafePointer<cloze_texts>?, _ options: UnsafePointer<cloze_fill_mask_options>?,
  _ candidates: UnsafeMutablePointer<cloze_candidate>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?,
  _ truncated: UnsafeMutablePointer<UInt8>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let session = try required(object(session, SessionHandle.self), "session").session
    let texts = try CTexts(texts)
    let options = try cloze_fill_mask_options.read(options)
    guard options.reserved == 0 else { throw ClozeError(.invalidArgument, "cloze_fill_mask_options.reserved is not 0") }
    let text = try TextOptions(options.max_tokens, options.truncation)
    let targets = try list(options.targets, options.target_count, "target", atMost: 1 << 31).map { Array($0) }
    let ranked = try session.fillMask(
      texts, text: text, topK: positive(options.top_k, "top_k") ?? 5, targets: targets, truncated: truncated)
    count?.pointee = ranked.count
    if candidates == nil, capacity == 0 { return }
    guard fits(ranked.count, capacity) else { throw tooSmall("candidates", capacity, ranked.count) }
    let target = try required(candidates, "candidates")
    for (i, token) in ranked.enumerated() {
      target[i] = cloze_candidate(
        text: Int64(token.text), position: Int64(token.position), token_id: token.id, probability: token.probability)
    }
  }
}

@c @implementation public func cloze_next_sentence(
  _ session: OpaquePointer?, _ pairs: UnsafePointer<cloze_texts>?, _ options: UnsafePointer<cloze_tokenize_options>?,
  _ probabilities: UnsafeMutablePointer<Float>?, _ capacity: Int, _ truncated: UnsafeMutablePointer<UInt8>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let session = try required(object(session, SessionHandle.self), "session").session
    let pairs = try CTexts(pairs)
    let options = try cloze_tokenize_options.read(options)
    let text = try TextOptions(options.max_tokens, options.truncation)
    if pairs.count == 0 { return }
    guard fits(pairs.count, capacity) else { throw tooSmall("probabilities", capacity, pairs.count) }
    try session.nextSentence(pairs, text: text, into: required(probabilities, "probabilities"), truncated: truncated)
  }
}
