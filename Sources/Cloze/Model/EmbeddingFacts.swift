internal import ClozeIO
internal import ClozeONNX

/// What `inspect` shows of the vectors of texts: pooling and what follows it, lengths, prompts.
struct EmbeddingFacts {
  let steps: [SentenceShape]
  /// Of the graph and the files, followed and completed.
  let settings: ModelSettings
  let configuration: BERTConfiguration

  init(_ graph: BERTGraph, _ settings: ModelSettings) {
    steps = graph.sentence?.steps.map { SentenceShape($0) } ?? []
    self.settings = settings
    configuration = graph.configuration
  }

  init(_ prepared: PreparedConfiguration) {
    steps = prepared.sentence
    settings = prepared.settings
    configuration = prepared.model
  }

  private var pooling: Pooling { settings.pooling ?? .mean }
  private var normalizes: Bool { settings.normalize ?? true }
  private var size: Int { SentenceShape.width(steps, of: configuration.hiddenSize) }
  private var maxTokens: Int { min(settings.maxTokens ?? .max, configuration.maxPositionEmbeddings) }
  /// The classes of sentence-transformers that do the same.
  private var modules: [String] {
    ["Transformer", "Pooling"] + steps.compactMap(\.module) + (normalizes ? ["Normalize"] : [])
  }

  var lines: [(String, String)] {
    var lines: [(String, String)] = []
    if let reason = settings.embeddingUnsupportedReason {
      lines.append(("embedding", "\(reason); a pooling must be named"))
    } else {
      let parts = ["\(pooling.name) pooling\(settings.pooling == nil ? " (the default)" : "")"] + steps.map(\.text)
      let end = normalizes ? "normalized" : "not normalized"
      lines.append(("embedding", "\((parts + [end]).joined(separator: ", ")); \(size) numbers"))
      lines.append(("modules", modules.joined(separator: ", ")))
    }
    lines.append(("length", "at most \(maxTokens) tokens of a text, unless another limit is given"))
    let prompts = settings.prompts
    if !prompts.list.isEmpty {
      let all = prompts.list.map { prompt in
        "\(prompt.name) \"\(prompt.text)\"" + (prompt.name == prompts.defaultName ? " (the default)" : "")
      }
      lines.append(("prompts", all.joined(separator: ", ") + (prompts.isPooled ? "" : "; not pooled")))
    }
    return lines
  }

  func write(to writer: inout JSONWriter) {
    writer.object("embedding") {
      if let reason = settings.embeddingUnsupportedReason {
        $0.value("unsupported", reason)
      } else {
        $0.value("pooling", pooling.name)
        $0.value("normalize", normalizes)
        $0.value("size", size)
        $0.array("modules", modules)
        if !steps.isEmpty { $0.array("layers") { for step in steps { $0.object { step.write(to: &$0) } } } }
      }
      $0.value("max_tokens", maxTokens)
      settings.prompts.write(to: &$0)
    }
  }
}
