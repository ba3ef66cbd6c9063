internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer

/// The tokens of some sequences, masked, and what is to be predicted.
struct PretrainingBatch {
  var tokens = EncoderInput<Float>.Tokens()
  /// Rows of `tokens` that were chosen, in ascending order, and the tokens that were there.
  var positions: [Int] = []
  var targets: [Int32] = []
  /// [B] 0: the second segment follows the first, as in BERT.
  var classes: [Int32] = []

  var sequences: Int { classes.count }
}

/// Makes batches of segment pairs: `[CLS] first [SEP] second [SEP]` with types 0 and 1, and 15 % of the tokens masked
/// (Devlin et al. 2019).
struct BatchMaker {
  private let corpus: Corpus
  private let masking: Masking
  private let (cls, sep): (Int32, Int32)
  private let hasPairs: Bool
  private let seed: UInt64
  /// Whether a token continues a word; empty: words are not masked as wholes.
  private let continuesWord: [Bool]

  /// - Throws: `.noTokenizer` where the tokenizer lacks a special token.
  init(_ corpus: Corpus, _ tokenizer: Tokenizer, rows: Int, _ options: PretrainingOptions) throws(ClozeError) {
    guard let cls = tokenizer.clsID, let sep = tokenizer.sepID, let mask = tokenizer.maskID else {
      throw ClozeError(.noTokenizer, "the tokenizer lacks [CLS], [SEP] or [MASK]")
    }
    self.corpus = corpus
    self.cls = cls
    self.sep = sep
    seed = options.seed
    hasPairs = options.objective == .maskedLMAndNextSentence
    let special = Set([cls, sep, mask, tokenizer.padID, tokenizer.unknownID].compactMap(\.self))
    masking = Masking(mask: mask, special: special, vocabulary: min(tokenizer.vocabularySize, rows))
    continuesWord =
      options.wholeWords
      ? (0..<Int32(clamping: tokenizer.vocabularySize)).map { tokenizer.token(for: $0)?.hasPrefix("##") ?? false } : []
  }

  /// - Parameter number: which batch of the run; its masks are a function of it and the seed.
  func batch(_ pairs: [SegmentPair], number: Int) -> PretrainingBatch {
    var batch = PretrainingBatch()
    var random = TrainingRandom(seed, .batchMasking(step: number))
    for pair in pairs {
      let first = batch.tokens.ids.count
      batch.tokens.ids.append(cls)
      batch.tokens.ids += corpus.ids[pair.first]
      batch.tokens.ids.append(sep)
      let second = batch.tokens.ids.count
      if hasPairs {
        batch.tokens.ids += corpus.ids[pair.second]
        batch.tokens.ids.append(sep)
      }
      batch.tokens.types += repeatElement(0, count: second - first)
      batch.tokens.types += repeatElement(1, count: batch.tokens.ids.count - second)
      batch.classes.append(pair.isNext ? 0 : 1)
      mask(&batch, from: first, &random)
      batch.tokens.offsets.append(batch.tokens.ids.count)
    }
    return batch
  }

  /// Masks 15 % of the last sequence's tokens, at least one: words in a random order, until there are enough.
  private func mask(_ batch: inout PretrainingBatch, from first: Int, _ random: inout TrainingRandom) {
    var words: [Range<Int>] = []
    for i in first..<batch.tokens.ids.count {
      let id = batch.tokens.ids[i]
      if masking.special.contains(id) { continue }
      if !continuesWord.isEmpty, continuesWord[Int(id)], let last = words.last, last.upperBound == i {
        words[words.count - 1] = last.lowerBound..<(i + 1)
      } else {
        words.append(i..<(i + 1))
      }
    }
    let wanted = max(1, Int((Double(batch.tokens.ids.count - first) * Masking.share).rounded()))
    var chosen: [Int] = []
    for word in random.permutation(words.count) {
      if chosen.count >= wanted { break }
      // A word that is too long is left out, so that no more than the share is masked.
      if !chosen.isEmpty, chosen.count + words[word].count > wanted { continue }
      chosen += words[word]
    }
    for position in chosen.sorted() {
      batch.positions.append(position)
      batch.targets.append(batch.tokens.ids[position])
      masking.replace(&batch.tokens.ids[position], &random)
    }
  }
}
