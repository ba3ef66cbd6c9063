internal import CClozeKernels
public import ClozeIO

/// Vectors that are searched exactly: every query is compared with every vector by their dot product, in float32.
///
/// The score is the cosine where vectors and queries have length 1, as `Session.embed` writes them unless the model's
/// files say otherwise. It depends on nothing but the two vectors: the same bits on every CPU, in any company, on any
/// number of threads. Immutable; share it between threads.
///
/// In `int8` a copy in a quarter of the size is read in place of the vectors, and only those are looked at in float32
/// that may be among the results, by a bound that is never wrong: the result is that of `float32`, to the last bit.
public final class VectorIndex: @unchecked Sendable {
  /// The number of vectors, N.
  public let count: Int
  /// The elements of a vector.
  public let dimensions: Int
  /// What is read of every vector.
  public let precision: Precision
  /// Threads that a search uses, the caller's included.
  public let threads: Int

  /// [count, dimensions]
  let vectors: UnsafePointer<Float>
  let bytes: ByteRows?
  let kernels: Kernels
  /// Keeps `vectors` in place; nil where the caller does.
  private let owner: AnyObject?

  /// Multiplications from which threads are worth being started: about a millisecond of one.
  static let parallelWork = 1 << 24
  /// The most dimensions: sums of int8 products are exact up to here.
  static let maxDimensions = 1 << 16

  /// Copies vectors [N, dimensions] that lie row after row.
  ///
  /// - Parameters:
  ///   - precision: `int8` takes time once and N (dimensions + 4) bytes, and searches up to four times as fast.
  ///   - threads: 1 to 256; nil: as many as the process may use.
  ///   - isa: forces an instruction set, as `LoadOptions.isa`.
  /// - Throws: `.invalidArgument` for no vectors, a count that is no multiple of the dimensions, or, in `int8`, a value
  ///   that is not finite; `.unsupportedISA`, `.outOfMemory`.
  public convenience init(
    _ vectors: [Float], dimensions: Int, precision: Precision = .int8, threads: Int? = nil, isa: ISA? = nil
  ) throws(ClozeError) {
    guard dimensions > 0, vectors.count % dimensions == 0 else {
      throw ClozeError(.invalidArgument, "\(vectors.count) values are no vectors of \(dimensions) dimensions")
    }
    let memory = try AlignedMemory(bytes: ClozeIO.bytes(vectors.count, MemoryLayout<Float>.size))
    vectors.withUnsafeBytes { if let base = $0.baseAddress { memory.base.copyMemory(from: base, byteCount: $0.count) } }
    try self.init(
      memory.floats(), count: vectors.count / dimensions, dimensions: dimensions, precision: precision,
      threads: threads, isa: isa, owner: memory)
  }

  /// Maps a NumPy file of float32 (N, D), as `cloze embed --output` writes it. It must not be cut short meanwhile.
  ///
  /// - Throws: as above; `.notFound`, `.io`; `.invalidModel` for another file.
  public convenience init(path: String, precision: Precision = .int8, threads: Int? = nil, isa: ISA? = nil)
    throws(ClozeError)
  {
    try self.init(NPYFile(path: path), precision: precision, threads: threads, isa: isa)
  }

  /// The vectors of a file that is mapped.
  package convenience init(_ file: NPYFile, precision: Precision, threads: Int?, isa: ISA? = nil) throws(ClozeError) {
    try self.init(
      file.values, count: file.rows, dimensions: file.columns, precision: precision, threads: threads, isa: isa,
      owner: file)
  }

  /// Vectors that stay where they are.
  ///
  /// - Parameter owner: keeps them there; nil: the caller does, as long as the index lives.
  package init(
    _ vectors: UnsafePointer<Float>, count: Int, dimensions: Int, precision: Precision, threads: Int?, isa: ISA? = nil,
    owner: AnyObject? = nil
  ) throws(ClozeError) {
    guard count > 0 else { throw ClozeError(.invalidArgument, "there are no vectors to search") }
    guard (1...Self.maxDimensions).contains(dimensions) else {
      throw ClozeError(
        .invalidArgument, "the vectors have \(dimensions) dimensions, expected 1 to \(Self.maxDimensions)")
    }
    if let threads, !(1...Team.maxThreads).contains(threads) {
      throw ClozeError(.invalidArgument, "threads = \(threads), expected 1 to \(Team.maxThreads)")
    }
    _ = try ClozeIO.bytes(count, dimensions, MemoryLayout<Float>.size)
    (self.vectors, self.count, self.dimensions) = (vectors, count, dimensions)
    (self.precision, self.owner) = (precision, owner)
    self.threads = threads ?? min(defaultThreads(), Team.maxThreads)
    kernels = try Kernels.choose(isa)
    guard precision == .int8 else {
      bytes = nil
      return
    }
    bytes = try ByteRows(
      vectors, count: count, dimensions: dimensions, kernels: kernels, team: Team(threads: self.threads))
  }

  /// The error for a row that is not finite.
  static func failure(_ vectors: UnsafePointer<Float>, _ dimensions: Int, row: Int, name: String = "vectors")
    -> ClozeError
  {
    let values = UnsafeBufferPointer(start: vectors + row * dimensions, count: dimensions)
    let column = values.firstIndex { !$0.isFinite } ?? 0
    return ClozeError(.invalidArgument, "\(name)[\(row), \(column)] is \(values[column]), expected a finite number")
  }
}
