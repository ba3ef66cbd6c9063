internal import Cloze
internal import ClozeIO
internal import ClozeTokenizer
internal import Synchronization

/// Counts the words of files on several threads, in rounds of a fixed number of blocks, so that the table of words is
/// bounded at the same places of the text for any number of threads.
struct WordCounter {
  /// How often each word occurs.
  let words = WordCounts()
  /// Occurrences of words, and how many of these are too long to learn from.
  private(set) var occurrences = 0
  private(set) var long = 0
  /// Different words that were dropped because there are too many, and the largest count of one.
  private(set) var dropped = (words: 0, count: 0)

  private let options: VocabularyOptions
  private let team: Team

  init(_ options: VocabularyOptions) throws(ClozeError) {
    self.options = options
    team = try Team(threads: options.threads ?? min(defaultThreads(), Team.maxThreads))
  }

  /// A thread's own table and what else it counts.
  private final class Counter: @unchecked Sendable {
    let scanner: WordScanner
    let words: WordCounts
    var occurrences = 0
    var long = 0

    init(_ scanner: WordScanner, _ words: WordCounts) {
      self.scanner = scanner
      self.words = words
    }

    func count(_ text: [UInt8]) {
      text.withUnsafeBufferPointer { text in
        scanner.forEachWord(in: text) { word in
          occurrences &+= 1
          if word.count > VocabularyTrainer.longestWord { long &+= 1 } else { words.add(word) }
        }
      }
    }
  }

  /// The blocks of the files, which threads share out.
  private final class Source: Sendable {
    private struct State {
      var blocks: TextBlocks
      /// Blocks that the round has given.
      var given = 0
      var isAtEnd = false
      /// The first block that failed, and why.
      var failure: (number: Int, error: ClozeError)?
    }

    private let state: Mutex<State>

    init(_ files: [String], blockSize: Int) { state = Mutex(State(blocks: TextBlocks(files, size: blockSize))) }

    /// The next block of the round; nil after its last.
    func next() -> TextBlocks.Block? {
      state.withLock { state in
        guard !state.isAtEnd, state.given < VocabularyTrainer.blocksPerRound else { return nil }
        do throws(ClozeError) {
          let block = try state.blocks.read()
          state.given += 1
          state.isAtEnd = block == nil
          return block
        } catch {
          // Blocks before it may fail too, and then count.
          state.isAtEnd = true
          if state.failure == nil { state.failure = (.max, error) }
          return nil
        }
      }
    }

    func fail(_ block: TextBlocks.Block, _ error: ClozeError) {
      state.withLock {
        $0.isAtEnd = true
        if block.number < $0.failure?.number ?? .max { $0.failure = (block.number, error) }
      }
    }

    /// Ends a round: the bytes that were read so far, and whether they are all.
    func endRound() throws(ClozeError) -> (bytes: Int, isAtEnd: Bool) {
      let (failure, bytes, isAtEnd) = state.withLock { state in
        state.given = 0
        return (state.failure, state.blocks.bytesRead, state.isAtEnd)
      }
      if let failure { throw failure.error }
      return (bytes, isAtEnd)
    }
  }

  /// - Parameter progress: called after each round with the bytes that were read; false ends the counting.
  mutating func count(_ files: [String], progress: (Int) -> Bool) throws(ClozeError) {
    let source = Source(files, blockSize: options.blockSize)
    // The first thread counts in the table that the others are added to.
    let counters = (0..<team.threads).map { thread in
      Counter(
        WordScanner(lowercase: options.lowercase, stripAccents: options.stripAccents),
        thread == 0 ? words : WordCounts())
    }
    let work: @Sendable (Int) -> Void = { thread in
      while let block = source.next() {
        do throws(ClozeError) {
          try block.check()
          counters[thread].count(block.bytes)
        } catch { source.fail(block, error) }
      }
    }
    while true {
      try team.run(parallel: team.threads > 1, work)
      let (bytes, isAtEnd) = try source.endRound()
      for counter in counters.dropFirst() {
        words.add(counter.words)
        counter.words.removeAll()
      }
      while words.count > options.maximumWords || words.bytes > options.maximumBytes {
        let rarer = words.dropRarerHalf()
        dropped = (dropped.words + rarer.words, max(dropped.count, rarer.count))
      }
      guard progress(bytes) else { throw ClozeError(.cancelled, "cancelled") }
      if isAtEnd { break }
    }
    for counter in counters {
      occurrences += counter.occurrences
      long += counter.long
    }
  }
}
