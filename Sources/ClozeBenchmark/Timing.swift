internal import ClozeIO
internal import Glibc

/// CPU time of this thread, in seconds.
func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}

/// The minimum time of a call, in seconds, over `rounds` rounds of at least `seconds / rounds`.
func leastTime(seconds: Double, rounds: Int = 7, _ body: () -> Void) -> Double {
  var best = Double.infinity
  for _ in 0..<rounds {
    let start = processorSeconds()
    var calls = 0.0
    var spent = 0.0
    repeat {
      body()
      calls += 1
      spent = processorSeconds() - start
    } while spent < seconds / Double(rounds)
    best = min(best, spent / calls)
  }
  return best
}

extension SplitMix64 {
  /// Approximately normally distributed: the sum of twelve uniform numbers, shifted to mean 0.
  mutating func normal() -> Float {
    var sum: Float = -6
    for _ in 0..<12 { sum += Float(next() >> 40) * 0x1p-24 }
    return sum
  }

  mutating func normal(_ count: Int) -> [Float] { (0..<count).map { _ in normal() } }
}

/// `value` with `digits` decimals, right-aligned in `width` columns.
func column(_ value: Double, _ digits: Int, _ width: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  let rounded = (value * scale).rounded()
  var text = String(Int(rounded))
  if digits > 0 {
    while text.count <= digits { text = "0" + text }
    text.insert(".", at: text.index(text.endIndex, offsetBy: -digits))
  }
  return String(repeating: " ", count: max(width - text.count, 0)) + text
}

func column(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(width - text.count, 0)) }

/// The fields of each line of a table that are not a comment.
func rows(ofTable path: String, fields: Int) throws -> [[String]] {
  let lines = String(decoding: try contents(of: path), as: UTF8.self).split(whereSeparator: \.isNewline)
  return try lines.filter { !$0.hasPrefix("#") }.map { line in
    let values = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    guard values.count == fields else {
      throw BenchmarkFailure(description: "\(path): \(fields) fields expected: \(line)")
    }
    return values
  }
}
