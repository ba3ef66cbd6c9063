/// Refuses to write a format to a file whose name promises another.
///
/// - Parameters:
///   - suffix: of the format's files, without the dot.
///   - format: in messages.
/// - Throws: `.invalidArgument`. Names with other suffixes, or none, promise nothing.
package func refuseOtherSuffix(_ path: String, suffix: String, format: String) throws(ClozeError) {
  let known: Set = [
    "cloze", "csv", "html", "json", "jsonl", "ndjson", "npy", "npz", "onnx", "parquet", "safetensors", "tsv", "txt",
  ]
  let parts = lastComponent(path).split(separator: ".", omittingEmptySubsequences: false)
  guard parts.count > 1, let found = parts.last?.lowercased(), found != suffix, known.contains(found) else { return }
  throw ClozeError(.invalidArgument, "\(path): what is written is \(format), not .\(found); name the file .\(suffix)")
}
