import ClozeTestSupport
import ClozeTokenizer
import Foundation
import Synchronization
import Testing

@testable import Cloze

/// Sessions on several threads, and cancelled calls.
struct ConcurrencyTests {
  /// One pair, many times: minutes of work.
  private struct ManyTexts: TextSource {
    let count = 2_000_000
    func withText<Result>(
      _ index: Int, _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer?) throws(ClozeError) -> Result
    ) throws(ClozeError) -> Result {
      let (first, second): (StaticString, StaticString) = ("a b [MASK] d", "e f g")
      return try body(
        UnsafeRawBufferPointer(start: first.utf8Start, count: first.utf8CodeUnitCount),
        UnsafeRawBufferPointer(start: second.utf8Start, count: second.utf8CodeUnitCount))
    }
  }

  /// The calls that may take long.
  enum Call: CaseIterable {
    case run, embed, encode, count, fillMask, nextSentence

    func make(on session: Session) throws(ClozeError) {
      let texts = ManyTexts()
      let options = TextOptions()
      switch self {
      case .run:
        let ends = (0...10_000).map { Int32($0 * 40) }
        _ = try session.run(ids: Array(repeating: 7, count: 400_000), cuSeqlens: ends, positions: [0])
      case .embed:
        var values = [Float](repeating: 0, count: texts.count)
        try session.embed(
          texts, text: options, embedding: EmbeddingOptions(dimensions: 1), into: &values, truncated: nil)
      case .encode:
        // Mostly tokenizing, from which the limit keeps nothing: a cancel arrives between two runs.
        let words = Text(String(repeating: "[abc]", count: 20_000), String(repeating: "[d]", count: 20_000))
        _ = try session.encode(Array(repeating: words, count: 1000))
      case .count:
        var offsets = [Int64](repeating: 0, count: texts.count + 1)
        try session.encode(
          texts, text: options, layers: nil, into: nil, capacity: nil, cuSeqlens: &offsets, truncated: nil)
      case .fillMask: _ = try session.fillMask(texts, text: options, topK: 3, targets: nil, truncated: nil)
      case .nextSentence:
        var values = [Float](repeating: 0, count: texts.count)
        try session.nextSentence(texts, text: options, into: &values, truncated: nil)
      }
    }
  }

  /// The error that a call on another thread ends with.
  private final class Outcome: Sendable {
    let error = Mutex<ClozeError?>(nil)
    let ended = DispatchSemaphore(value: 0)
  }

  /// Starts a call on another thread and returns when it runs, that is when the session is busy.
  private func start(_ call: Call, on session: Session) throws -> Outcome {
    let outcome = Outcome()
    Thread {
      while true {
        do throws(ClozeError) { try call.make(on: session) } catch {
          // The loop below was there first.
          if error.status == .busy { continue }
          outcome.error.withLock { $0 = error }
        }
        outcome.ended.signal()
        return
      }
    }.start()
    while true {
      do throws(ClozeError) { _ = try session.run(ids: [1], cuSeqlens: [0, 1]) } catch {
        try #require(error.status == .busy, "\(error)")
        #expect(error.message.contains("another call"))
        return outcome
      }
      try #require(outcome.ended.wait(timeout: .now()) == .timedOut, "the call was too short")
    }
  }

  private func session(threads: Int) throws -> Session {
    let tokenizer = try Tokenizer(vocabulary: Array(TextTests.vocabulary.joined(separator: "\n").utf8))
    return try Session(
      model: Model(path: Fixture.modelPath("pretraining-float16"), options: LoadOptions(tokenizer: tokenizer)),
      threads: threads)
  }

  @Test(arguments: Call.allCases, [1, 3]) func cancel(_ call: Call, _ threads: Int) throws {
    let session = try session(threads: threads)
    let batch = Batch(session.model, lengths: [9, 40])
    let before = try session.run(batch)
    let outcome = try start(call, on: session)
    Thread.sleep(forTimeInterval: 0.05)
    #expect(outcome.ended.wait(timeout: .now()) == .timedOut, "the call was too short")
    let begin = ContinuousClock.now
    session.cancel()
    try #require(outcome.ended.wait(timeout: .now() + 30) == .success, "the call goes on")
    #expect(outcome.error.withLock { $0?.status } == .cancelled)
    // Milliseconds; more on a busy machine, without optimization.
    #expect(ContinuousClock.now - begin < .seconds(3))
    #expect(try session.run(batch).bits == before.bits)
  }

  /// A cancel without a running call does not affect the next one.
  @Test func cancelBeforeACall() throws {
    let session = try session(threads: 2)
    session.cancel()
    #expect(try session.embed(["a b"]).count == 1)
    session.cancel()
    #expect(try session.run(ids: [1], cuSeqlens: [0, 1]).count == 60)
  }

  /// An error of the refused call leaves the running one alone.
  @Test func busyLeavesTheOtherCallAlone() throws {
    let session = try session(threads: 2)
    let outcome = try start(.embed, on: session)
    for _ in 0..<20 {
      expectError(.busy, "session") { _ = try session.embed(["a"]) }
      expectError(.busy) { _ = try session.fillMask("[MASK]") }
      expectError(.busy) { _ = try session.nextSentence([Text("a", "b")]) }
      expectError(.busy) { _ = try session.encode(["a"]) }
    }
    #expect(outcome.ended.wait(timeout: .now() + 0.05) == .timedOut)
    session.cancel()
    try #require(outcome.ended.wait(timeout: .now() + 30) == .success)
    #expect(outcome.error.withLock { $0?.status } == .cancelled)
  }

  @Test(arguments: Precision.allCases) func sessionsShareAModel(_ precision: Precision) throws {
    let model = try Model.fixture("pretraining-sdpa-opset17", precision)
    let batch = Batch(model, lengths: Batch.lengths(model, tokens: 150))
    let single = try Session(model: model, threads: 1)
    let expected = try model.outputs.map { try single.run(batch, $0).bits }
    let different = Mutex<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 4) { i in
      for _ in 0..<3 {
        let results = try? { () throws -> [[UInt32]] in
          let session = try Session(model: model, threads: i % 2 + 1)
          return try model.outputs.map { try session.run(batch, $0).bits }
        }()
        if results != expected { different.withLock { $0 += 1 } }
      }
    }
    #expect(different.withLock { $0 } == 0)
  }

  /// A session keeps its model alive.
  @Test func sessionKeepsItsModel() throws {
    weak var model: Model?
    var session: Session?
    do {
      let loaded = try Model.fixture("sdpa-opset14")
      model = loaded
      session = try Session(model: loaded, threads: 2)
    }
    #expect(try session?.run(ids: [1, 2], cuSeqlens: [0, 2]).count == 40)
    #expect(model != nil)
    session = nil
    #expect(model == nil)
  }
}
