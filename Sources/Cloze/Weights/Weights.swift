internal import CClozeKernels
internal import ClozeIO

/// The weights of a BERT, packed for one precision and instruction set, in memory that `WeightMemory` owns.
struct Weights: @unchecked Sendable {
  /// y = x W + b
  struct Dense {
    let inputs: Int
    let outputs: Int
    let columns: cloze_packed_columns
    /// [outputs], rounded up to whole panels
    let bias: UnsafePointer<Float>
    /// [inputs] what activations are multiplied by before they are quantized; nil: 1
    let inverseSmoothing: UnsafePointer<Float>?

    /// How it is multiplied: layers of heads in float32, whatever the model's precision.
    var precision: Precision { columns.scale == nil ? .float32 : .int8 }

    /// The layer restricted to outputs `first ..< first + count`; `first` begins a panel.
    func columns(_ first: Int, _ count: Int, _ kernels: Kernels) -> Dense {
      let matrix = kernels.matrix(precision)
      let panel = inputs.roundedUp(to: Int(matrix.kr)) &* Int(matrix.column_element_size)
      return Dense(
        inputs: inputs, outputs: count,
        columns: cloze_packed_columns(
          panels: columns.panels + first &* panel, scale: columns.scale.map { $0 + first },
          sum: columns.sum.map { $0 + first }), bias: bias + first, inverseSmoothing: inverseSmoothing)
    }
  }

  struct Norm {
    let gamma: UnsafePointer<Float>
    let beta: UnsafePointer<Float>
    let epsilon: Float
  }

  /// [V, D] word embeddings: looked up for the input and, where the decoder of the masked language model is
  /// tied to them, its weights. Stored as packed columns then, else as rows.
  struct WordTable {
    let columns: cloze_packed_columns?
    let rows: UnsafeRawPointer?
    /// [V] int8 only
    let scale: UnsafePointer<Float>?

    /// Row `id`, s8 or f32; unpacked to `scratch` [D] where the table is stored as columns.
    func row(_ id: Int, _ width: Int, _ matrix: cloze_matrix_kernels, _ scratch: UnsafeMutableRawPointer)
      -> UnsafeRawPointer?
    {
      guard let columns else { return rows.map { $0 + id &* width &* Int(matrix.column_element_size) } }
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
  /// What follows the model's own pooling.
  var sentence: [SentenceStep] = []
  /// E -> D; nil where the rows of the tables have D elements.
  var projection: Dense?
  /// nil where attention depends on no relative position.
  var attentionBias: AttentionBias?

  /// The most inputs of a layer of heads or after pooling.
  var widestHeadInput: Int {
    heads.values.reduce(sentence.widestInput) { $1.layers.reduce($0) { max($0, $1.dense.inputs) } }
  }

  /// Whether the decoder of the masked language model is the word table.
  var isTied: Bool {
    guard let columns = word.columns, let decoder = heads[.maskedLM]?.layers.last else { return false }
    return decoder.dense.columns.panels == columns.panels
  }

  /// Elements of a row of the tables: E, or the hidden size `width` without a projection.
  func embeddingWidth(_ width: Int) -> Int { projection?.inputs ?? width }
}

/// Owns the memory of weights.
final class WeightMemory: @unchecked Sendable {
  private var blocks: [AlignedMemory] = []
  /// A prepared file whose weights are used in place.
  private let prepared: MappedFile?
  private(set) var bytes: Int

  /// - Parameter bytes: the bytes of `prepared` that are weights.
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
    try allocate(ClozeIO.bytes(count, MemoryLayout<Float>.size)).bindMemory(to: Float.self, capacity: count)
  }
}
