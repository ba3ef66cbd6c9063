import ArgumentParser
import Cloze
import ClozeIO

/// Refuses to write to a command's only path where there is a model: it was meant to be read.
///
/// - Parameter command: with one path it writes the built-in model, or that of `--model`.
func refuseModel(at path: String, command: String) throws {
  guard FileIdentity(path) != nil else { return }
  // An ONNX file begins with its version, and names its producer soon after; what Cloze wrote may be replaced.
  let begin = begin(ofFile: path, 64)
  let isOther = begin.first == 0x08 && !String(decoding: begin, as: UTF8.self).contains("cloze")
  if isOther || path.hasSuffix(".safetensors") {
    throw ValidationError("\(path) is a model, and `cloze \(command)` with one path writes there: give IN and OUT")
  }
}
