// Files that are there, but are not what a user takes them for.

/// The longest pointer that Git LFS writes, in bytes (its specification).
package let longestLFSPointer = 1024

/// Whether the content of a file is a pointer of Git LFS: what a clone without LFS has in place of a large file.
///
/// Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
package func isLFSPointer(_ content: some Collection<UInt8>) -> Bool {
  content.count < longestLFSPointer && content.starts(with: "version https://git-lfs.github.com/spec/".utf8)
}

/// The error for such a file.
package func lfsPointer(_ path: String) -> ClozeError {
  ClozeError(
    .invalidModel,
    "\(path) is a Git LFS pointer, not the file it stands for: run `git lfs pull` where it was cloned, or download it")
}

/// The error for a path at which nothing is. A name that may be one of the Hugging Face hub is told from a path,
/// because nothing is ever downloaded.
package func nothing(at path: String) -> ClozeError {
  var message = "\(path): no such file or folder"
  if mayBeHubName(path) {
    message +=
      "; if it is a name on the Hugging Face hub, download it first: `hf download \(path) --local-dir FOLDER`, and "
      + "give that folder; one without model.safetensors or an ONNX file is exported by `optimum-cli export onnx`"
  }
  return ClozeError(.notFound, message)
}

/// Whether a path has the form of a repository on the hub, "owner/name" or "name-with-hyphens", and not that of a file.
private func mayBeHubName(_ path: String) -> Bool {
  let parts = path.split(separator: "/", omittingEmptySubsequences: false)
  guard parts.count == 2 || parts.count == 1 && path.utf8.contains(UInt8(ascii: "-")) else { return false }
  for part in parts {
    guard let first = part.utf8.first, first != UInt8(ascii: "."), first != UInt8(ascii: "~"), part.utf8.count <= 96,
      part.utf8.allSatisfy({ byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
          true
        default: false
        }
      })
    else { return false }
  }
  let endings = [".onnx", ".cloze", ".safetensors", ".json", ".txt", ".bin", ".h5", ".npy"]
  return !endings.contains { path.hasSuffix($0) }
}

/// What other software calls the weights that it alone reads, and how they become a file that is read here.
package func foreignWeights(_ name: String) -> String? {
  func ends(_ ending: String) -> Bool { name.hasSuffix(ending) }
  let isTorch = ends(".bin") || ends(".bin.index.json") || ends(".pt") || ends(".pth") || ends(".ckpt")
  if isTorch, name.hasPrefix("pytorch_model") || name.hasPrefix("model") {
    return "PyTorch weights; transformers rewrites them as model.safetensors: "
      + "`AutoModel.from_pretrained(FOLDER).save_pretrained(FOLDER)`"
  }
  if ends(".h5") || ends(".ckpt.index") || ends(".ckpt.meta") || name == "saved_model.pb" {
    return "TensorFlow weights; transformers 4 rewrites them as model.safetensors: "
      + "`AutoModel.from_pretrained(FOLDER, from_tf=True).save_pretrained(FOLDER)`"
  }
  if ends(".msgpack") {
    return "Flax weights; transformers 4 rewrites them as model.safetensors: "
      + "`AutoModel.from_pretrained(FOLDER, from_flax=True).save_pretrained(FOLDER)`"
  }
  if ends(".gguf") || ends(".ggml") { return "weights of llama.cpp; the model they were made from is needed" }
  if ends("openvino_model.xml") || ends("openvino_model.bin") {
    return "an OpenVINO model; the model it was made from is needed"
  }
  return nil
}
