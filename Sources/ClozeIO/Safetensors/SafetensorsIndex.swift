/// A `model.safetensors.index.json`: which of several safetensors files, the shards, each tensor is in.
///
///     {"metadata": {"total_size": 8}, "weight_map": {"a.weight": "model-00001-of-00002.safetensors", ...}}
package struct SafetensorsIndex {
  /// The names of the shards, relative to the index, in the order in which the index first names them.
  package private(set) var shards: [String] = []
  /// Tensors, each with the index of its shard.
  package private(set) var tensors: [(name: String, shard: Int)] = []
  private let path: String

  /// As many as one safetensors file may have.
  private static let maximumTensors = 1 << 16
  /// Far more than any BERT has; each keeps a file open while the model is loaded, of which a process may have 1,024.
  private static let maximumShards = 256

  /// - Throws: `.damaged`, `.unsupported` for too many shards or tensors, `.io`.
  package init(path: String) throws(ClozeError) {
    try self.init(contents(of: path, limit: Safetensors.largestHeader), path: path)
  }

  package init(_ content: [UInt8], path: String) throws(ClozeError) {
    self.path = path
    var parser = try JSONParser(content, name: path)
    var numbers: [String: Int] = [:]
    var known: Set<String> = []
    var hasMap = false
    try parser.object { (key, parser) throws(ClozeError) in
      guard key.string == "weight_map" else { return try parser.skip() }
      guard !hasMap else { throw ClozeError(.damaged, "\(path): weight_map is there twice") }
      hasMap = true
      try parser.object { (key, parser) throws(ClozeError) in
        let tensor = key.string
        let shard = try parser.string().string
        guard tensors.count < Self.maximumTensors else {
          throw ClozeError(.unsupported, "\(path): more than \(Self.maximumTensors) tensors")
        }
        guard known.insert(tensor).inserted else {
          throw ClozeError(.damaged, "\(path): tensor \"\(tensor)\" is there twice")
        }
        let number = numbers[shard] ?? shards.count
        if number == shards.count {
          guard number < Self.maximumShards else {
            throw ClozeError(.unsupported, "\(path): more than \(Self.maximumShards) files")
          }
          numbers[shard] = number
          shards.append(shard)
        }
        tensors.append((tensor, number))
      }
    }
    try parser.end()
    guard hasMap else { throw ClozeError(.damaged, "\(path): no weight_map") }
  }

  /// Opens every shard, reads its header, and finds the tensors in it. Shards that the index does not name, and tensors
  /// that a shard has besides, are left alone.
  ///
  /// - Throws: `.notFound` where a shard is missing, `.externalData` where it lies outside the folder, `.damaged` where
  ///   it lacks a tensor; each with the tensor and the shard.
  package func open() throws(ClozeError) -> [(tensor: Safetensors.Tensor, file: LazyFile)] {
    let folder = try ModelFolder(parent(path), namedBy: path)
    var files: [Safetensors?] = Array(repeating: nil, count: shards.count)
    var found: [(tensor: Safetensors.Tensor, file: LazyFile)] = []
    for (name, shard) in tensors {
      var file = files[shard]
      if file == nil {
        let prefix = "\(path) says that tensor \"\(name)\" is in \"\(shards[shard])\": "
        file = try Safetensors(path: folder.path(of: shards[shard], prefix: prefix))
        files[shard] = file
      }
      guard let file, let tensor = file.tensor(name) else {
        throw ClozeError(
          .damaged, "\(path) says that tensor \"\(name)\" is in \"\(shards[shard])\", which has no tensor of that name")
      }
      found.append((tensor, file.file))
    }
    return found
  }
}
