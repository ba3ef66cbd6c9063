internal import Cloze
internal import ClozeIO

/// The embeddings of an encoder, forward and backward, over a ragged batch:
///
///     x = norm(word[id] + position[place] + token_type[type])
final class EncoderInput<S: TrainingScalar> {
  struct Settings {
    var width: Int
    var vocabulary: Int
    var positions: Int
    /// 0: there are none, and what is added for them stays as it is.
    var types: Int
    var epsilon: S
  }

  /// Tokens of a batch, end to end.
  struct Tokens {
    var ids: [Int32] = []
    var types: [Int32] = []
    /// [sequences + 1]
    var offsets: [Int] = [0]
  }

  let settings: Settings
  let parameters: Block<S>
  let gradients: Block<S>
  let segments: [NetworkShape.Segment]
  /// Rows of the word table with a gradient.
  let touched: TouchedRows
  private var tokens = Tokens()
  private var sum = Room<S>()
  private var normed = Room<S>()
  private var inverse = Room<S>()
  private var output = Room<S>()

  init(_ settings: Settings) throws(ClozeError) {
    self.settings = settings
    let d = settings.width
    var segments: [NetworkShape.Segment] = []
    var at = 0
    for (rows, isTrained, decays) in [
      (settings.vocabulary, true, true), (settings.positions, true, true),
      (max(settings.types, 1), settings.types > 0, true), (1, true, false), (1, true, false),
    ] {
      segments.append(
        NetworkShape.Segment(range: at..<(at + rows * d), isTrained: isTrained, decays: decays))
      at += rows * d
    }
    self.segments = segments
    parameters = try Block(at)
    gradients = try Block(at)
    touched = TouchedRows(count: settings.vocabulary, width: d)
  }

  private func part(_ index: Int, _ block: Block<S>) -> UnsafeMutablePointer<S> {
    block.base + segments[index].range.lowerBound
  }

  /// The word table and its gradient, [V, D].
  var words: (parameters: UnsafeMutablePointer<S>, gradients: UnsafeMutablePointer<S>) {
    (part(0, parameters), part(0, gradients))
  }

  /// x [T, D]; it stays until the next call.
  func forward(_ tokens: Tokens) throws(ClozeError) -> UnsafeMutablePointer<S> {
    self.tokens = tokens
    let (rows, d) = (tokens.ids.count, settings.width)
    let sum = try sum.reserve(rows * d)
    try eachToken { row, word, place, type in
      let target = sum + row &* d
      let (w, p) = (part(0, parameters) + word &* d, part(1, parameters) + place &* d)
      let t = part(2, parameters) + type &* d
      for i in 0..<d { target[i] = w[i] + p[i] + t[i] }
    }
    let result = try output.reserve(rows * d)
    layernormForward(
      sum, rows, d, part(3, parameters), part(4, parameters), settings.epsilon,
      try normed.reserve(rows * d), try inverse.reserve(rows), result)
    return result
  }

  /// Adds the gradients of the last `forward`; `d` [T, D], of its result, is overwritten.
  func backward(_ d: UnsafeMutablePointer<S>) throws(ClozeError) {
    let (rows, width) = (tokens.ids.count, settings.width)
    layernormBackward(
      d, try normed.reserve(rows * width), try inverse.reserve(rows), rows, width,
      part(3, parameters), part(3, gradients), part(4, gradients), d)
    try eachToken { row, word, place, type in
      let source = d + row &* width
      for target in [
        part(0, gradients) + word &* width, part(1, gradients) + place &* width,
        part(2, gradients) + type &* width,
      ] {
        for i in 0..<width { target[i] += source[i] }
      }
      touched.add(word)
    }
  }

  /// Rows of the tables for each token in turn.
  private func eachToken(
    _ body: (_ row: Int, _ word: Int, _ place: Int, _ type: Int) -> Void
  ) throws(ClozeError) {
    var sequence = 0
    for row in tokens.ids.indices {
      while sequence + 1 < tokens.offsets.count, row >= tokens.offsets[sequence + 1] {
        sequence += 1
      }
      let place = row - tokens.offsets[sequence]
      let word = Int(tokens.ids[row])
      // Of one type or none, all tokens are of the same.
      let type = settings.types > 1 ? Int(tokens.types[row]) : 0
      guard word >= 0, word < settings.vocabulary, place < settings.positions, type >= 0,
        type < max(settings.types, 1)
      else { throw ClozeError(.invalidText, "token \(word) of type \(type) is not the model's") }
      body(row, word, place, type)
    }
  }
}

/// Which rows of a table, at the beginning of a block of parameters, have a gradient.
///
/// Most rows of a word table have none in a step. They need not be cleared nor added to the
/// gradient's norm; and as long as a row never had one, a step of AdamW only decays it.
final class TouchedRows {
  let count: Int
  let width: Int
  /// Whether a row has ever had a gradient.
  private(set) var ever: [Bool]
  private var isNow: [Bool]
  /// Rows that have one now, as they came.
  private var rows: [Int] = []

  init(count: Int, width: Int) {
    self.count = count
    self.width = width
    ever = Array(repeating: false, count: count)
    isNow = ever
  }

  var elements: Int { count * width }

  func add(_ row: Int) {
    if isNow[row] { return }
    isNow[row] = true
    ever[row] = true
    rows.append(row)
  }

  func addAll() {
    guard rows.count < count else { return }
    for row in 0..<count { add(row) }
  }

  /// Takes over which rows ever had a gradient from what a step of AdamW remembers of it.
  func restore<S: TrainingScalar>(_ moments: Block<S>) {
    for row in 0..<count where !ever[row] {
      for i in (row * width)..<((row + 1) * width) where moments.base[i] != 0 {
        ever[row] = true
        break
      }
    }
  }

  /// In their order.
  var now: [Int] { rows.sorted() }

  func clear<S: TrainingScalar>(_ gradients: Block<S>) {
    for row in rows {
      isNow[row] = false
      (gradients.base + row &* width).update(repeating: 0, count: width)
    }
    rows.removeAll(keepingCapacity: true)
  }
}

extension EncoderInput where S == Float {
  convenience init(_ model: Model) throws(ClozeError) {
    let info = model.info
    guard let (embeddings, epsilon) = model.encoderEmbeddings else {
      throw ClozeError(
        .unsupportedModel,
        "embeddings that are narrower than the layers are not trained; leave them as they are, "
          + "with unfreeze = \(info.numHiddenLayers - 1) or less")
    }
    try self.init(
      Settings(
        width: info.hiddenSize, vocabulary: info.vocabSize, positions: info.maxPositionEmbeddings,
        types: info.typeVocabSize, epsilon: epsilon))
    load(embeddings)
  }

  /// Takes over weights.
  func load(_ embeddings: EncoderEmbeddings) {
    for (segment, array) in zip(segments, embeddings.arrays) {
      for (at, value) in zip(segment.range, array) { parameters.base[at] = value }
    }
  }

  /// The embeddings as a head holds them.
  var embeddings: EncoderEmbeddings {
    EncoderEmbeddings(
      arrays: segments.map { segment in
        Array(
          UnsafeBufferPointer(
            start: parameters.base + segment.range.lowerBound, count: segment.range.count))
      })
  }
}
