import ArgumentParser
import Cloze
import ClozeTokenizer

/// What happens to a text that is too long.
struct LengthOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Most tokens of a text, [CLS] and [SEP] counted (default: as many as the model is made for).",
      valueName: "n"))
  var maxTokens: Int?

  @Option(help: "What is cut where there are more; error cuts nothing and fails.")
  var truncation: Truncation = .longestFirst

  func validate() throws {
    if let maxTokens, maxTokens < 1 {
      throw ValidationError("--max-tokens \(maxTokens): must be 1 or more")
    }
  }

  var textOptions: TextOptions { TextOptions(maxTokens: maxTokens, truncation: truncation) }
}

/// Counts the texts that were cut, and says so at the end.
struct TruncationCount {
  private(set) var texts = 0
  private(set) var truncated = 0

  mutating func add(_ isTruncated: Bool) {
    texts += 1
    if isTruncated { truncated += 1 }
  }

  /// - Parameter limit: the number of tokens that texts were cut to.
  func report(limit: Int?) {
    guard let message = message(limit: limit) else { return }
    StandardError.note(message)
  }

  func message(limit: Int?) -> String? {
    guard truncated > 0 else { return nil }
    let place = limit.map { " to \($0) tokens" } ?? ""
    if texts == 1 { return "the text was cut\(place)" }
    return
      "\(grouped(truncated)) of \(grouped(texts)) texts \(truncated == 1 ? "was" : "were") cut\(place)"
  }
}

/// Runs `work` on a batch. Where one of its texts is refused, the error names the line or argument
/// that it is.
func withPlaces<Result>(
  _ batch: [NumberedText], in source: TextSource, _ work: ([Text]) throws -> Result
) throws -> Result {
  func isAboutOneText(_ error: ClozeError) -> Bool {
    error.status == .tooLong || error.status == .invalidText
  }
  do {
    return try work(batch.map(\.text))
  } catch let error as ClozeError where isAboutOneText(error) {
    // Which one is found by trying each alone.
    for text in batch {
      do {
        _ = try work([text.text])
      } catch let error as ClozeError where isAboutOneText(error) {
        throw WorkFailure("\(source.place(of: text)): \(error.message)")
      }
    }
    throw error
  }
}
