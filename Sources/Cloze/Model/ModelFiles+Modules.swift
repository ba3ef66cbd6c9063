internal import ClozeIO
internal import ClozeONNX

/// The modules of a sentence-transformers model: what is done to the states of tokens, in a folder each.
extension ModelFiles {
  /// An entry of modules.json.
  struct Module {
    /// The class, with the modules of Python that it is in.
    let type: String
    /// The module's folder, from the one of modules.json; "": that one.
    let path: String
    /// That folder.
    let folder: String

    /// The class alone, which every version of sentence-transformers has in another place.
    var name: Substring { type.split(separator: ".").last ?? "" }
    /// In messages.
    var label: String { path.isEmpty ? type : path }
  }

  /// The entries of the modules.json in a folder; nil where there is none.
  static func modules(in folder: String) throws(ClozeError) -> [Module]? {
    let path = joined(folder, "modules.json")
    guard try FileKind(path) == .file else { return nil }
    var modules: [Module] = []
    for field in try JSONField(parsing: contents(of: path), name: "modules.json").elements() {
      let type = try field.required("type").string()
      let place = try field.present("path")
      var path = try place?.string() ?? ""
      while path.hasSuffix("/") { path.removeLast() }
      let parts = path.split(separator: "/")
      guard !path.hasPrefix("/"), !parts.contains(".."), !path.utf8.contains(0) else {
        throw ClozeError(.damaged, "\(place?.path ?? "") is \"\(path)\", which is outside of the model's folder")
      }
      if path == "." { path = "" }
      modules.append(Module(type: type, path: path, folder: path.isEmpty ? folder : joined(folder, path)))
    }
    return modules
  }

  /// The folder of the Transformer in a folder's modules.json, as "0_Transformer", in which models of older
  /// versions have the network and its tokenizer; nil where it is the folder itself.
  static func transformerFolder(in folder: String) throws(ClozeError) -> String? {
    guard let module = try modules(in: folder)?.first(where: { $0.name == "Transformer" }) else { return nil }
    return module.path.isEmpty ? nil : module.folder
  }

  /// Reads modules.json and its modules' folders, or 1_Pooling/config.json where it stands alone.
  func readModules(_ settings: inout ModelSettings) throws(ClozeError) {
    var found: [Module]?
    for folder in folders where found == nil { found = try Self.modules(in: folder) }
    guard let modules = found else {
      if let root = try json("1_Pooling/config.json") { try settings.readPooling(root) }
      return
    }
    let effective = modules.filter { $0.name != "Dropout" }
    settings.normalize = effective.contains { $0.name == "Normalize" }
    var hasPooling = false
    for (index, module) in modules.enumerated() {
      if settings.embeddingUnsupportedReason != nil { return }
      switch module.name {
      case "Transformer" where index == 0: continue
      case "Pooling" where index == 1 && !hasPooling:
        hasPooling = true
        settings.pooling = .mean
        let folder = module.path.isEmpty ? "1_Pooling" : module.path
        if let root = try json("\(folder)/config.json") { try settings.readPooling(root) }
      case "Transformer", "Pooling":
        settings.embeddingUnsupportedReason =
          "modules.json lists \(module.type) as number \(index), a Transformer and a Pooling are expected first"
      case "Dense" where hasPooling: try readDense(module, &settings)
      case "LayerNorm" where hasPooling: try readNorm(module, &settings)
      case "Normalize" where hasPooling: try readNormalize(module, &settings)
      // It drops nothing outside of training.
      case "Dropout" where hasPooling: continue
      case "Dense", "LayerNorm", "Normalize", "Dropout":
        settings.embeddingUnsupportedReason =
          "modules.json lists \(module.type) before a Pooling, which is not supported"
      default: settings.embeddingUnsupportedReason = "modules.json lists \(module.type), which is not supported"
      }
    }
    if !hasPooling, settings.embeddingUnsupportedReason == nil {
      settings.embeddingUnsupportedReason = "modules.json lists no Pooling"
    }
    if settings.embeddingUnsupportedReason != nil { return }
    // Whatever comes last decides: `normalize` is the last step, others are among the steps.
    settings.normalize = false
    if case .normalize? = settings.steps.last?.step {
      settings.normalize = true
      settings.steps.removeLast()
    }
  }

  // MARK: - One module

  private func readDense(_ module: Module, _ settings: inout ModelSettings) throws(ClozeError) {
    let root = try configuration(of: module)
    let used: Set = [
      "in_features", "out_features", "bias", "activation_function", "module_input_name", "module_output_name",
    ]
    guard try settings.supports(root, used: used), try settings.supportsPlace(root) else { return }
    var activation = Activation.tanh
    if let field = try root.member("activation_function") {
      guard case .string = field.value, let known = try Activation(torch: field.string()) else {
        settings.refuseEmbeddings("\(field.path) is \(field.value.shown), which is not supported")
        return
      }
      activation = known
    }
    let (inputs, outputs) = (try size(root, "in_features"), try size(root, "out_features"))
    guard let tensors = try tensors(of: module, &settings) else { return }
    let hasBias = try root.present("bias")?.bool() ?? tensors.has("linear.bias")
    guard hasBias == tensors.has("linear.bias") else {
      throw ClozeError(
        .shape, "\(root.path) bias is \(hasBias), model.safetensors \(hasBias ? "has no" : "has") linear.bias")
    }
    let linear = try named(module) { () throws(ClozeError) in try tensors.linear(inputs: inputs, outputs: outputs) }
    settings.steps.append((module.label, .dense(linear, activation)))
  }

