internal import Cloze
internal import ClozeIO

/// Files with one JSON object a line.
extension DataReader {
  mutating func readJSONLines() throws(ClozeError) {
    let (task, format) = (task.training, format)
    for (line, number) in lines where !isBlank(line) {
      try add(number) { () throws(ClozeError) in
        do throws(ClozeError) { return try task.content(JSONField(parsing: Array(line), name: "line"), format) } catch {
          // The place names the line already.
          let message = error.message
          throw ClozeError(.invalidText, message.hasPrefix("line: ") ? String(message.dropFirst(6)) : message)
        }
      }
    }
  }
}
