internal import CClozeKernels
internal import ClozeIO

/// The weights of a BERT, packed for one precision and instruction set. The pointers lead into
/// memory that `WeightMemory` keeps.
struct Weights: @unchecked Sendable {
  /// y = x W + b
  struct Dense {
    let inputs: Int
    let outputs: Int
    let columns: cloze_packed_columns
    /// [outputs], rounded up to whole panels
    let bias: UnsafePointer<Float>
    /// [inputs] what activations are multiplied by before they are quantized
    let inverseSmoothing: UnsafePointer<Float>?
  }

  struct Norm {
    let gamma: UnsafePointer<Float>
    let beta: UnsafePointer<Float>
    let epsilon: Float
  }

  /// [V, D], a row per vocabulary entry: looked up for the input and, where a masked language model
  /// is tied to it, multiplied with for the output. Lies as packed columns, or as rows.
  struct WordTable {
    let columns: cloze_packed_columns?
    let rows: UnsafeRawPointer?
    /// [V] int8 only
    let scale: UnsafePointer<Float>?

    /// A row of the table, s8 or f32; unpacked to `scratch` [D] where it does not lie as a row.
    func row(
      _ id: Int, _ width: Int, _ matrix: cloze_matrix_kernels, _ scratch: UnsafeMutableRawPointer
    ) -> UnsafeRawPointer? {
      guard let columns else {
        return rows.map { $0 + id &* width &* Int(matrix.column_element_size) }
      }
      matrix.unpack_column(columns.panels, width, id, scratch)
      return UnsafeRawPointer(scratch)
    }
  }

  struct Layer {
    /// D -> 3D: query, key, value side by side
    let queryKeyValue: Dense
    let attentionOutput: Dense
    let attentionNorm: Norm
    let intermediate: Dense
    let output: Dense
    let outputNorm: Norm
    let attentionScale: Float
    let activation: Activation
  }

  let word: WordTable
  /// [P, D]
  let position: UnsafePointer<Float>
  /// [types, D], at least one row
  let tokenType: UnsafePointer<Float>
  let norm: Norm
  let layers: [Layer]
  let memory: WeightMemory
  var heads: [OutputHead: PackedHead] = [:]
  /// The dense layers after pooling, where the graph computes the vector of a sequence.
  var sentence: [PackedHead.Layer] = []
  /// Elements of a row of the tables, where the embeddings are narrower than the layers: E -> D.
  var projection: Dense?

  /// Elements of a row of the tables, of a model of `width`.
  func embeddingWidth(_ width: Int) -> Int { projection?.inputs ?? width }
}

/// The blocks that weights lie in; freed together.
final class WeightMemory: @unchecked Sendable {
  private var blocks: [AlignedMemory] = []
  /// A prepared file whose weights are used where they lie.
  private let prepared: MappedFile?
  private(set) var bytes: Int

  /// - Parameter bytes: of `prepared`, how many are weights.
  init(prepared: MappedFile? = nil, bytes: Int = 0) {
    self.prepared = prepared
    self.bytes = bytes
  }

  func allocate(_ size: Int) throws(ClozeError) -> UnsafeMutableRawPointer {
    let block = try AlignedMemory(bytes: size)
    blocks.append(block)
    bytes += size
    return block.base
  }

  func floats(_ count: Int) throws(ClozeError) -> UnsafeMutablePointer<Float> {
    try allocate(ClozeIO.bytes(count, MemoryLayout<Float>.size)).bindMemory(
      to: Float.self, capacity: count)
  }
}
