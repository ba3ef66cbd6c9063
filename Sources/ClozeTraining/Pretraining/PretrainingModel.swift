internal import Cloze
internal import ClozeIO

/// A BERT with the heads of its pre-training, all of it trained: embeddings, encoder, masked language model with the
/// word table as its decoder, and next sentence.
final class PretrainingModel {
  /// Sizes and constants that weights do not tell.
  struct Configuration: Equatable {
    var vocabulary: Int
    var hidden: Int
    var layers: Int
    var heads: Int
    var intermediate: Int
    var positions: Int
    var types = 2
    var activation = Activation.gelu
    var epsilon: Float = 1e-12
  }

  /// Losses of a batch and, where they were wanted, how many predictions were right.
  struct Outcome {
    var maskedLMLoss = 0.0
    /// 0 where it is not learned.
    var nextSentenceLoss = 0.0
    var maskedLMCorrect = 0
    var nextSentenceCorrect = 0

    var loss: Double { maskedLMLoss + nextSentenceLoss }
  }

  let configuration: Configuration
  let input: EncoderInput<Float>
  let stack: EncoderStack<Float>
  let maskedLM: Network<Float>
  /// Pooler and classifier; nil where the next sentence is not learned.
  let nextSentence: Network<Float>?
  private let loss = Loss()
  private var masked = GrowingBuffer<Float>()
  private var firsts = GrowingBuffer<Float>()
  private var dStates = GrowingBuffer<Float>()

  /// A model whose weights are still to be set.
  init(_ configuration: Configuration, hasNextSentence: Bool, _ arithmetic: Arithmetic) throws(ClozeError) {
    let width = configuration.hidden
    self.configuration = configuration
    input = try EncoderInput(
      .init(
        width: width, vocabulary: configuration.vocabulary, positions: configuration.positions,
        types: configuration.types, epsilon: configuration.epsilon), arithmetic)
    // The decoder gives every row a gradient.
    input.parameters.touched = nil
    let size = width / configuration.heads
    let layer = EncoderStack<Float>.Settings.Layer(
      activation: configuration.activation, attentionScale: 1 / Float(size).squareRoot(),
      attentionNormEpsilon: configuration.epsilon, outputNormEpsilon: configuration.epsilon)
    stack = try EncoderStack(
      .init(
        width: width, heads: configuration.heads, intermediate: configuration.intermediate,
        layers: Array(repeating: layer, count: configuration.layers)), arithmetic)
    maskedLM = try Network(
      [
        DenseLayer(inputs: width, outputs: width, activation: configuration.activation, norm: configuration.epsilon),
        DenseLayer(inputs: width, outputs: configuration.vocabulary, borrowsWeight: true),
      ], arithmetic)
    maskedLM.borrow(.init(weight: input.values.word, gradient: input.gradients.word, owner: input))
    nextSentence =
      try hasNextSentence
      ? Network(
        [DenseLayer(inputs: width, outputs: width, activation: .tanh), DenseLayer(inputs: width, outputs: 2)],
        arithmetic) : nil
  }

  var blocks: [ParameterBlock<Float>] {
    [input.parameters, stack.parameters, maskedLM.parameters] + (nextSentence.map { [$0.parameters] } ?? [])
  }

  /// Runs a batch forward, and backward where gradients are wanted, which it adds.
  ///
  /// - Parameter isTraining: false: no gradients, but counts of right predictions.
  func run(_ batch: PretrainingBatch, isTraining: Bool, dropout: Dropout = .none) throws(ClozeError) -> Outcome {
    let (width, offsets) = (configuration.hidden, batch.tokens.offsets)
    let (tokens, rows, sequences) = (batch.tokens.ids.count, batch.positions.count, batch.sequences)
    let embeddings = try input.forward(batch.tokens, dropout: dropout)
    let states = try stack.forward(embeddings, offsets: offsets, dropout: dropout)
    var outcome = Outcome()

    let masked = try masked.reserve(max(rows * width, 1))
    for (row, token) in batch.positions.enumerated() {
      (masked + row &* width).update(from: states + token &* width, count: width)
    }
    let words = try maskedLM.forward(masked, rows: rows)
    if !isTraining { outcome.maskedLMCorrect = correct(words, maskedLM.outputs, batch.targets) }
    outcome.maskedLMLoss = Double(
      try loss(words, rows: rows, outputs: maskedLM.outputs, .classes(batch.targets), offsets: [], stack.arithmetic))

    var sentences: UnsafeMutablePointer<Float>?
    if let nextSentence {
      let firsts = try firsts.reserve(sequences * width)
      for sequence in 0..<sequences {
        (firsts + sequence &* width).update(from: states + offsets[sequence] &* width, count: width)
      }
      let logits = try nextSentence.forward(firsts, rows: sequences)
      if !isTraining { outcome.nextSentenceCorrect = correct(logits, 2, batch.classes) }
      outcome.nextSentenceLoss = Double(
        try loss(logits, rows: sequences, outputs: 2, .classes(batch.classes), offsets: [], stack.arithmetic))
      sentences = logits
    }
    guard isTraining else { return outcome }

    let d = try dStates.reserve(tokens * width)
    d.update(repeating: 0, count: tokens * width)
    if rows > 0, let dMasked = try maskedLM.backward(words, rows: rows, wantsInput: true) {
      for (row, token) in batch.positions.enumerated() {
        (d + token &* width).update(from: dMasked + row &* width, count: width)
      }
    }
    if let nextSentence, let sentences,
      let dFirsts = try nextSentence.backward(sentences, rows: sequences, wantsInput: true)
    {
      for sequence in 0..<sequences {
        Float.add(dFirsts + sequence &* width, width, d + offsets[sequence] &* width, stack.arithmetic)
      }
    }
    try stack.backward(d)
    try input.backward(d)
    return outcome
  }

  /// How many rows of `logits` have their largest value at the target.
  private func correct(_ logits: UnsafePointer<Float>, _ outputs: Int, _ targets: [Int32]) -> Int {
    var count = 0
    for (row, target) in targets.enumerated() {
      let z = logits + row &* outputs
      let value = z[Int(target)]
      var isBest = true
      for c in 0..<outputs where z[c] > value || z[c] == value && c < Int(target) {
        isBest = false
        break
      }
      if isBest { count += 1 }
    }
    return count
  }
}
