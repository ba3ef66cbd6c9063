public import ClozeIO

/// A head's file: safetensors, with everything but the weights as JSON under the metadata key
/// "cloze_head".
extension Head {
  /// What the file is called in the folder of a head.
  public static let fileName = "head.safetensors"

  /// Reads a head.
  ///
  /// - Parameter path: a file, or a folder with a `head.safetensors` in it.
  public init(path: String) throws(ClozeError) {
    var file = path
    switch try FileKind(path) {
    case .missing: throw ClozeError(.notFound, "\(path): no such file or folder")
    case .file: break
    case .folder:
      file = joined(path, Self.fileName)
      guard try FileKind(file) == .file else {
        throw ClozeError(.notFound, "\(path): no \(Self.fileName) in this folder")
      }
    }
    let source = try TensorFile(path: file)
    guard let text = source.text(Self.descriptionKey) else { throw ClozeError(.damaged, "\(file): no head of Cloze") }
    try self.init(description: text, parameters: source.allFloats, name: file)
  }

  /// Writes the head, whole or not at all.
  ///
  /// - Parameter path: a file; its folder must be there.
  public func save(to path: String) throws(ClozeError) {
    try check()
    var file = TensorFile()
    file.metadata = [(Self.descriptionKey, description)]
    for parameter in parameters { file.add(parameter.name, parameter.shape, parameter.values) }
    try file.write(to: path)
  }
}
