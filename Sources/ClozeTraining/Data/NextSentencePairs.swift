internal import Cloze

/// Pairs of sentences: for each sentence that has one after it, with even odds that one or a random
/// sentence of another document.
struct NextSentencePairs {
  private(set) var dataset = Dataset()

  init(_ documents: Dataset, seed: UInt64) {
    var texts: [(sentences: [String], place: String)] = []
    for example in documents.examples {
      if case .document(let sentences) = example.content, !sentences.isEmpty {
        texts.append((sentences, example.place))
      }
    }
    guard texts.count >= 2 else { return }
    var random = TrainingRandom(seed, 5)
    for (number, document) in texts.enumerated() {
      for i in 0..<max(document.sentences.count - 1, 0) {
        let isNext = random.unit() < 0.5
        var other = random.below(texts.count - 1)
        if other >= number { other += 1 }
        let sentences = texts[other].sentences
        let second = isNext ? document.sentences[i + 1] : sentences[random.below(sentences.count)]
        dataset.examples.append(
          Example(
            .text(Text(document.sentences[i], second), label: isNext ? "next" : "not next"),
            place: document.place))
      }
    }
  }
}

/// Chooses the tokens that a masked language model has to guess (Devlin et al. 2019): 15 % of those
/// that are not special; 80 % of them become `[MASK]`, 10 % a random token, 10 % stay.
struct Masking {
  let mask: Int32
  let special: Set<Int32>
  /// Tokens that may stand in for another.
  let ordinary: [Int32]

  init(mask: Int32, special: Set<Int32>, vocabulary: Int) {
    self.mask = mask
    self.special = special
    ordinary = (0..<Int32(clamping: vocabulary)).filter { !special.contains($0) }
  }

  /// Changes `ids`, and gives the places that were chosen with what stood there.
  func apply(
    to ids: inout [Int32], _ random: inout TrainingRandom
  ) -> [(position: Int, token: Int32)] {
    var chosen: [(position: Int, token: Int32)] = []
    for i in ids.indices where !special.contains(ids[i]) {
      guard random.unit() < 0.15 else { continue }
      chosen.append((i, ids[i]))
      let share = random.unit()
      if share < 0.8 {
        ids[i] = mask
      } else if share < 0.9, !ordinary.isEmpty {
        ids[i] = ordinary[random.below(ordinary.count)]
      }
    }
    return chosen
  }
}
