import Cloze
import ClozeIO
import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Testing

@testable import ClozeTraining

/// Vocabularies learned from text, against those of Hugging Face's `tokenizers` (Fixtures/vocabulary).
final class VocabularyTests {
  private static let fixtures = Fixture.folder + "/../vocabulary/"
  private static let corpus = fixtures + "corpus.txt"

  /// A folder of the test's own.
  private let folder = FileManager.default.temporaryDirectory.appending(path: "cloze-\(UUID().uuidString)").path

  init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Writes a file and returns its path.
  private func write(_ bytes: [UInt8], _ name: String) throws -> String {
    try Data(bytes).write(to: URL(filePath: folder + "/" + name))
    return folder + "/" + name
  }

  private func learn(_ files: [String] = [corpus], _ set: (inout VocabularyOptions) -> Void = { _ in }) throws
    -> LearnedVocabulary
  {
    var options = VocabularyOptions()
    options.size = 700
    set(&options)
    return try VocabularyTrainer(options: options).train(files: files)
  }

  private func pieces(of name: String) throws -> [String] {
    let text = try String(contentsOfFile: Self.fixtures + name + ".txt", encoding: .utf8)
    return text.split(separator: "\n").map(String.init)
  }

  @Test func piecesAreThoseOfTokenizersInTheSameOrder() throws {
    #expect(try learn().pieces == pieces(of: "lowercased"))
    let cased = try learn {
      $0.size = 5000
      $0.minFrequency = 1
      $0.lowercase = false
    }
    #expect(try cased.pieces == pieces(of: "cased"))
    #expect(cased.remarks.count == 1 && cased.remarks[0].hasPrefix("1594 pieces instead of 5000"))
    let limited = try learn {
      $0.size = 500
      $0.limitAlphabet = 60
    }
    #expect(try limited.pieces == pieces(of: "limited"))
    #expect(limited.characters == 145 && limited.remarks[0].hasPrefix("85 of 145 characters"))
  }

