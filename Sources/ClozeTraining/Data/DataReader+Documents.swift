internal import Cloze
internal import ClozeIO

/// Files of plain text.
extension DataReader {
  /// A sentence a line, an empty line between documents; for `mlm` each line is a document.
  mutating func readDocuments() throws(ClozeError) {
    var sentences: [String] = []
    var first = 0
    let lines = lines
    for (line, number) in lines + [(bytes: [], number: lines.count + 1)] {
      if !isBlank(line) {
        do throws(ClozeError) {
          let sentence = try Self.text(line)
          if sentences.isEmpty { first = number }
          sentences.append(sentence)
        } catch {
          let failure = error
          try add(number) { () throws(ClozeError) in throw failure }
        }
        guard task == .mlm else { continue }
      }
      guard !sentences.isEmpty else { continue }
      let document = sentences
      sentences = []
      try add(first) { .document(document) }
    }
  }
}
