import ArgumentParser
import Cloze
import ClozeTokenizer

/// The maximum length of texts, and how longer ones are truncated.
struct LengthOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Maximum tokens of a text, [CLS] and [SEP] included (default: the model's maximum).", valueName: "n"))
  var maxTokens: Int?

  @Option(help: "How longer texts are truncated; error refuses them.") var truncation: Truncation = .longestFirst

  func validate() throws {
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens \(maxTokens): must be 1 or more") }
  }

  var textOptions: TextOptions { TextOptions(maxTokens: maxTokens, truncation: truncation) }
}
