package import ClozeIO

/// A vocabulary that was learned from text, and what the text was like.
public struct LearnedVocabulary: Sendable {
  /// The pieces in the order of their ids: special tokens, characters, characters that continue a word, and what was
  /// made of these.
  public internal(set) var pieces: [String] = []
  /// Words that were read, punctuation marks included.
  public let words: Int
  /// Different words.
  public let distinctWords: Int
  /// Different characters.
  public let characters: Int

  let size: Int
  let minFrequency: Int
  let lowercase: Bool
  let stripAccents: Bool?
  private let leftOut: Int
  private let long: Int
  private let dropped: (words: Int, count: Int)

  init(_ options: VocabularyOptions, _ counter: WordCounter, _ alphabet: Alphabet) {
    words = counter.occurrences
    distinctWords = counter.words.count
    characters = alphabet.characters
    leftOut = alphabet.leftOut
    long = counter.long
    dropped = counter.dropped
    size = options.size
    minFrequency = options.minFrequency
    lowercase = options.lowercase
    stripAccents = options.stripAccents
  }

  /// What a person should know of the result, in sentences: fewer pieces than were asked for, what was left out.
  public var remarks: [String] {
    var remarks: [String] = []
    if pieces.count < size {
      remarks.append(
        "\(pieces.count) pieces instead of \(size): no other pair of pieces occurs \(max(1, minFrequency)) times or more"
      )
    }
    if leftOut > 0 {
      remarks.append(
        "\(leftOut) of \(characters) characters, the rarest, are not in the alphabet: words with them are [UNK]")
    }
    if long > 0 { remarks.append("words of more than \(VocabularyTrainer.longestWord) bytes were left out: \(long)") }
    if dropped.words > 0 {
      remarks.append(
        "too many different words: the rarest were dropped on the way, \(dropped.words) of them, counted \(dropped.count) "
          + "times or less until then")
    }
    return remarks
  }

  /// The numbers and remarks as members of an object.
  package func write(to writer: inout JSONWriter) {
    writer.value("pieces", pieces.count)
    writer.value("words", words)
    writer.value("distinct_words", distinctWords)
    writer.value("characters", characters)
    writer.array("remarks", remarks)
  }
}
