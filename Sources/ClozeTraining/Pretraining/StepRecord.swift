internal import ClozeIO
internal import Glibc

/// Writes `steps.jsonl`, one JSON object a step; after an interruption it goes on where the checkpoint was.
final class StepRecord {
  static let fileName = "steps.jsonl"
  private let path: String
  private let descriptor: Int32
  private var pending: [UInt8] = []

  /// - Parameter steps: how many lines of an earlier run are kept.
  init(folder: String, steps: Int) throws(ClozeError) {
    path = joined(folder, Self.fileName)
    let path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw ClozeError.system("cannot write to \(path)") }
    var kept = 0
    if steps > 0 {
      var lines = 0
      for byte in try contents(of: path) {
        if lines == steps { break }
        kept += 1
        if byte == 0x0A { lines += 1 }
      }
    }
    guard ftruncate(descriptor, off_t(kept)) == 0, lseek(descriptor, 0, SEEK_END) >= 0 else {
      throw ClozeError.system("cannot write to \(path)")
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func add(_ step: PretrainingStep) throws(ClozeError) {
    pending += JSONWriter.line {
      $0.value("step", step.step)
      $0.value("loss", step.loss)
      $0.value("mlm_loss", step.maskedLMLoss)
      if let loss = step.nextSentenceLoss { $0.value("nsp_loss", loss) }
      $0.value("tokens", step.tokens)
      $0.value("seconds", step.seconds)
      $0.value("learning_rate", step.learningRate)
      $0.value("gradient_norm", step.gradientNorm)
    }
    if pending.count >= 1 << 16 { try flush() }
  }

  func flush() throws(ClozeError) {
    let code = pending.withUnsafeBytes { writeAll($0, to: descriptor) }
    guard code == 0 else { throw ClozeError(.io, "cannot write to \(path): \(systemError(code))") }
    pending.removeAll(keepingCapacity: true)
  }
}
