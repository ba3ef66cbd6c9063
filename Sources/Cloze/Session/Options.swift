internal import ClozeIO
public import ClozeTokenizer

/// How `Model.init` prepares the weights.
public struct LoadOptions: Sendable {
  /// nil: int8, or what a prepared file holds.
  public var precision: Precision?
  /// Forces an instruction set; nil: that of the environment variable `CLOZE_ISA`, else the best that
  /// the CPU has.
  public var isa: ISA?
  /// Used in place of the files beside the model.
  public var tokenizer: Tokenizer?
  /// Threads that loading may use, 1 to 256; nil: as many as the process may use.
  public var threads: Int?

  /// All defaults, or some of them replaced.
  public init(precision: Precision? = nil, isa: ISA? = nil, tokenizer: Tokenizer? = nil, threads: Int? = nil) {
    self.precision = precision
    self.isa = isa
    self.tokenizer = tokenizer
    self.threads = threads
  }

  var loadingThreads: Int { max(1, min(threads ?? defaultThreads(), Team.maxThreads)) }
}

/// The length limit of a text, and how a longer one is truncated.
public struct TextOptions: Sendable {
  /// The most tokens of a sequence, `[CLS]` and `[SEP]` included; nil: `ModelInfo.maxTokens`.
  public var maxTokens: Int?
  /// How a longer text is truncated.
  public var truncation: Truncation

  /// All defaults, or some of them replaced.
  public init(maxTokens: Int? = nil, truncation: Truncation = .longestFirst) {
    self.maxTokens = maxTokens
    self.truncation = truncation
  }
}

/// How a text's vector is computed from its tokens' vectors.
public struct EmbeddingOptions: Sendable {
  /// nil: the model's default.
  public var pooling: Pooling?
  /// nil: the model's default.
  public var normalize: Bool?
  /// Keeps the first so many dimensions, before normalizing; nil: all.
  public var dimensions: Int?
  /// What is put before each text, or before the first of a pair: the name of one of `ModelInfo.prompts`; "":
  /// nothing; nil: the model's default prompt, if it has one.
  public var prompt: String?

  /// All defaults, or some of them replaced.
  public init(pooling: Pooling? = nil, normalize: Bool? = nil, dimensions: Int? = nil, prompt: String? = nil) {
    self.pooling = pooling
    self.normalize = normalize
    self.dimensions = dimensions
    self.prompt = prompt
  }
}
