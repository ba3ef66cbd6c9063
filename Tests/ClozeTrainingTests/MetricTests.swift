import Cloze
import Testing

@testable import ClozeTraining

/// Figures against those that scikit-learn 1.9, SciPy 1.17 and seqeval's published examples give.
struct MetricTests {
  @Test func classes() {
    // truth 0 0 0 1 1 2 2 2 2, said 0 0 1 1 2 2 2 0 2
    let metrics = Metrics.classes([[2, 1, 0], [0, 1, 1], [1, 0, 3]])
    #expect(abs((metrics["accuracy"] ?? 0) - 6.0 / 9) < 1e-12)
    #expect(abs((metrics["f1_macro"] ?? 0) - (2.0 / 3 + 0.5 + 0.75) / 3) < 1e-12)
    // (6 * 9 - (3*3 + 2*2 + 4*4)) / sqrt((81 - 29) (81 - 29))
    #expect(abs((metrics["matthews"] ?? 0) - 25.0 / 52) < 1e-12)
  }

  @Test func correlations() {
    let metrics = Metrics.values(truth: [1, 2, 2, 4], predicted: [1, 3, 2, 10])
    #expect(abs((metrics["pearson"] ?? 0) - 0.973_328_527) < 1e-6)
    #expect(Metrics.ranks([1, 2, 2, 4]) == [1, 2.5, 2.5, 4])
    #expect(abs((metrics["spearman"] ?? 0) - 0.948_683_298) < 1e-8)
    #expect(Metrics.values(truth: [1, 1], predicted: [0, 1])["pearson"] == 0)
  }

  @Test func entities() {
    func all(_ tags: String) -> [String] {
      Entity.all(in: tags.split(separator: " ").map(String.init)).map { "\($0.type) \($0.first)-\($0.last)" }
    }
    #expect(all("B-PER I-PER O B-LOC") == ["PER 0-1", "LOC 3-3"])
    #expect(all("I-PER I-PER B-PER I-LOC") == ["PER 0-1", "PER 2-2", "LOC 3-3"])
    #expect(all("O O") == [])
    // IOBES, BILOU, BMEWO, types alone, and what only looks like a mark.
    #expect(all("B-A E-A S-A S-A I-A") == ["A 0-1", "A 2-2", "A 3-3", "A 4-4"])
    #expect(all("B-A I-A L-A U-A U-A I-A O") == ["A 0-2", "A 3-3", "A 4-4", "A 5-5"])
    #expect(all("B-A M-A E-A W-A M-A") == ["A 0-2", "A 3-3", "A 4-4"])
    #expect(all("NOUN NOUN VERB O NOUN") == ["NOUN 0-1", "VERB 2-2", "NOUN 4-4"])
    #expect(all("T-shirt T-shirt X-ray") == ["T-shirt 0-1", "X-ray 2-2"])
    // The example of seqeval's readme.
    let metrics = Metrics.tags(
      truth: [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]],
      predicted: [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]])
    #expect(metrics["f1"] == 0.5)
  }

  @Test func answers() {
    #expect(SQuAD.exactMatch("The  Cat!", "cat") == 1)
    #expect(SQuAD.f1("a big cat", "the cat sat") == 0.5)
    #expect(SQuAD.f1("", "") == 1)
    #expect(SQuAD.f1("", "cat") == 0)
  }

  @Test func maskingKeepsItsShares() {
    let masking = Masking(mask: 4, special: [0, 1, 2, 3, 4], vocabulary: 30_000)
    var random = TrainingRandom(1)
    var ids = (0..<1_000_000).map { (i: Int) -> Int32 in i % 40 == 0 ? 2 : Int32(5 + i % 29_000) }
    let before = ids
    let chosen = masking.apply(to: &ids, &random)
    let share = Double(chosen.count) / 975_000
    #expect(abs(share - 0.15) < 0.001)
    #expect(chosen.allSatisfy { before[$0.position] != 2 && before[$0.position] == $0.token })
    let masked = chosen.count { ids[$0.position] == 4 }
    let kept = chosen.count { ids[$0.position] == $0.token }
    #expect(abs(Double(masked) / Double(chosen.count) - 0.8) < 0.005)
    #expect(abs(Double(kept) / Double(chosen.count) - 0.1) < 0.005)
    let places = Set(chosen.map { $0.position })
    #expect(ids.indices.allSatisfy { places.contains($0) || ids[$0] == before[$0] })
  }

  @Test func pairsAreHalfTrue() {
    let documents = (0..<2000).map { d in Example(.document((0..<60).map { "\(d) \($0)" })) }
    let pairs = NextSentence.pairs(Dataset(documents), seed: 1).examples
    var count = 0
    for pair in pairs {
      guard case .text(let text, let label) = pair.content else { continue }
      let first = text.first.split(separator: " ")
      let second = (text.second ?? "").split(separator: " ")
      if label == "next" {
        count += 1
        #expect(first[0] == second[0])
        #expect(Int(first[1]).map { $0 + 1 } == Int(second[1]))
      } else {
        #expect(first[0] != second[0])
      }
    }
    #expect(pairs.count == 118_000)
    #expect(abs(Double(count) / Double(pairs.count) - 0.5) < 0.005)
  }
}