  /// Small blocks cut lines at every blank; the bounds of the table drop words in every round.
  @Test(arguments: [1 << 18, 64, 1], [4_000_000, 300, 20]) func anyNumberOfThreadsLearnsTheSame(
    block: Int, words: Int
  ) throws {
    func learn(_ threads: Int) throws -> LearnedVocabulary {
      try self.learn {
        $0.blockSize = block
        $0.maximumWords = words
        $0.threads = threads
        $0.minFrequency = 1
      }
    }
    let one = try learn(1)
    for threads in [2, 4] {
      let several = try learn(threads)
      #expect(several.pieces == one.pieces)
      #expect(several.words == one.words && several.distinctWords == one.distinctWords)
      #expect(several.remarks == one.remarks)
    }
    if words == 4_000_000 { #expect(one.pieces == (try self.learn { $0.minFrequency = 1 }).pieces) }
    // One block of all is a single round, after which half is dropped.
    #expect(one.distinctWords <= words)
    #expect(one.remarks.contains { $0.contains("too many different words") } == (words < 586))
  }

  @Test func boundsTheBytesOfWords() throws {
    let learned = try learn { $0.maximumBytes = 1000 }
    #expect(learned.distinctWords < 300 && learned.remarks.count >= 1)
  }

  @Test func everyWordOfTheCorpusHasPieces() throws {
    let learned = try learn()
    try learned.write(to: folder)
    let tokenizer = try Tokenizer(path: folder)
    #expect(tokenizer.vocabularySize == 700)
    let unknown = try #require(tokenizer.id(of: "[UNK]"))
    for line in try String(contentsOfFile: Self.corpus, encoding: .utf8).split(separator: "\n") {
      #expect(try !tokenizer.encode(String(line)).ids.contains(unknown), "\(line)")
    }
    #expect(try tokenizer.encode("a", pair: "b").typeIDs == [0, 0, 0, 1, 1])
  }

  @Test func allFilesOfTheFolderSayTheSame() throws {
    for (lowercase, stripAccents) in [(true, nil), (false, nil), (true, false), (false, true)] as [(Bool, Bool?)] {
      let learned = try learn {
        $0.lowercase = lowercase
        $0.stripAccents = stripAccents
      }
      try learned.write(to: folder, overwrite: true)
      let whole = try Tokenizer(path: folder)
      let listed = try Tokenizer(path: folder + "/vocab.txt")
      for text in ["Élevé à Москва", "[MASK] pre-Trained 台北"] {
        #expect(try whole.encode(text).ids == listed.encode(text).ids)
      }
      #expect((try whole.encode("É").ids == whole.encode("é").ids) == lowercase)
      #expect((try whole.encode("é").ids == whole.encode("e").ids) == (stripAccents ?? lowercase))
    }
    #expect(throws: ClozeError.self) { try learn().write(to: folder) }
  }

  @Test func severalFilesAreOneText() throws {
    let text = try String(contentsOfFile: Self.corpus, encoding: .utf8)
    let lines = text.split(separator: "\n").map(String.init)
    let parts = try [lines[..<30], lines[30...]].enumerated().map { index, lines in
      try write(Array(lines.joined(separator: "\r\n").utf8), "part\(index).txt")
    }
    let empty = try write([], "empty.txt")
    #expect(try learn([parts[0], empty, parts[1]]).pieces == learn().pieces)
  }

  @Test func longWordsAreLeftOut() throws {
    let text = String(repeating: "x", count: 1001) + " ab ab " + String(repeating: "y", count: 1000)
    let path = try write(Array(text.utf8), "long.txt")
    let learned = try learn([path]) { $0.blockSize = 16 }
    #expect(learned.words == 4 && learned.distinctWords == 2)
    #expect(!learned.pieces.contains("x") && learned.pieces.contains("ab") && learned.pieces.contains("##yyyy"))
    #expect(learned.remarks.contains { $0.contains("1000 bytes") })
  }

  @Test func refusesWhatCannotBeLearnedFrom() throws {
    func message(_ files: [String], _ set: (inout VocabularyOptions) -> Void = { _ in }) -> String {
      do {
        _ = try learn(files, set)
        return ""
      } catch { return "\(error)" }
    }
    let good = try write(Array("abc abd\n".utf8), "good.txt")
    let empty = try write(Array("\n \u{200B}\n".utf8), "empty.txt")
    #expect(message([empty]) == "\(empty) has no word")
    #expect(message([empty, empty]).hasSuffix("and the others has no word"))
    // a b c d, ##b ##c ##d and five special tokens.
    #expect(message([good]) { $0.size = 11 }.contains("must be 12 or more"))
    #expect(message([good]) { $0.size = 12 } == "")
    #expect(message([folder + "/absent"]).hasSuffix("absent: no such file"))
    #expect(message([folder]).contains("directory"))
    for block in [1 << 18, 4, 1] {
      let bad = try write(Array("fine\nfine too \n ok bad \u{E9}".utf8) + [0xFF, 0x61, 0x0A], "bad.txt")
      #expect(
        message([good, bad]) { $0.blockSize = block } == "\(bad), line 3: not UTF-8 at byte offset 10 of the line")
    }
    let packed = try write([0x1F, 0x8B, 8, 0], "packed.gz")
    #expect(message([packed]).contains("compressed with gzip"))
    for set in [
      { $0.size = 0 }, { $0.minFrequency = 0 }, { $0.limitAlphabet = 0 }, { $0.threads = 0 }, { $0.threads = 257 },
    ] as [(inout VocabularyOptions) -> Void] { #expect(message([good], set).contains("expected 1 to")) }
  }

  @Test func progressEndsTheLearning() throws {
    var seen: [VocabularyProgress] = []
    let trainer = try VocabularyTrainer()
    _ = try trainer.train(files: [Self.corpus]) {
      seen.append($0)
      return true
    }
    guard case .reading(let bytes)? = seen.first, case .merging? = seen.last else {
      Issue.record("\(seen)")
      return
    }
    #expect(bytes == (try Data(contentsOf: URL(filePath: Self.corpus))).count)
    for last in [1, 2] {
      var calls = 0
      #expect(throws: ClozeError.self) {
        _ = try trainer.train(files: [Self.corpus]) { _ in
          calls += 1
          return calls < last
        }
      }
      #expect(calls == last)
    }
  }
}
