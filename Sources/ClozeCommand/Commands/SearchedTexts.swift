import ArgumentParser
import Cloze
import ClozeIO

/// Where texts to search are, and their vectors.
struct SearchSource {
  let path: String
  /// The field with the text; nil: as the file's format has it.
  let field: String?
  /// The file of vectors; nil: the texts' name with ".npy" behind it.
  let vectors: String?
  let length: LengthOptions

  func open() throws -> TextInput {
    guard FileIdentity(path) != nil else {
      // With the system's reason where it cannot be opened at all.
      _ = try SequentialFile(path: path)
      throw ClozeError(.io, "\(path) is no regular file; texts to search are read twice")
    }
    return try InputOptions.parse(["--input", path] + (field.map { ["--text", $0] } ?? [])).open(canSkip: false)
  }

  func changed() -> ClozeError { ClozeError(.io, "\(path) changed while it was read") }
}

/// The texts of a file and their vectors of length 1, which are made once and kept beside it.
///
/// The file of vectors is a NumPy array (N, E) of float32, one row a text, and behind it, where NumPy does not read, a
/// `VectorStamp`.
struct SearchedTexts {
  let texts: TextList
  let index: VectorIndex

  /// Reads the texts, and maps or makes their vectors.
  ///
  /// - Parameter inputs: files that are read, which no vectors replace.
  init(_ source: SearchSource, session: Session, precision: Precision, inputs: [String]) throws {
    texts = try TextList(source.open())
    guard texts.count > 0 else { throw ClozeError(.invalidText, "\(source.path) has no texts") }
    let info = session.model.info
    let maker = VectorMaker(
      source: source, session: session,
      embedding: EmbeddingOptions(normalize: true, prompt: info.prompts.documentName))
    let stamp = VectorStamp(
      texts, session.model, source.length, prompt: try info.prompts.text(maker.embedding.prompt))
    let path = source.vectors ?? source.path + ".npy"
    if try FileKind(path) == .file, let file = try maker.existing(path, texts, stamp) {
      if let remark = texts.remark { StandardError.note(remark) }
      index = try VectorIndex(file, precision: precision, threads: session.threads)
      return
    }
    let output: AtomicFile
    do { output = try AtomicFile(output: path, inputs: inputs + [source.path]) } catch {
      // A folder that is only read is searched even so.
      guard source.vectors == nil else { throw error }
      StandardError.note("\(error.message); the vectors are not kept")
      var values: [Float] = []
      try maker.embed { values += $0 }
      guard values.count == texts.count * info.embeddingSize else { throw source.changed() }
      index = try VectorIndex(
        values, dimensions: info.embeddingSize, precision: precision, threads: session.threads)
      return
    }
    let writer = try NPYWriter(output, columns: info.embeddingSize, elementType: .float32)
    try maker.embed { try writer.append(rows: $0) }
    guard writer.rows == texts.count else { throw source.changed() }
    try output.append(stamp.json)
    try writer.finish()
    index = try VectorIndex(NPYFile(path: path), precision: precision, threads: session.threads)
  }
}

/// Makes vectors, and compares those of a file with what it would make.
private struct VectorMaker {
  let source: SearchSource
  let session: Session
  let embedding: EmbeddingOptions

  /// Embeds all texts and passes on their rows.
  func embed(_ pass: ([Float]) throws -> Void) throws {
    let run = TextRun(try source.open(), printsResults: false)
    try run.forEachBatch { batch in
      let embeddings = try run.locating(batch) {
        try session.embed($0, text: source.length.textOptions, embedding: embedding)
      }
      for isTruncated in embeddings.truncated { run.add(truncated: isTruncated) }
      try pass(embeddings.values)
    }
    run.reportTruncation(limit: source.length.maxTokens ?? session.model.info.maxTokens)
  }

  /// The vectors of a file; nil where it holds those of something else and may be replaced.
  ///
  /// - Throws: `.invalidModel` for a file that is no such array, and, where the caller named it, that holds vectors of
  ///   something else.
  func existing(_ path: String, _ texts: TextList, _ wanted: VectorStamp) throws -> NPYFile? {
    let file = try NPYFile(path: path)
    let columns = session.model.info.embeddingSize
    let stamp = try VectorStamp(file.trailer, name: path)
    guard stamp != nil || source.vectors != nil else {
      throw ClozeError(
        .damaged, "\(path) is in the way: it was not made by cloze search; name it by --vectors to use it, or another")
    }
    if let stamp {
      var difference = stamp.difference(from: wanted)
      if difference == nil, file.columns != columns { difference = "another model" }
      if difference == nil, try !sample(texts, isEqualTo: file) { difference = "another model" }
      guard let difference else { return file }
      if source.vectors == nil { return nil }
      throw ClozeError(.damaged, "\(path) was made of \(difference); remove it, or name another file")
    }
    guard file.rows == texts.count, file.columns == columns else {
      throw ClozeError(
        .damaged,
        "\(path) has shape (\(file.rows), \(file.columns)); \(source.path) has \(texts.count) texts and the model's "
          + "vectors have \(columns) elements")
    }
    try checkSample(texts, file, path)
    return file
  }

  /// Some texts: the first, the last, the longest, and others evenly spread.
  private func sample(_ texts: TextList) -> [Int] {
    let spread = (0..<8).map { $0 * (texts.count - 1) / 7 }
    return Array(Set(spread + [texts.longest])).sorted()
  }

  private func embed(_ rows: [Int], _ texts: TextList) throws -> Embeddings {
    try session.embed(rows.map { Text(texts[$0]) }, text: source.length.textOptions, embedding: embedding)
  }

  /// Whether some rows are what the model makes of their texts, to the last bit.
  private func sample(_ texts: TextList, isEqualTo file: NPYFile) throws -> Bool {
    guard file.rows == texts.count else { return false }
    let rows = sample(texts)
    let vectors = try embed(rows, texts)
    return rows.indices.allSatisfy { vectors[$0].elementsEqual(file.row(rows[$0])) }
  }

  /// What another program, precision or prompt leaves of the cosine of a text's vector with the one made here, and by
  /// how much more another text's may then be nearer to it.
  private static let (leastCosine, tolerance) = (0.5, 0.05)

  /// Refuses vectors that another program made where they are not of length 1, or not of these texts.
  private func checkSample(_ texts: TextList, _ file: NPYFile, _ path: String) throws {
    let rows = sample(texts)
    let vectors = try embed(rows, texts)
    for (index, row) in rows.enumerated() {
      let given = file.row(row).map { Double($0) }
      let length = given.reduce(0) { $0 + $1 * $1 }.squareRoot()
      guard abs(length - 1) < 0.01 else {
        throw ClozeError(
          .damaged, "\(path): row \(row) has length \(Float(length)); make vectors of length 1, with --normalize")
      }
      let cosines = rows.indices.map { zip(given, vectors[$0]).reduce(0) { $0 + $1.0 * Double($1.1) } }
      let cosine = cosines[index]
      guard cosine >= Self.leastCosine, cosine + Self.tolerance >= cosines.max() ?? 1 else {
        throw ClozeError(
          .damaged,
          "\(path): row \(row) is not what the model makes of the text in line \(texts.number(row)) of \(source.path)")
      }
    }
  }
}

extension NPYFile {
  fileprivate func row(_ index: Int) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(start: values + index * columns, count: columns)
  }
}