  private func readNorm(_ module: Module, _ settings: inout ModelSettings) throws(ClozeError) {
    let root = try configuration(of: module)
    guard try settings.supports(root, used: ["dimension"]) else { return }
    let width = try size(root, "dimension")
    guard let tensors = try tensors(of: module, &settings) else { return }
    let norm = try named(module) { () throws(ClozeError) in try tensors.norm(width) }
    settings.steps.append((module.label, .norm(norm)))
  }

  private func readNormalize(_ module: Module, _ settings: inout ModelSettings) throws(ClozeError) {
    // Older versions write no file for it, or an empty one.
    if !module.path.isEmpty, let root = try json("\(module.path)/config.json") {
      guard try settings.supports(root, used: ["module_input_name", "module_output_name"]),
        try settings.supportsPlace(root)
      else { return }
    }
    settings.steps.append((module.label, .normalize))
  }

  private func configuration(of module: Module) throws(ClozeError) -> JSONField {
    let path = joined(module.folder, "config.json")
    guard !module.path.isEmpty, try FileKind(path) == .file else {
      throw ClozeError(.damaged, "modules.json lists \(module.type), but \(module.label) has no config.json")
    }
    return try JSONField(parsing: contents(of: path), name: "\(module.path)/config.json")
  }

  /// A size in a module's config.json.
  private func size(_ root: JSONField, _ key: String) throws(ClozeError) -> Int {
    let field = try root.required(key)
    let value = try field.integer()
    // The largest number of 8-bit products whose sum fits 32 bits.
    guard value > 0, value <= 65536 else {
      throw ClozeError(.damaged, "\(field.path) is \(value), 1 to 65536 was expected")
    }
    return value
  }

  /// The weights of a module; nil where they are in a form that is not supported.
  private func tensors(of module: Module, _ settings: inout ModelSettings) throws(ClozeError) -> ModuleTensors? {
    let path = joined(module.folder, "model.safetensors")
    if try FileKind(path) == .file { return try ModuleTensors(path: path) }
    guard try FileKind(joined(module.folder, "pytorch_model.bin")) == .file else {
      throw ClozeError(.damaged, "\(module.label) has no model.safetensors")
    }
    settings.refuseEmbeddings(
      "\(module.label) has its weights in pytorch_model.bin, a pickle, and not in model.safetensors")
    return nil
  }

  /// Calls `body`; its error names the file.
  private func named<T>(_ module: Module, _ body: () throws(ClozeError) -> T) throws(ClozeError) -> T {
    do throws(ClozeError) { return try body() } catch {
      // A tensor that a module must have is missing: the file contradicts its config.json.
      let cause = error.cause == .unsupported ? .shape : error.cause ?? .damaged
      throw ClozeError(cause, "\(module.label)/model.safetensors: \(error.message)")
    }
  }
}

/// What modules may say.
extension ModelSettings {
  /// Notes why embeddings need a pooling that the caller names; the first reason stays.
  mutating func refuseEmbeddings(_ reason: String) {
    if embeddingUnsupportedReason == nil { embeddingUnsupportedReason = reason }
  }

  /// Whether a file has only settings that are used, or that change no vector; else notes the first other one. A
  /// setting that is null, false or empty asks for nothing.
  mutating func supports(_ root: JSONField, used: Set<String>, ignored: Set<String> = []) throws(ClozeError) -> Bool {
    for (name, _) in try root.members() where !used.contains(name) && !ignored.contains(name) {
      guard let field = try root.present(name), !field.value.asksForNothing else { continue }
      refuseEmbeddings("\(field.path) is not supported")
      return false
    }
    return true
  }

  /// Whether a module reads and writes the vectors of texts, and not those of tokens.
  fileprivate mutating func supportsPlace(_ root: JSONField) throws(ClozeError) -> Bool {
    for key in ["module_input_name", "module_output_name"] {
      guard let field = try root.present(key), try field.string() != "sentence_embedding" else { continue }
      refuseEmbeddings("\(field.path) is \(field.value.shown), only sentence_embedding is supported")
      return false
    }
    return true
  }
}

/// Values in messages.
extension JSONValue {
  fileprivate var asksForNothing: Bool {
    switch self {
    case .null: true
    case .bool(let flag): !flag
    case .string(let text): text.string.isEmpty
    case .array(let elements): elements.isEmpty
    case .object(let members): members.isEmpty
    default: false
    }
  }

  fileprivate var shown: String { if case .string(let text) = self { "\"\(text.string)\"" } else { kind.rawValue } }
}

/// Activations by the names of torch's classes.
extension Activation {
  private static let torch: [Substring: Activation] = [
    "Identity": .identity, "Tanh": .tanh, "ReLU": .relu, "GELU": .gelu, "SiLU": .silu,
  ]

  /// nil for an unknown class, and for one that is not torch's.
  fileprivate init?(torch name: String) {
    guard name.hasPrefix("torch.nn."), let known = Self.torch[name.split(separator: ".").last ?? ""] else { return nil }
    self = known
  }
}
