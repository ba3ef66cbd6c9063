/// The known word that an unknown one was probably meant to be: the same but for case and punctuation, its initials
/// (`lr` of `learning_rate`), or one with few letters wrong; nil where none is near.
package func nearest(_ word: String, among known: [String]) -> String? {
  let bytes = plain(word)
  guard !bytes.isEmpty else { return nil }
  if let same = known.first(where: { plain($0) == bytes }) { return same }
  if let long = known.first(where: { initials($0) == bytes }) { return long }
  // Shorter words have fewer letters to be known by.
  let most = bytes.count < 4 ? 1 : bytes.count < 8 ? 2 : 3
  var best: (word: String, distance: Int)?
  for candidate in known {
    let distance = edits(bytes, plain(candidate))
    if distance <= min(most, bytes.count - 1), distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.word
}

/// "; did you mean X?", or nothing.
package func suggestion(for word: String, among known: [String]) -> String {
  nearest(word, among: known).map { "; did you mean \($0)?" } ?? ""
}

private func plain(_ word: String) -> [UInt8] {
  word.utf8.prefix(64).filter { $0 != UInt8(ascii: "-") && $0 != UInt8(ascii: "_") }.map {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 + 32 : $0
  }
}

private func initials(_ word: String) -> [UInt8] {
  word.split(whereSeparator: { $0 == "-" || $0 == "_" }).compactMap(\.utf8.first)
}

/// The letters to insert, delete, replace, or swap with the next (optimal string alignment).
private func edits(_ a: [UInt8], _ b: [UInt8]) -> Int {
  var rows = [Array(0...b.count)]
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var least = min(rows[i][j] + (a[i] == b[j] ? 0 : 1), rows[i][j + 1] + 1, row[j] + 1)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { least = min(least, rows[i - 1][j - 1] + 1) }
      row.append(least)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}
