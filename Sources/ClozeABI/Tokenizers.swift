public import CCloze
internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer

// 2. Tokenizers

@c @implementation public func cloze_tokenizer_load(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<cloze_tokenizer_options>?,
  _ tokenizer: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(tokenizer, "tokenizer")
    target.pointee = nil
    let path = try String(cString: required(path, "path"))
    target.pointee = handle(try Tokenizer(path: path, options: TokenizerOptions(options)))
  }
}

@c @implementation public func cloze_tokenizer_load_memory(
  _ bytes: UnsafeRawPointer?, _ size: Int, _ options: UnsafePointer<cloze_tokenizer_options>?,
  _ tokenizer: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(tokenizer, "tokenizer")
    target.pointee = nil
    let start = try required(bytes, "bytes")
    guard size >= 0, size < Int(Int32.max) else {
      throw ClozeError(.invalidArgument, "size = \(UInt(bitPattern: size)), at most 2^31 - 2 bytes are read")
    }
    let content = Array(UnsafeRawBufferPointer(start: start, count: size))
    let options = try TokenizerOptions(options)
    // A vocab.txt begins with a token, [PAD] or another; JSON with a brace.
    if Tokenizer.isSentencePiece(content) {
      target.pointee = handle(try Tokenizer(sentencePiece: content, options: options))
      return
    }
    let isJSON = content.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == UInt8(ascii: "{")
    target.pointee = handle(
      isJSON
        ? try Tokenizer(json: content, options: options) : try Tokenizer(vocabulary: content, options: options))
  }
}

extension TokenizerOptions {
  fileprivate init(_ pointer: UnsafePointer<cloze_tokenizer_options>?) throws(ClozeError) {
    let options = try cloze_tokenizer_options.read(pointer)
    self.init(
      lowercase: try choice(options.lowercase, "lowercase"),
      stripAccents: try choice(options.strip_accents, "strip_accents"),
      splitSpecialTokens: try choice(options.split_special_tokens, "split_special_tokens"))
  }
}

@c @implementation public func cloze_tokenizer_free(_ tokenizer: OpaquePointer?) { release(tokenizer, Tokenizer.self) }

@c @implementation public func cloze_tokenizer_vocab_size(_ tokenizer: OpaquePointer?) -> Int32 {
  object(tokenizer, Tokenizer.self).map { Int32(clamping: $0.vocabularySize) } ?? 0
}

@c @implementation public func cloze_tokenizer_token(_ tokenizer: OpaquePointer?, _ id: Int32) -> UnsafePointer<CChar>?
{ object(tokenizer, Tokenizer.self)?.tokenPointer(for: id) }

@c @implementation public func cloze_tokenizer_id(_ tokenizer: OpaquePointer?, _ token: UnsafePointer<CChar>?) -> Int32
{
  guard let tokenizer = object(tokenizer, Tokenizer.self), let token else { return -1 }
  return tokenizer.id(of: String(cString: token)) ?? -1
}

@c @implementation public func cloze_tokenizer_lookup(
  _ tokenizer: OpaquePointer?, _ token: UnsafePointer<CChar>?, _ id: UnsafeMutablePointer<Int32>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(id, "id")
    target.pointee = -1
    let tokenizer = try required(object(tokenizer, Tokenizer.self), "tokenizer")
    target.pointee = try tokenizer.requiredID(of: String(cString: required(token, "token")))
  }
}

@c @implementation public func cloze_tokenize(
  _ tokenizer: OpaquePointer?, _ texts: UnsafePointer<cloze_texts>?, _ options: UnsafePointer<cloze_tokenize_options>?,
  _ encoding: UnsafeMutablePointer<cloze_encoding>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let tokenizer = try required(object(tokenizer, Tokenizer.self), "tokenizer")
    let texts = try CTexts(texts)
    let options = try cloze_tokenize_options.read(options)
    let limit = try positive(options.max_tokens, "max_tokens")
    let truncation = try Truncation(options.truncation, default: .error)
    let pointer = try required(encoding, "encoding")
    let size = try cloze_encoding.size(at: pointer)
    var target = try cloze_encoding.read(pointer)
    defer { target.write(to: pointer, size: size) }

    let buffer = EncodingBuffer(keepsOffsets: target.offsets != nil || target.sequence_ids != nil)
    var total = 0
    target.cu_seqlens?[0] = 0
    for index in 0..<texts.count {
      buffer.removeAll()
      let cut = try texts.withText(index) { first, second throws(ClozeError) in
        do throws(ClozeError) {
          return try tokenizer.append(first, pair: second, maxTokens: limit, truncation: truncation, into: buffer)
        } catch { throw error.prefixed(texts.count > 1 ? "text \(index): " : "") }
      }
      let count = buffer.ids.count
      if fits(total + count, target.capacity) { copy(buffer, count, to: target, at: total) }
      total += count
      target.cu_seqlens?[index + 1] = Int64(total)
      target.truncated?[index] = cut ? 1 : 0
    }
    target.size = total
    let wanted = target.ids != nil || target.type_ids != nil || target.offsets != nil || target.sequence_ids != nil
    if wanted, !fits(total, target.capacity) { throw tooSmall("encoding", target.capacity, total) }
  }
}

private func copy(_ buffer: EncodingBuffer, _ count: Int, to target: cloze_encoding, at start: Int) {
  buffer.ids.withUnsafeBufferPointer { source in
    if let ids = target.ids, let base = source.baseAddress { (ids + start).update(from: base, count: count) }
  }
  buffer.typeIDs.withUnsafeBufferPointer { source in
    if let ids = target.type_ids, let base = source.baseAddress { (ids + start).update(from: base, count: count) }
  }
  buffer.sequenceIDs.withUnsafeBufferPointer { source in
    if let ids = target.sequence_ids, let base = source.baseAddress { (ids + start).update(from: base, count: count) }
  }
  if let offsets = target.offsets {
    for (i, range) in buffer.offsets.enumerated() {
      offsets[2 * (start + i)] = Int64(range.begin)
      offsets[2 * (start + i) + 1] = Int64(range.end)
    }
  }
}

extension Truncation {
  init(_ value: cloze_truncation, default standard: Truncation) throws(ClozeError) {
    switch value {
    case CLOZE_TRUNCATION_DEFAULT: self = standard
    case CLOZE_TRUNCATION_ERROR: self = .error
    case CLOZE_TRUNCATION_LONGEST_FIRST: self = .longestFirst
    case CLOZE_TRUNCATION_ONLY_FIRST: self = .onlyFirst
    case CLOZE_TRUNCATION_ONLY_SECOND: self = .onlySecond
    default: throw ClozeError(.invalidArgument, "truncation = \(value) is none of the CLOZE_TRUNCATION_ values")
    }
  }
}
