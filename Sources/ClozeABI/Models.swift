public import CCloze
internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer

// 3. Models

@c @implementation public func cloze_model_load(
  _ path: UnsafePointer<CChar>?, _ options: UnsafePointer<cloze_load_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(model, "model")
    target.pointee = nil
    target.pointee = handle(try Model(path: path.map { String(cString: $0) }, options: LoadOptions(options)))
  }
}

@c @implementation public func cloze_model_load_memory(
  _ bytes: UnsafeRawPointer?, _ size: Int, _ options: UnsafePointer<cloze_load_options>?,
  _ model: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(model, "model")
    target.pointee = nil
    let start = try required(bytes, "bytes")
    guard size >= 0 else { throw ClozeError(.invalidArgument, "size is too large") }
    target.pointee = handle(
      try Model(bytes: UnsafeRawBufferPointer(start: start, count: size), options: LoadOptions(options)))
  }
}

extension LoadOptions {
  fileprivate init(_ pointer: UnsafePointer<cloze_load_options>?) throws(ClozeError) {
    self.init()
    let options = try cloze_load_options.read(pointer)
    precision = try precisionChoice(options.precision)
    threads = try threadChoice(options.threads)
    if let name = options.isa {
      let text = String(cString: name)
      guard let isa = ISA(rawValue: text) else {
        let known = ISA.allCases.map(\.rawValue).joined(separator: ", ")
        throw ClozeError(.unsupportedISA, "isa is \"\(text)\"; known are \(known)")
      }
      self.isa = isa
    }
    tokenizer = object(options.tokenizer, Tokenizer.self)
  }
}

extension LoadOptions {
  fileprivate init(_ options: cloze_convert_options) throws(ClozeError) {
    self.init(
      precision: try precisionChoice(options.precision), tokenizer: object(options.tokenizer, Tokenizer.self),
      threads: try threadChoice(options.threads))
  }
}

@c @implementation public func cloze_model_free(_ model: OpaquePointer?) { release(model, Model.self) }

@c @implementation public func cloze_model_info(_ model: OpaquePointer?, _ info: UnsafeMutablePointer<cloze_info>?)
  -> cloze_status
{
  call { () throws(ClozeError) in
    let model = try required(object(model, Model.self), "model")
    let target = try required(info, "info")
    let size = try cloze_info.size(at: target)
    let source = model.info
    var info = cloze_info()
    info.hidden_size = Int32(clamping: source.hiddenSize)
    info.num_hidden_layers = Int32(clamping: source.numHiddenLayers)
    info.num_attention_heads = Int32(clamping: source.numAttentionHeads)
    info.intermediate_size = Int32(clamping: source.intermediateSize)
    info.vocab_size = Int32(clamping: source.vocabSize)
    info.max_position_embeddings = Int32(clamping: source.maxPositionEmbeddings)
    info.type_vocab_size = Int32(clamping: source.typeVocabSize)
    info.max_tokens = Int32(clamping: source.maxTokens)
    info.precision = source.precision.rawValue
    info.heads = source.heads.rawValue
    info.pooling = source.pooling.rawValue
    info.normalize = source.normalize ? 1 : 2
    info.embedding_size = Int32(clamping: source.embeddingSize)
    info.label_count = Int32(clamping: source.labels.count)
    info.has_tokenizer = model.tokenizer == nil ? 0 : 1
    info.weight_bytes = UInt64(clamping: source.weightBytes)
    info.isa = isaNames[source.isa]
    info.write(to: target, size: size)
  }
}

private let isaNames = StaticNames<ISA>(\.rawValue)

@c @implementation public func cloze_model_prompts(
  _ model: OpaquePointer?, _ json: UnsafeMutablePointer<CChar>?, _ capacity: Int, _ size: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let prompts = try required(object(model, Model.self), "model").info.prompts
    var writer = JSONWriter()
    writer.object { prompts.write(to: &$0) }
    try copy(writer.text, "json", json, capacity, size)
  }
}

