import Cloze
import ClozeIO

/// A command's way through its texts, batch by batch: results to standard output, a line of progress, and a count of
/// the texts that were cut.
final class TextRun {
  let output = ByteWriter.standardOutput()
  private var input: TextInput
  private var progress: Progress
  private var count = TruncationCount()

  /// - Parameter printsResults: false where results go to a file.
  init(_ input: TextInput, printsResults: Bool = true) {
    self.input = input
    progress = Progress(
      total: input.file?.size, hasOwnScreen: !printsResults || !ByteWriter.standardOutputIsTerminal)
  }

  /// Runs `body` on batches of at most `size` texts, to the end of the input.
  func forEachBatch(of size: Int = 1024, _ body: ([NumberedText]) throws -> Void) throws {
    defer { progress.clear() }
    while true {
      let batch = try input.batch(count: size)
      if batch.isEmpty { return }
      try body(batch)
      try output.flush()
      progress.show(texts: count.texts, bytes: input.bytesConsumed)
    }
  }

  /// Counts a text whose results were written.
  func add(truncated: Bool) { count.add(truncated) }

  /// Writes a text's results as one JSON object on a line: the text, `members`, and whether it was cut.
  func writeObject(
    _ text: NumberedText, truncated: Bool, _ members: (inout JSONWriter) -> Void
  ) throws {
    try output.write(
      JSONWriter.line {
        text.write(to: &$0)
        members(&$0)
        $0.value("truncated", truncated)
      })
  }

  /// Says on standard error how many texts were cut, if any.
  ///
  /// - Parameter limit: the number of tokens that texts were cut to.
  func reportTruncation(limit: Int?) {
    if let message = count.message(limit: limit) { StandardError.note(message) }
  }

  /// Runs `work` on a batch. Where one of its texts is refused, the error names its line or argument.
  func locating<Result>(_ batch: [NumberedText], _ work: ([Text]) throws -> Result) throws -> Result {
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
          throw error.prefixed("\(input.place(of: text)): ")
        }
      }
      throw error
    }
  }
}

/// Counts the texts that were cut.
struct TruncationCount {
  private(set) var texts = 0
  private(set) var truncated = 0

  mutating func add(_ isTruncated: Bool) {
    texts += 1
    if isTruncated { truncated += 1 }
  }

  /// What is said of them at the end; nil where none was cut.
  func message(limit: Int?) -> String? {
    guard truncated > 0 else { return nil }
    let place = limit.map { " to \($0) tokens" } ?? ""
    if texts == 1 { return "the text was cut\(place)" }
    return
      "\(grouped(truncated)) of \(grouped(texts)) texts \(truncated == 1 ? "was" : "were") cut\(place)"
  }
}
