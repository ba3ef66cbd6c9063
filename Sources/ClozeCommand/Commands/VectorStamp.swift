import Cloze
import ClozeIO
import ClozeTokenizer

/// What a file of vectors was made of: stands behind the array in its file, as JSON.
struct VectorStamp: Equatable {
  private let texts: String
  private let model: String
  private let precision: String
  private let prompt: String
  private let maxTokens: Int
  private let truncation: String

  init(_ texts: TextList, _ model: Model, _ length: LengthOptions, prompt: String) {
    self.texts = String(texts.hash, radix: 16)
    self.model = String(model.fingerprint, radix: 16)
    precision = PrecisionName(model.info.precision).rawValue
    self.prompt = prompt
    maxTokens = length.maxTokens ?? model.info.maxTokens
    truncation = length.truncation.rawValue
  }

  /// Reads what stands behind an array; nil where nothing does.
  ///
  /// - Throws: `.damaged` with the file's name.
  init?(_ trailer: UnsafeRawBufferPointer, name: String) throws(ClozeError) {
    if trailer.isEmpty { return nil }
    let root = try JSONField(parsing: Array(trailer), name: "\(name), behind its array")
    texts = try root.required("texts").string()
    model = try root.required("model").string()
    precision = try root.required("precision").string()
    prompt = try root.required("prompt").string()
    maxTokens = try root.required("max_tokens").integer()
    truncation = try root.required("truncation").string()
  }

  var json: [UInt8] {
    JSONWriter.line {
      $0.value("texts", texts)
      $0.value("model", model)
      $0.value("precision", precision)
      $0.value("prompt", prompt)
      $0.value("max_tokens", maxTokens)
      $0.value("truncation", truncation)
    }
  }

  /// What differs from another stamp, in words; nil where nothing does.
  func difference(from other: VectorStamp) -> String? {
    if texts != other.texts { return "other texts" }
    if model != other.model { return "another model" }
    if precision != other.precision { return "a model in \(precision)" }
    if prompt != other.prompt { return "texts behind the prompt \"\(prompt)\"" }
    if maxTokens != other.maxTokens || truncation != other.truncation {
      return "texts of at most \(maxTokens) tokens, cut by \(truncation)"
    }
    return nil
  }
}

extension Prompts {
  /// The name of the prompt for what is looked for; nil: the default prompt.
  var queryName: String? { self["query"] == nil ? nil : "query" }
  /// The name of the prompt for what is searched, in sentence-transformers' order; nil: the default prompt.
  var documentName: String? { ["document", "passage", "corpus"].first { self[$0] != nil } }
}
