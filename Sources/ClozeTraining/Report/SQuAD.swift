/// The official scores of SQuAD (Rajpurkar et al. 2016, 2018).
enum SQuAD {
  static func exactMatch(_ guess: String, _ truth: String) -> Double { normalized(guess) == normalized(truth) ? 1 : 0 }

  static func f1(_ guess: String, _ truth: String) -> Double {
    let (a, b) = (normalized(guess), normalized(truth))
    if a.isEmpty || b.isEmpty { return a.isEmpty && b.isEmpty ? 1 : 0 }
    var counts: [String: Int] = [:]
    for word in b { counts[word, default: 0] += 1 }
    var common = 0
    for word in a {
      if let count = counts[word], count > 0 {
        common += 1
        counts[word] = count - 1
      }
    }
    guard common > 0 else { return 0 }
    let (precision, recall) = (Double(common) / Double(a.count), Double(common) / Double(b.count))
    return 2 * precision * recall / (precision + recall)
  }

  /// Words in lower case, without ASCII punctuation and articles.
  static func normalized(_ text: String) -> [String] {
    var kept = ""
    for scalar in text.lowercased().unicodeScalars {
      let isPunctuation =
        (33...47).contains(scalar.value) || (58...64).contains(scalar.value) || (91...96).contains(scalar.value)
        || (123...126).contains(scalar.value)
      if !isPunctuation { kept.unicodeScalars.append(scalar) }
    }
    return kept.split(whereSeparator: \.isWhitespace).map(String.init).filter { $0 != "a" && $0 != "an" && $0 != "the" }
  }
}
