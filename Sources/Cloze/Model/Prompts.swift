package import ClozeIO

/// The prompts of a model's files: texts that are put before a text whose vector is computed.
public struct Prompts: Hashable, Sendable {
  /// A prompt and its name.
  public struct Prompt: Hashable, Sendable {
    /// As callers choose it.
    public let name: String
    /// What is put before a text; may be empty.
    public let text: String
  }

  /// In the order of the file.
  public internal(set) var list: [Prompt] = []
  /// The prompt of a text for which none is chosen; nil: none.
  public internal(set) var defaultName: String?
  /// Whether the tokens of a prompt are pooled, as those of the text are.
  public internal(set) var isPooled = true

  /// The text of the prompt of a name; nil where there is none.
  public subscript(name: String) -> String? { list.first { $0.name == name }?.text }

  /// The text of the prompt that a caller chose: a name; "": none; nil: the default.
  ///
  /// - Throws: `.invalidArgument` for a name that is not in the list.
  package func text(_ choice: String?) throws(ClozeError) -> String {
    guard let name = choice ?? defaultName, !name.isEmpty else { return "" }
    if let text = self[name] { return text }
    let names = list.map { "\"\($0.name)\"" }.joined(separator: ", ")
    throw ClozeError(
      .invalidArgument,
      "the model has no prompt \"\(name)\"; " + (list.isEmpty ? "it has no prompts" : "it has \(names)"))
  }

  /// Their members in a JSON object, with the keys of config_sentence_transformers.json and of a pooling module's
  /// config.json; nothing where there are none.
  package func write(to writer: inout JSONWriter) {
    if !list.isEmpty { writer.object("prompts") { for prompt in list { $0.value(prompt.name, prompt.text) } } }
    if let defaultName { writer.value("default_prompt_name", defaultName) }
    if !isPooled { writer.value("include_prompt", false) }
  }

  /// Reads `prompts` and `default_prompt_name` of an object.
  mutating func read(_ root: JSONField) throws(ClozeError) {
    for (name, field) in try root.present("prompts")?.members() ?? [] {
      // null is how sentence-transformers writes a prompt that nobody has set.
      let text = if case .null = field.value { "" } else { try field.string() }
      let prompt = Prompt(name: name, text: text)
      if let known = list.firstIndex(where: { $0.name == name }) { list[known] = prompt } else { list.append(prompt) }
    }
    guard let field = try root.present("default_prompt_name") else { return }
    let name = try field.string()
    if self[name] != nil {
      defaultName = name
    } else if name != "query", name != "document" {
      // These two exist in every model of sentence-transformers 5 and newer, and are empty unless they are set.
      throw ClozeError(.damaged, "\(field.path) is \"\(name)\", which is not among the prompts")
    }
  }
}

/// Texts behind a prompt.
final class PromptedTexts<Source: TextSource>: TextSource {
  private let texts: Source
  private let prompt: [UInt8]
  /// The prompt and a text; kept, so that a text no longer than one before allocates nothing.
  private var bytes: [UInt8] = []

  init(_ texts: Source, prompt: String) {
    self.texts = texts
    self.prompt = Array(prompt.utf8)
  }

  var count: Int { texts.count }

  func withText<Result>(
    _ index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
  ) throws(ClozeError) -> Result {
    try texts.withText(index) { first, second throws(ClozeError) in
      if prompt.isEmpty { return try body(first, second) }
      bytes.removeAll(keepingCapacity: true)
      bytes.append(contentsOf: prompt)
      bytes.append(contentsOf: first)
      return try bytes.withUnsafeBufferPointer { bytes throws(ClozeError) in
        // Found here, as the tokenizer would count the prompt's bytes.
        if let position = UTF8Scan.firstInvalid(UnsafeBufferPointer(rebasing: bytes[prompt.count...])) {
          let name = second == nil ? "text" : "the first text"
          throw ClozeError(.invalidText, "\(name) is not valid UTF-8 at byte \(position)")
        }
        return try body(UnsafeRawBufferPointer(bytes), second)
      }
    }
  }
}
