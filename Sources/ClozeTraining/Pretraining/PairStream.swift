internal import ClozeIO

/// A sequence of pre-training: ranges of a corpus' tokens.
struct SegmentPair: Equatable {
  var first: Range<Int>
  /// Empty where only masked words are learned.
  var second: Range<Int>
  /// Whether the second follows the first in its document.
  var isNext: Bool

  var tokenCount: Int { first.count + second.count }
}

/// Packs documents into sequences, epoch after epoch, as BERT's authors did.
///
/// Sentences of a document are joined up to the length of a sequence and divided into two segments at random; in half
/// of them, and where there is one sentence only, the second is replaced by sentences of another document, and those
/// that it replaces are used again. A share of the sequences is shorter. What is too long loses tokens at either end,
/// at random, of the longer segment. The order of documents is random; so is the order of sequences, within a window.
///
/// All is a function of the seed: a stream that is made again gives the same sequences.
/// Source: Devlin et al. 2019, appendix A.2; google-research/bert, create_pretraining_data.py.
struct PairStream: Sequence, IteratorProtocol {
  private let corpus: Corpus
  private let documents: [Int]
  private let sampler: PairSampler
  private let seed: UInt64
  /// Passes over the documents; nil: no end.
  private let epochs: Int?
  private var epoch = 0
  private var order: [Int] = []
  private var nextDocument = 0
  private var window: [SegmentPair] = []
  private var random: TrainingRandom
  /// Sequences among which the next is drawn.
  private static let windowSize = 1 << 14

  init(_ corpus: Corpus, _ documents: [Int], _ sampler: PairSampler, seed: UInt64, epochs: Int?) {
    self.corpus = corpus
    self.documents = documents
    self.sampler = sampler
    self.seed = seed
    self.epochs = epochs
    random = TrainingRandom(seed, .pairWindow)
  }

  mutating func next() -> SegmentPair? {
    while window.count < Self.windowSize, refill() {}
    guard !window.isEmpty else { return nil }
    window.swapAt(random.below(window.count), window.count - 1)
    return window.removeLast()
  }

  /// Adds the sequences of the next document; false after the last.
  private mutating func refill() -> Bool {
    if nextDocument == order.count {
      if let epochs, epoch == epochs { return false }
      guard !documents.isEmpty else { return false }
      epoch += 1
      nextDocument = 0
      var random = TrainingRandom(seed, .order(epoch: epoch))
      order = random.permutation(documents.count)
    }
    let place = order[nextDocument]
    nextDocument += 1
    var random = TrainingRandom(seed, .segmentPairs(epoch: epoch, document: documents[place]))
    sampler.add(place, of: corpus, among: documents, to: &window, &random)
    return true
  }
}

/// Divides one document into sequences.
struct PairSampler {
  /// Most tokens of a sequence, special tokens included.
  var maxTokens: Int
  var shortShare: Double
  var hasPairs: Bool

  /// - Parameter place: of the document in `documents`, among which others are drawn; these are at least two, or there
  ///   are no pairs.
  func add(
    _ place: Int, of corpus: Corpus, among documents: [Int], to pairs: inout [SegmentPair],
    _ random: inout TrainingRandom
  ) {
    let sentences = corpus.sentences(of: documents[place])
    guard hasPairs else { return addTexts(corpus.tokens(sentences), to: &pairs, &random) }
    let room = maxTokens - 3
    var target = self.target(room, &random)
    var begin = sentences.lowerBound
    var sentence = begin
    while sentence < sentences.upperBound {
      sentence += 1
      let chunk = begin..<sentence
      guard sentence == sentences.upperBound || corpus.tokens(chunk).count >= target else { continue }
      let divided = begin + (chunk.count > 1 ? 1 + random.below(chunk.count - 1) : 1)
      let first = corpus.tokens(begin..<divided)
      let isNext = chunk.count > 1 && random.unit() < 0.5
      let second =
        isNext
        ? corpus.tokens(divided..<chunk.upperBound)
        : part(
          of: documents[other(than: place, of: documents.count, &random)], corpus, count: target - first.count, &random)
      var pair = SegmentPair(first: first, second: second, isNext: isNext)
      truncate(&pair, room, &random)
      pairs.append(pair)
      let used = isNext ? chunk.upperBound : divided
      (begin, sentence) = (used, used)
      target = self.target(room, &random)
    }
  }

  /// Divides the tokens of a document into texts that follow each other.
  private func addTexts(_ tokens: Range<Int>, to pairs: inout [SegmentPair], _ random: inout TrainingRandom) {
    var rest = tokens
    while !rest.isEmpty {
      let first = rest.prefix(target(maxTokens - 2, &random))
      pairs.append(SegmentPair(first: first, second: first.upperBound..<first.upperBound, isNext: true))
      rest = first.upperBound..<tokens.upperBound
    }
  }

  private func target(_ room: Int, _ random: inout TrainingRandom) -> Int {
    random.unit() < shortShare ? 2 + random.below(room - 1) : room
  }

  private func other(than place: Int, of count: Int, _ random: inout TrainingRandom) -> Int {
    let drawn = random.below(count - 1)
    return drawn >= place ? drawn + 1 : drawn
  }

  /// Sentences of a document from a random one on, of at least `count` tokens if there are so many.
  private func part(of document: Int, _ corpus: Corpus, count: Int, _ random: inout TrainingRandom) -> Range<Int> {
    let sentences = corpus.sentences(of: document)
    let first = sentences.lowerBound + random.below(sentences.count)
    var last = first + 1
    while last < sentences.upperBound, corpus.tokens(first..<last).count < count { last += 1 }
    return corpus.tokens(first..<last)
  }

  private func truncate(_ pair: inout SegmentPair, _ room: Int, _ random: inout TrainingRandom) {
    while pair.tokenCount > room {
      let isFront = random.unit() < 0.5
      func shorter(_ range: Range<Int>) -> Range<Int> { isFront ? range.dropFirst() : range.dropLast() }
      if pair.first.count > pair.second.count {
        pair.first = shorter(pair.first)
      } else {
        pair.second = shorter(pair.second)
      }
    }
  }
}
