internal import CClozeSupport
public import ClozeIO
public import ClozeTokenizer

internal import Glibc

/// The paths of a model's files.
struct ModelFiles {
  /// The `.onnx`, `.safetensors` or `.cloze` file.
  let model: String
  /// The folders searched for files beside it: the model's own, then its parent where that is called `onnx`,
  /// as on the Hugging Face hub.
  let folders: [String]

  /// - Parameter path: as in `Model.init`; nil: the built-in model.
  /// - Throws: `.notFound`, `.io`, `.invalidArgument`.
  init(path: String?) throws(ClozeError) {
    let path = if let path { path } else { try Self.builtIn() }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ClozeError(.invalidArgument, "the model's path is empty or contains a zero byte")
    }
    switch try FileKind(path) {
    case .missing: throw ClozeError(.notFound, "\(path): no such file or folder" + Self.hubAdvice(path))
    case .file:
      model = path
      let own = parent(path)
      folders = own.hasSuffix("/onnx") ? [own, parent(own)] : own == "onnx" ? [own, "."] : [own]
    case .folder:
      let candidates = ["model.onnx", "onnx/model.onnx", "model.safetensors"]
      var found: String?
      for name in candidates where found == nil { if try FileKind(joined(path, name)) == .file { found = name } }
      guard let found else {
        throw ClozeError(
          .notFound, "\(path): no model in this folder; looked for \(candidates.joined(separator: ", "))")
      }
      model = joined(path, found)
      folders = found.hasPrefix("onnx/") ? [joined(path, "onnx"), path] : [path]
    }
  }

  /// What to do about a path that is missing and looks like a name on the Hugging Face hub, `owner/name`.
  private static func hubAdvice(_ path: String) -> String {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    let isName = parts.count == 2 && parts.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") && !$0.hasPrefix("~") }
    guard isName, !path.hasSuffix(".onnx"), !path.hasSuffix(".cloze"), !path.hasSuffix(".safetensors"),
      (try? FileKind(String(parts[0]))) == .missing
    else { return "" }
    return "; nothing is downloaded: of a model on the Hugging Face hub, download the folder first"
  }

  /// The tokenizer beside the model, or in a prepared one; nil where there is none.
  func tokenizer() throws(ClozeError) -> Tokenizer? {
    if PreparedFormat.isPrepared(path: model) {
      var file = try PreparedFile(path: model)
      try file.check(TokenizerSection.all)
      return try file.tokenizer()
    }
    return try readTokenizer()
  }

  /// The tokenizer beside the model. For one of an unsupported kind, such as RoBERTa's, returns nil and notes
  /// the reason in `settings`: the model then runs on token ids.
  func tokenizer(ofModel settings: inout ModelSettings) throws(ClozeError) -> Tokenizer? {
    do throws(ClozeError) { return try readTokenizer() } catch {
      guard error.cause == .unsupportedTokenizer else { throw error }
      settings.tokenizerUnsupportedReason = error.message
      return nil
    }
  }

  private func readTokenizer() throws(ClozeError) -> Tokenizer? {
    for folder in folders {
      for name in ["tokenizer.json", "vocab.txt"] where try FileKind(joined(folder, name)) == .file {
        return try Tokenizer(path: folder)
      }
    }
    return nil
  }

  /// A JSON file beside the model; nil where there is none.
  func json(_ name: String) throws(ClozeError) -> JSONField? {
    for folder in folders {
      let path = joined(folder, name)
      guard try FileKind(path) == .file else { continue }
      return try JSONField(parsing: contents(of: path), name: path)
    }
    return nil
  }

  /// The files that loading may read: the model's own, and by their names those beside it: settings, tokenizers, shards
  /// and external data.
  var all: [String] {
    var paths = [model]
    let stem = (model.split(separator: "/").last ?? "").split(separator: ".").first ?? ""
    // What training writes to its folder, which may be the model's, is no part of the model.
    let others: Set = [Head.fileName, "checkpoint.safetensors", "metrics.json"]
    for folder in folders {
      for entry in names(in: folder) where !others.contains(entry) {
        let path = joined(folder, entry)
        let isSettings = entry.hasSuffix(".json") || entry == "vocab.txt" || entry.hasSuffix(".safetensors")
        let isData =
          entry.hasPrefix("\(stem).") || entry.hasPrefix("\(stem)_") || entry.hasSuffix(".onnx_data")
          || entry.hasSuffix(".onnx.data")
        let isOtherModel = entry.hasSuffix(".onnx") || entry.hasSuffix(".cloze")
        if isSettings || isData && !isOtherModel { paths.append(path) }
      }
      paths.append(joined(folder, "1_Pooling/config.json"))
    }
    return paths
  }

  /// The folder of the built-in model: in `CLOZE_MODELS`, in `share` of the prefix above the library (a wheel, an
  /// installation, also with a folder for each architecture), above the library (a build), or in the sources it was
  /// built from (a Swift package that depends on this one).
  private static func builtIn() throws(ClozeError) -> String {
    let name = "models/cloze-mini"
    var candidates: [String] = []
    if let folder = environment("CLOZE_MODELS"), !folder.isEmpty { candidates.append(joined(folder, "cloze-mini")) }
    let images = [cloze_image_path().map { String(cString: $0) } ?? "", "/proc/self/exe"]
    for image in images {
      guard let resolved = realpath(image, nil) else { continue }
      defer { free(resolved) }
      var folder = parent(String(cString: resolved))
      for prefix in [parent(folder), parent(parent(folder))] {
        candidates.append(joined(prefix, "share/cloze/\(name)"))
      }
      for _ in 0..<5 {
        candidates.append(joined(folder, name))
        folder = parent(folder)
      }
    }
    #if !CLOZE_STANDALONE  // an installed library must not contain the path that it was built in
      let sources = parent(parent(parent(#filePath)))
      candidates.append(joined(parent(sources), name))
    #endif
    for candidate in candidates where try FileKind(joined(candidate, "model.onnx")) == .file { return candidate }
    throw ClozeError(.notFound, "the built-in model was not found; looked in \(candidates.joined(separator: ", "))")
  }
}

/// Reading the tokenizer alone.
extension Model {
  /// The tokenizer of a model, read without the model; nil where there is none.
  ///
  /// - Parameter path: as in `init`; nil: the built-in model.
  public static func tokenizer(path: String? = nil) throws(ClozeError) -> Tokenizer? {
    try ModelFiles(path: path).tokenizer()
  }
}

/// What is read, so that nothing is written over it.
extension Model {
  /// The files that loading a model may read; none where there is no model at the path, which loading reports.
  ///
  /// - Parameters:
  ///   - source: as in `init(path:)`; nil: the built-in model.
  ///   - tokenizer: a file or folder, in place of the tokenizer beside the model.
  package static func files(_ source: String?, tokenizer: String? = nil) -> [String] {
    var paths = (try? ModelFiles(path: source))?.all ?? []
    if let tokenizer { paths += [tokenizer] + names(in: tokenizer).map { joined(tokenizer, $0) } }
    return paths
  }
}
