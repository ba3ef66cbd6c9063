/// Learns pieces by byte-pair encoding over words: as long as pieces are wanted, the most frequent pair of neighbouring
/// pieces becomes a piece, everywhere at once.
///
/// Pairs wait in a priority queue, by their count, equal ones by the ids of their pieces. Counts are kept up to date;
/// what the queue says of them is compared when a pair comes out of it. With a pair goes the list of words that had it
/// when it was counted, so that a merge visits no others.
///
/// Source: Sennrich, Haddow and Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016; the order of
/// equal counts, and what is counted after a merge, are those of BpeTrainer in Hugging Face's `tokenizers`: a merged
/// pair keeps its count, to which later ones are added where its pieces come together again.
struct PieceMerger {
  /// The pieces, in the order of their ids; those that continue a word begin with ##.
  private(set) var pieces: [[UInt8]]
  /// The id of each piece plus 1.
  private let ids = WordCounts()

  /// The ids of all words' pieces: word `w` has `lengths[w]`, from `begins[w]` on.
  private var symbols: [Int32] = []
  private var begins: [Int] = []
  private var lengths: [Int32] = []
  private var counts: [Int] = []

  private var pairs = PairTable()
  private var queue = MergeQueue()
  /// The queue's lists of words, one after the other.
  private var places: [Int32] = []

  /// The pairs that the current round adds to words, and for each time the pair and the word.
  private var gained: [Int32] = []
  private var gains: [(pair: Int32, word: Int32)] = []
  /// Counts merges; the pairs of round 0 are those of the words as they were added.
  private var round: Int32 = 0

  /// - Parameter pieces: the first ones, special tokens and characters.
  init(_ pieces: [[UInt8]]) {
    self.pieces = pieces
    for (id, piece) in pieces.enumerated() { piece.withUnsafeBufferPointer { ids.add($0, times: id + 1) } }
  }

  /// Adds a word as the ids of its characters, with how often it occurs. A word of one piece teaches nothing.
  mutating func add(_ word: [Int32], times: Int) {
    guard word.count > 1 else { return }
    begins.append(symbols.count)
    lengths.append(Int32(truncatingIfNeeded: word.count))
    counts.append(times)
    symbols.append(contentsOf: word)
  }

  /// Adds pieces until there are `size`, or no pair occurs `minFrequency` times.
  ///
  /// - Parameter progress: called now and then with the number of pieces; false ends the merging.
  /// - Returns: false where `progress` ended it.
  mutating func merge(size: Int, minFrequency: Int, progress: (Int) -> Bool) -> Bool {
    for word in begins.indices {
      let begin = begins[word]
      for i in begin..<begin + Int(lengths[word]) - 1 { add(symbols[i], symbols[i + 1], counts[word], to: word) }
    }
    enqueue()
    gains = []
    while pieces.count < size, var top = queue.pop() {
      let count = pairs.states[Int(top.pair)].count
      guard count == top.count else {
        top.count = count
        queue.push(top)
        continue
      }
      if count < max(1, minFrequency) { break }
      round += 1
      merge(top)
      enqueue()
      if round % 64 == 0, !progress(pieces.count) { return false }
    }
    return true
  }

  /// Makes one piece of a pair in the words of its list.
  private mutating func merge(_ top: Merge) {
    let (first, second) = (Int32(truncatingIfNeeded: top.key &>> 32), Int32(truncatingIfNeeded: top.key))
    let piece = id(of: first, second)
    for place in top.begin..<top.begin + Int(top.words) {
      let word = Int(places[place])
      let (begin, count, times) = (begins[word], Int(lengths[word]), counts[word])
      // Pieces are read at `from` and written at `to`: both count from the word's begin.
      var (from, to) = (0, 0)
      while from < count {
        let symbol = symbols[begin + from]
        from += 1
        guard symbol == first, from < count, symbols[begin + from] == second else {
          symbols[begin + to] = symbol
          to += 1
          continue
        }
        from += 1
        if to > 0 {
          let before = symbols[begin + to - 1]
          subtract(before, first, times)
          add(before, piece, times, to: word)
        }
        if from < count {
          let after = symbols[begin + from]
          subtract(second, after, times)
          add(piece, after, times, to: word)
        }
        symbols[begin + to] = piece
        to += 1
      }
      lengths[word] = Int32(truncatingIfNeeded: to)
    }
  }

  /// The id of the piece that two make, which another pair may have made already.
  private mutating func id(of first: Int32, _ second: Int32) -> Int32 {
    let tail = pieces[Int(second)]
    let piece = pieces[Int(first)] + tail.dropFirst(tail.starts(with: VocabularyTrainer.prefix) ? 2 : 0)
    let known = piece.withUnsafeBufferPointer { ids.count(of: $0) }
    if known > 0 { return Int32(truncatingIfNeeded: known - 1) }
    piece.withUnsafeBufferPointer { ids.add($0, times: pieces.count + 1) }
    pieces.append(piece)
    return Int32(truncatingIfNeeded: pieces.count - 1)
  }

  private mutating func subtract(_ first: Int32, _ second: Int32, _ times: Int) {
    pairs.states[pairs.index(first, second)].count -= times
  }

  /// Counts a pair of a word, and lists the word for the pair once a round.
  private mutating func add(_ first: Int32, _ second: Int32, _ times: Int, to word: Int) {
    let pair = pairs.index(first, second)
    let word = Int32(truncatingIfNeeded: word)
    let isFirst = pairs.states[pair].round != round
    pairs.states[pair].count += times
    if !isFirst, pairs.states[pair].word == word { return }
    if isFirst {
      pairs.states[pair].round = round
      pairs.states[pair].words = 0
      gained.append(Int32(truncatingIfNeeded: pair))
    }
    pairs.states[pair].word = word
    pairs.states[pair].words += 1
    gains.append((Int32(truncatingIfNeeded: pair), word))
  }

  /// Puts the pairs that the round has added into the queue, each with the words that it was added to.
  private mutating func enqueue() {
    var begin = places.count
    for pair in gained {
      let state = pairs.states[Int(pair)]
      pairs.states[Int(pair)].next = begin
      if state.count > 0 {
        queue.push(
          Merge(count: state.count, key: state.key, begin: begin, words: state.words, pair: pair, round: round))
      }
      begin += Int(state.words)
    }
    places.append(contentsOf: repeatElement(0, count: gains.count))
    for gain in gains {
      let next = pairs.states[Int(gain.pair)].next
      places[next] = gain.word
      pairs.states[Int(gain.pair)].next = next + 1
    }
    gained.removeAll(keepingCapacity: true)
    gains.removeAll(keepingCapacity: true)
  }
}
