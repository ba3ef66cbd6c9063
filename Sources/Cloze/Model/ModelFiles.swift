internal import CClozeSupport
public import ClozeIO
public import ClozeTokenizer

internal import Glibc

/// The paths of a model's files.
struct ModelFiles {
  /// The `.onnx`, `.safetensors` or `.cloze` file.
  let model: String
  /// The folders searched for files beside it: the model's own, then its parent where that is called `onnx`,
  /// as on the Hugging Face hub, and the one that modules.json names for the network.
  let folders: [String]

  /// - Parameter path: as in `Model.init`; nil: the built-in model.
  /// - Throws: `.notFound`, `.io`, `.invalidArgument`.
  init(path: String?) throws(ClozeError) {
    let path = if let path { path } else { try Self.builtIn() }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ClozeError(.invalidArgument, "the model's path is empty or contains a zero byte")
    }
    switch try FileKind(path) {
    case .missing: throw ClozeError(.notFound, "\(path): no such file or folder")
    case .file:
      model = path
      let own = parent(path)
      let near = own.hasSuffix("/onnx") ? [own, parent(own)] : own == "onnx" ? [own, "."] : [own]
      // A prepared file has everything inside.
      if !PreparedFormat.isPrepared(path: path), let last = near.last,
        let transformer = try Self.transformerFolder(in: last)
      {
        folders = near + [transformer]
      } else {
        folders = near
      }
    case .folder:
      let candidates = ["model.onnx", "onnx/model.onnx", "model.safetensors"]
      let transformer = try Self.transformerFolder(in: path)
      let roots = transformer.map { [$0, path] } ?? [path]
      var found: (root: String, name: String)?
      for root in roots {
        for name in candidates where found == nil {
          if try FileKind(joined(root, name)) == .file { found = (root, name) }
        }
      }
      guard let found else {
        let place = transformer.map { ", also in \($0), which modules.json names" } ?? ""
        throw ClozeError(
          .notFound, "\(path): no model in this folder; looked for \(candidates.joined(separator: ", "))\(place)")
      }
      model = joined(found.root, found.name)
      let own = found.name.hasPrefix("onnx/") ? [joined(found.root, "onnx"), found.root] : [found.root]
      folders = own + roots.filter { $0 != found.root }
    }
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
    do throws(ClozeError) {
      let tokenizer = try readTokenizer()
      if settings.maxTokens == nil, let length = tokenizer?.modelMaxLength, length < ModelSettings.unlimited {
        settings.maxTokens = length
      }
      return tokenizer
    } catch {
      guard error.cause == .unsupportedTokenizer else { throw error }
      settings.tokenizerUnsupportedReason = error.message
      return nil
    }
  }

  private func readTokenizer() throws(ClozeError) -> Tokenizer? {
    for folder in folders {
      for name in ["tokenizer.json", "vocab.txt"] where try FileKind(joined(folder, name)) == .file {
        let tokenizer = try Tokenizer(path: folder)
        guard !tokenizer.lowercase, try transformerSettings()?.present("do_lower_case")?.bool() == true else {
          return tokenizer
        }
        // It lowercases the text that the tokenizer then takes, and removes no accents of its own.
        return try Tokenizer(path: folder, lowercase: true, stripAccents: tokenizer.stripAccents)
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
