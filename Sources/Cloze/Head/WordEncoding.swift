package import ClozeIO
package import ClozeTokenizer

/// The tokens of a sentence that is given as words, and the first piece of each.
package struct WordEncoding {
  package let encoding: Encoding
  /// Words and their first tokens; words that were truncated, or have no token, are left out.
  package let pieces: [(word: Int, token: Int)]

  /// Words are told apart by a blank, at which tokenizers split anyway; a token may include the blank before a word, or
  /// be that blank, as Unigram's mark of a word sometimes is: it is the word's first.
  ///
  /// - Parameter maxTokens: nil: no limit.
  package init(_ words: [String], _ tokenizer: Tokenizer, maxTokens: Int?) throws(ClozeError) {
    var text = ""
    var begins: [Int] = []
    for word in words {
      if !text.isEmpty { text += " " }
      begins.append(text.utf8.count)
      text += word
    }
    begins.append(text.utf8.count + 1)
    encoding = try tokenizer.encode(text, maxTokens: maxTokens, truncation: .longestFirst)
    var pieces: [(word: Int, token: Int)] = []
    var word = 0
    for (token, range) in encoding.offsets.enumerated() where range.end > range.begin {
      while word < words.count, Int(range.end) >= begins[word + 1] { word += 1 }
      if word < words.count, pieces.last?.word != word { pieces.append((word, token)) }
    }
    self.pieces = pieces
  }
}
