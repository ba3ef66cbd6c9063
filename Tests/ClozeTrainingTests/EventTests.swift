import Cloze
import Foundation
import Testing

@testable import ClozeTraining

/// Training as an asynchronous sequence.
struct EventTests {
  private static func options(_ set: (inout TrainingOptions) -> Void = { _ in }) -> TrainingOptions {
    var options = TrainingOptions()
    options.threads = 1
    options.optimizer = .adamw
    options.epochs = 3
    options.patience = 0
    set(&options)
    return options
  }

  @Test func theLastEventIsTheResult() async throws {
    let trainer = try Trainer(model: TrainerTests.model(), task: .classify, options: Self.options())
    let data = TrainerTests.dataset(.classify, count: 80)
    var heard: [String] = []
    let whole = try trainer.train(data) { event in
      heard.append("\(event)")
      return true
    }
    var told: [String] = []
    var (epochs, results) = (0, 0)
    for try await event in trainer.events(data) {
      #expect(results == 0, "an event after the result")
      told.append("\(event)")
      switch event {
      case .features(let done, let total): #expect(done <= total && told.count < 10)
      case .step(let step): #expect(step.epoch == epochs + 1)
      case .epoch(let epoch):
        epochs += 1
        #expect(epoch.epoch == epochs)
      case .result(let result):
        results += 1
        #expect(result.head.layers.map(\.weight) == whole.head.layers.map(\.weight))
        // The trainer is free again.
        _ = try trainer.train(data)
      }
    }
    #expect(epochs == 3 && results == 1)
    // The callback hears the same.
    #expect(told == heard)
  }

  @Test func errorsEndTheLoop() async throws {
    // Without end, as the second training may be slow to begin.
    let trainer = try Trainer(model: TrainerTests.model(), task: .tag, options: Self.options { $0.epochs = 1 << 20 })
    await #expect(throws: ClozeError.self) { for try await _ in trainer.events(TrainerTests.dataset(.classify)) {} }
    let data = TrainerTests.dataset(.tag)
    var isFirst = true
    for try await _ in trainer.events(data) where isFirst {
      isFirst = false
      // A second training at the same time.
      var second = trainer.events(data).makeAsyncIterator()
      let error = await #expect(throws: ClozeError.self) { try await second.next() }
      #expect(error?.status == .busy)
      break
    }
  }

  @Test func aCancelledTaskLeavesTheCheckpoint() async throws {
    let folder = NSTemporaryDirectory() + "cloze-events-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let data = TrainerTests.dataset(.classify, count: 80)
    let model = try TrainerTests.model()
    func trainer(_ folder: String?, resume: Bool) throws -> Trainer {
      try Trainer(
        model: model, task: .classify,
        options: Self.options {
          // Without end.
          $0.epochs = 1 << 20
          $0.folder = folder
          $0.resume = resume
        })
    }
    let first = try trainer(folder, resume: false)
    let task = Task {
      var epochs = 0
      do {
        for try await event in first.events(data) {
          if case .epoch = event { epochs += 1 }
          if epochs == 2 { withUnsafeCurrentTask { $0?.cancel() } }
        }
      } catch { return (epochs, error as? ClozeError) }
      return (epochs, nil)
    }
    let (epochs, error) = await task.value
    #expect(error?.status == .cancelled)
    #expect(epochs >= 2)
    // The training has ended with the loop, and what is in the folder goes on.
    #expect(throws: ClozeError.self) { try first.train(data) { _ in false } }
    var next: Int?
    for try await event in try trainer(folder, resume: true).events(data) {
      guard case .step(let step) = event else { continue }
      next = step.epoch
      break
    }
    #expect(next == epochs + 1)
  }

  @Test func aLoopThatIsLeftEndsTheTraining() async throws {
    let trainer = try Trainer(
      model: TrainerTests.model(), task: .classify, options: Self.options { $0.epochs = 1 << 20 })
    let data = TrainerTests.dataset(.classify, count: 80)
    for try await event in trainer.events(data) { if case .step = event { break } }
    // Without end, it would be busy for hours.
    for _ in 0..<3000 {
      do { _ = try trainer.train(data) { _ in false } } catch  where error.status == .busy {
        try await Task.sleep(for: .milliseconds(20))
        continue
      } catch { return #expect(error.status == .cancelled) }
    }
    Issue.record("the training goes on")
  }
}
