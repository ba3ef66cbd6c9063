internal import CClozeKernels
internal import ClozeIO

/// The pre-training heads, over rows of the last hidden state.
extension Encoder {
  /// pooled [count, D] = tanh(W x + b) of rows x [count, D].
  func pool(_ rows: UnsafePointer<Float>, _ count: Int, to pooled: UnsafeMutablePointer<Float>)
    throws(ClozeError)
  {
    guard let pooler = model.weights.pooler else { throw model.lacks("pooler") }
    try multiply(pooler, activation: .tanh, source: rows, rows: count, target: pooled)
  }

  /// logits [count, 2] of the pooler's output [count, D].
  func nextSentence(
    _ pooled: UnsafePointer<Float>, _ count: Int, to logits: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    guard let head = model.weights.nextSentence else { throw model.lacks("next-sentence head") }
    try multiply(head, activation: .identity, source: pooled, rows: count, target: logits)
  }

  /// logits [count, V] of rows [count, D]; `rows` is overwritten.
  func maskedLM(
    _ rows: UnsafeMutablePointer<Float>, _ count: Int, scratch: UnsafeMutablePointer<Float>,
    to logits: UnsafeMutablePointer<Float>
  ) throws(ClozeError) {
    guard let head = model.weights.maskedLM else { throw model.lacks("masked language model") }
    try multiply(
      head.transform, activation: head.activation, source: rows, rows: count, target: scratch)
    kernels.normalize(scratch, head.norm, rows: count, width: model.info.hiddenSize, to: rows)
    try multiply(head.decoder, activation: .identity, source: rows, rows: count, target: logits)
  }
}
