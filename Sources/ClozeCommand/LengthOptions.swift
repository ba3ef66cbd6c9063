import ArgumentParser
import Cloze
import ClozeTokenizer

/// The maximum length of texts, and how longer ones are truncated.
struct LengthOptions: ParsableArguments {
  @OptionGroup var limit: LengthLimit

  @Option(help: "How longer texts are truncated; error refuses them.") var truncation: Truncation = .longestFirst

  var maxTokens: Int? { limit.maxTokens }

  var textOptions: TextOptions { TextOptions(maxTokens: maxTokens, truncation: truncation) }
}

/// The maximum length of texts.
struct LengthLimit: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Maximum tokens of a text or window, [CLS] and [SEP] included (default: that of the head, else the model's).",
      valueName: "n"))
  var maxTokens: Int?

  func validate() throws {
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens \(maxTokens): must be 1 or more") }
  }
}
