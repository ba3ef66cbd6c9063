import Cloze
import Testing

@testable import ClozeTraining

/// What the tasks of pre-training draw at random, counted over many draws.
struct PretrainingDataTests {
  @Test func masksAsManyTokensAsBERTDoes() throws {
    let special: Set<Int32> = [0, 1, 2, 3, 4]
    let (mask, vocabulary): (Int32, Int) = (4, 1000)
    let masking = Masking(mask: mask, special: special, vocabulary: vocabulary)
    // A million ordinary tokens, and every ninth one special.
    var tokens = TrainingRandom(7)
    let unmasked = (0..<1_125_000).map { i in Int32(i % 9 == 0 ? tokens.below(5) : 5 + tokens.below(vocabulary - 5)) }
    var sets: [Set<Int>] = []
    for epoch in 1...2 {
      var ids = unmasked
      var random = TrainingRandom(3, .masking(epoch: epoch))
      let chosen = masking.apply(to: &ids, &random)
      var (masked, replaced, kept, wrong) = (0, 0, 0, 0)
      for (position, token) in chosen {
        if special.contains(token) || token != unmasked[position] { wrong += 1 }
        if ids[position] == mask {
          masked += 1
        } else if ids[position] == token {
          kept += 1
        } else {
          replaced += 1
          if special.contains(ids[position]) || ids[position] >= vocabulary { wrong += 1 }
        }
      }
      #expect(wrong == 0)
      let count = Double(chosen.count)
      #expect(abs(count / 1_000_000 - 0.15) <= 0.001)
      #expect(abs(Double(masked) / count - 0.8) <= 0.005)
      #expect(abs(Double(replaced) / count - 0.1) <= 0.005)
      #expect(abs(Double(kept) / count - 0.1) <= 0.005)
      let positions = Set(chosen.map(\.position))
      #expect(positions.count == chosen.count)
      #expect(ids.indices.allSatisfy { positions.contains($0) || ids[$0] == unmasked[$0] })
      sets.append(positions)
    }
    // Another epoch chooses other tokens: by chance 15 % are the same.
    let both = Double(sets[0].intersection(sets[1]).count) / Double(sets[0].count)
    #expect(abs(both - 0.15) < 0.01)
  }

  @Test func pairsHalfOfSentencesWithTheNext() throws {
    // Sentences say which document they are of, and where they stand in it.
    var random = TrainingRandom(1)
    var documents: [Example] = []
    var sentences = 0
    while sentences < 100_000 {
      let count = 1 + random.below(20)
      sentences += count - 1
      let number = documents.count
      documents.append(Example(.document((0..<count).map { "\(number) \($0)" })))
    }
    let pairs = NextSentence.pairs(Dataset(documents), seed: 2).examples
    #expect(pairs.count == sentences)
    var (next, wrong) = (0, 0)
    for pair in pairs {
      guard case .text(let text, let label) = pair.content else {
        Issue.record("not a text")
        continue
      }
      let first = text.first.split(separator: " ").compactMap { Int($0) }
      let second = (text.second ?? "").split(separator: " ").compactMap { Int($0) }
      let follows = first[0] == second[0] && first[1] + 1 == second[1]
      if follows != (label == "next") || !follows && first[0] == second[0] { wrong += 1 }
      if follows { next += 1 }
    }
    #expect(wrong == 0)
    #expect(abs(Double(next) / Double(pairs.count) - 0.5) <= 0.005)
  }
}
