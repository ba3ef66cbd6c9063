import Cloze
import ClozeIO

/// A command's loop over its texts: reads them in batches, writes results to standard output, shows progress, and
/// counts truncated texts.
final class TextRun {
  let output = ByteWriter.standardOutput()
  private var input: TextInput
  private var progress: Progress
  private var count = TruncationCount()

  /// - Parameter printsResults: false where results go to a file.
  init(_ input: TextInput, printsResults: Bool = true) {
    self.input = input
    progress = Progress(total: input.file?.size, hasOwnScreen: !printsResults || !ByteWriter.standardOutputIsTerminal)
  }

  /// Runs `body` on batches of at most `size` texts, to the end of the input.
  func forEachBatch(of size: Int = 1024, _ body: ([NumberedText]) throws -> Void) throws {
    defer {
      progress.clear()
      if let remark = input.remark { StandardError.note(remark) }
    }
    while true {
      let batch = try input.batch(count: size)
      if batch.isEmpty { return }
      try body(batch)
      try output.flush()
      progress.show(texts: count.texts, bytes: input.bytesConsumed)
    }
  }

  /// Counts a text.
  func add(truncated: Bool) { count.add(truncated) }

  /// Writes one JSON object on a line: the text, `members` with its results, and whether it was truncated.
  func writeObject(_ text: NumberedText, truncated: Bool, _ members: (inout JSONWriter) -> Void) throws {
    try output.write(
      JSONWriter.line {
        text.write(to: &$0)
        members(&$0)
        $0.value("truncated", truncated)
      })
  }

  /// Reports on standard error how many texts were truncated, if any.
  ///
  /// - Parameter limit: the number of tokens that texts were truncated to.
  func reportTruncation(limit: Int?) { if let message = count.message(limit: limit) { StandardError.note(message) } }

  /// Runs `work` on a batch. If one of the texts is refused, the error names its line or argument.
  func locating<Result>(_ batch: [NumberedText], _ work: ([Text]) throws -> Result) throws -> Result {
    func isAboutOneText(_ error: ClozeError) -> Bool { error.status == .tooLong || error.status == .invalidText }
    do { return try work(batch.map(\.text)) } catch let error as ClozeError where isAboutOneText(error) {
      // Each text is tried alone to find which one.
      for text in batch {
        do { _ = try work([text.text]) } catch let error as ClozeError where isAboutOneText(error) {
          throw error.prefixed("\(input.place(of: text)): ")
        }
      }
      throw error
    }
  }
}

/// The number of texts, and of those that were truncated.
struct TruncationCount {
  private(set) var texts = 0
  private(set) var truncated = 0

  mutating func add(_ isTruncated: Bool) {
    texts += 1
    if isTruncated { truncated += 1 }
  }

  /// The report; nil if no text was truncated.
  func message(limit: Int?) -> String? {
    guard truncated > 0 else { return nil }
    let place = limit.map { " to \($0) tokens" } ?? ""
    if texts == 1 { return "the text was cut\(place)" }
    return "\(grouped(truncated)) of \(grouped(texts)) texts \(truncated == 1 ? "was" : "were") cut\(place)"
  }
}
