internal import CClozeSupport
public import ClozeIO
public import ClozeTokenizer

internal import Glibc

/// The paths of a model's files.
struct ModelFiles {
  /// The `.onnx`, `.safetensors`, `.safetensors.index.json` or `.cloze` file.
  let model: String
  /// The folders searched for files beside it: the model's own, then its parent where that is called `onnx`,
  /// as on the Hugging Face hub, and the one that modules.json names for the network.
  let folders: [String]

  /// The name of the model's folder, where the file has one of the usual names, else that of the file.
  var name: String {
    let file = lastComponent(model)
    guard Self.names.contains(file) else { return file }
    let folder = resolvedPath(parent(model)) ?? parent(model)
    return lastComponent(lastComponent(folder) == "onnx" ? parent(folder) : folder)
  }

  /// The names of a folder's model, in the order in which they are looked for.
  private static let names = ["model.onnx", "onnx/model.onnx", "model.safetensors", "model.safetensors.index.json"]

  /// - Parameter path: as in `Model.init`; nil: the built-in model.
  /// - Throws: `.notFound`, `.io`, `.invalidArgument`, `.unsupportedModel` for weights that other software reads.
  init(path: String?) throws(ClozeError) {
    let path = if let path { path } else { try Self.builtIn() }
    guard !path.isEmpty, !path.utf8.contains(0) else {
      throw ClozeError(.invalidArgument, "the model's path is empty or contains a zero byte")
    }
    switch try FileKind(path) {
    case .missing: throw nothing(at: path)
    case .file:
      // ONNX files begin with the field ir_version, whatever they are called.
      if let kind = foreignWeights(lastComponent(path)), !fileBegins(path, with: [0x08]) {
        throw ClozeError(.unsupported, "\(path): \(kind)")
      }
      model = path
      let near = Self.searched(beside: model)
      // A prepared file has everything inside.
      if !PreparedFormat.isPrepared(path: path), let last = near.last,
        let transformer = try Self.transformerFolder(in: last)
      {
        folders = near + [transformer]
      } else {
        folders = near
      }
    case .folder:
      let transformer = try Self.transformerFolder(in: path)
      let roots = transformer.map { [$0, path] } ?? [path]
      var found: String?
      for root in roots where found == nil { found = try Self.model(in: root) }
      guard let found else { throw try Self.noModel(in: path, transformer) }
      model = found
      let near = Self.searched(beside: model)
      folders = near + roots.filter { !near.contains($0) }
    }
  }

  /// The model of a folder: one of `names`, else the only ONNX or prepared file in it and in its folder `onnx`; nil
  /// where there is none.
  ///
  /// - Throws: `.notFound` where there are several.
  private static func model(in folder: String) throws(ClozeError) -> String? {
    for name in names where try FileKind(joined(folder, name)) == .file { return joined(folder, name) }
    let own = try fileNames(in: folder)
    var others = own.filter { $0.hasSuffix(".onnx") || $0.hasSuffix(".cloze") }
    if try FileKind(joined(folder, "onnx")) == .folder {
      others += try fileNames(in: joined(folder, "onnx")).filter { $0.hasSuffix(".onnx") }.map { "onnx/\($0)" }
    }
    if others.count == 1 { return joined(folder, others[0]) }
    guard others.isEmpty else {
      throw ClozeError(
        .notFound,
        "\(folder): \(others.count) models are in this folder and none is called \(names[0]); give the path of one: "
          + others.prefix(16).joined(separator: ", "))
    }
    return nil
  }

  private static func noModel(in folder: String, _ transformer: String?) throws(ClozeError) -> ClozeError {
    let place = transformer.map { ", also in \($0), which modules.json names" } ?? ""
    var message =
      "\(folder): no model in this folder; looked for \(names.joined(separator: ", ")), other .onnx files\(place)"
    for root in [folder] + (transformer.map { [$0] } ?? []) {
      guard let name = try fileNames(in: root).first(where: { foreignWeights($0) != nil }),
        let kind = foreignWeights(name)
      else { continue }
      message += "; \(name) is there: \(kind)"
      break
    }
    return ClozeError(.notFound, message)
  }

  private static func searched(beside model: String) -> [String] {
    var folder = parent(model)
    while folder.utf8.count > 1, folder.hasSuffix("/") { folder.removeLast() }
    if lastComponent(folder) == "onnx" { return [folder, parent(folder)] }
    // "." and links, whose names do not tell.
    if let real = resolvedPath(folder), lastComponent(real) == "onnx" { return [folder, joined(folder, "..")] }
    return [folder]
  }

  /// The tokenizer beside the model, or in a prepared one; nil where there is none.
  ///
  /// - Parameter options: override what the files say.
  func tokenizer(options: TokenizerOptions) throws(ClozeError) -> Tokenizer? {
    if PreparedFormat.isPrepared(path: model) {
      var file = try PreparedFile(path: model)
      try file.check(TokenizerSection.all)
      return try file.tokenizer(options: options)
    }
    return try readTokenizer(options)
  }

  /// The tokenizer beside the model. For one of an unsupported kind, such as one that splits Japanese into words,
  /// returns nil and notes the reason in `settings`: the model then runs on token ids.
  func tokenizer(ofModel settings: inout ModelSettings) throws(ClozeError) -> Tokenizer? {
    do throws(ClozeError) {
      let tokenizer = try readTokenizer(TokenizerOptions())
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

  private func readTokenizer(_ options: TokenizerOptions) throws(ClozeError) -> Tokenizer? {
    for folder in folders {
      for name in Tokenizer.fileNames where try FileKind(joined(folder, name)) == .file {
        return try Tokenizer(
          path: folder, options: options,
          lowercasesFirst: transformerSettings()?.present("do_lower_case")?.bool())
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
      for entry in (try? fileNames(in: folder)) ?? [] where !others.contains(entry) {
        let path = joined(folder, entry)
        let isVocabulary = Tokenizer.fileNames.contains(entry) || entry == "merges.txt"
        let isSettings = entry.hasSuffix(".json") || isVocabulary || entry.hasSuffix(".safetensors")
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
  /// - Parameters:
  ///   - path: as in `init`; nil: the built-in model.
  ///   - options: override what the model's files say.
  public static func tokenizer(path: String? = nil, options: TokenizerOptions = TokenizerOptions()) throws(ClozeError)
    -> Tokenizer?
  { try ModelFiles(path: path).tokenizer(options: options) }
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
    if let tokenizer { paths += [tokenizer] + ((try? fileNames(in: tokenizer)) ?? []).map { joined(tokenizer, $0) } }
    return paths
  }
}