@c @implementation public func cloze_model_tokenizer(
  _ model: OpaquePointer?, _ tokenizer: UnsafeMutablePointer<OpaquePointer?>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let target = try required(tokenizer, "tokenizer")
    target.pointee = nil
    target.pointee = handle(try required(object(model, Model.self), "model").requiredTokenizer())
  }
}

@c @implementation public func cloze_model_label(
  _ model: OpaquePointer?, _ index: Int32, _ label: UnsafeMutablePointer<CChar>?, _ capacity: Int,
  _ size: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let labels = try required(object(model, Model.self), "model").info.labels
    guard index >= 0, index < labels.count else {
      throw ClozeError(.invalidArgument, "index = \(index), the model has \(labels.count) labels")
    }
    try copy(labels[Int(index)], "label", label, capacity, size)
  }
}

@c @implementation public func cloze_inspect(
  _ path: UnsafePointer<CChar>?, _ json: UnsafeMutablePointer<CChar>?, _ capacity: Int,
  _ size: UnsafeMutablePointer<Int>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let text = try Inspection(path: path.map { String(cString: $0) }).json
    try copy(text, "json", json, capacity, size)
  }
}

/// Text into a buffer of the caller, ended by NUL; with no buffer only its size.
func copy(
  _ text: String, _ name: String, _ target: UnsafeMutablePointer<CChar>?, _ capacity: Int,
  _ size: UnsafeMutablePointer<Int>?
) throws(ClozeError) {
  let bytes = text.utf8.count
  size?.pointee = bytes
  if target == nil, capacity == 0 { return }
  let target = try required(target, name)
  guard fits(bytes + 1, capacity) else { throw tooSmall(name, capacity, bytes + 1) }
  for (i, byte) in text.utf8.enumerated() { target[i] = CChar(bitPattern: byte) }
  target[bytes] = 0
}

@c @implementation public func cloze_convert(
  _ source: UnsafePointer<CChar>?, _ target: UnsafePointer<CChar>?, _ options: UnsafePointer<cloze_convert_options>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let options = try cloze_convert_options.read(options)
    try Model.convert(
      source.map { String(cString: $0) }, to: String(cString: required(target, "target")),
      head: options.head.map { path throws(ClozeError) in try Head(path: String(cString: path)) },
      options: LoadOptions(options))
  }
}

@c @implementation public func cloze_export(
  _ source: UnsafePointer<CChar>?, _ target: UnsafePointer<CChar>?, _ options: UnsafePointer<cloze_export_options>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let options = try cloze_export_options.read(options)
    try Model.export(
      source.map { String(cString: $0) }, to: String(cString: required(target, "target")),
      format: formatChoice(options.format),
      head: options.head.map { path throws(ClozeError) in try Head(path: String(cString: path)) },
      options: LoadOptions(threads: threadChoice(options.threads)))
  }
}

@c @implementation public func cloze_model_export(
  _ model: OpaquePointer?, _ target: UnsafePointer<CChar>?, _ options: UnsafePointer<cloze_export_options>?
) -> cloze_status {
  call { () throws(ClozeError) in
    let options = try cloze_export_options.read(options)
    guard options.head == nil else {
      throw ClozeError(.invalidArgument, "head is for cloze_export; give the model its head by cloze_model_with_head")
    }
    _ = try threadChoice(options.threads)
    try required(object(model, Model.self), "model").export(
      to: String(cString: required(target, "target")), format: formatChoice(options.format))
  }
}

private func formatChoice(_ value: cloze_export_format) throws(ClozeError) -> ExportFormat {
  switch value {
  case CLOZE_EXPORT_DEFAULT, CLOZE_EXPORT_FLOAT32: return .float32
  case CLOZE_EXPORT_FLOAT16: return .float16
  case CLOZE_EXPORT_INT8: return .int8
  default: throw ClozeError(.invalidArgument, "format = \(value) is none of the CLOZE_EXPORT_ values")
  }
}
