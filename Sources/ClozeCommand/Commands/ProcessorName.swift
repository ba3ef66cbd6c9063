import ClozeIO

/// The CPU's model name, or "unknown".
func processorName() -> String {
  guard let file = try? SequentialFile(path: "/proc/cpuinfo") else { return "unknown" }
  var lines = LineReader(file)
  while let line = try? lines.next() {
    let parts = line.text.split(separator: ":", maxSplits: 1)
    guard parts.count == 2, parts[0].hasPrefix("model name") else { continue }
    return String(parts[1]).trimmingBlanks()
  }
  return "unknown"
}
