internal import CClozeKernels
internal import Cloze
internal import ClozeIO

/// Attention within each sequence, head by head, on all threads.
extension EncoderStack {
  /// context = dropout(P) value, P = softmax(scale query key^T + bias)
  func attentionForward(_ a: Activations, _ layer: Int) throws(ClozeError) {
    let biases = try relativeBiases()
    try forEachHead { item, scratch in
      S.attention(
        head(item, a, layer, biases), a.context + start(item, stride: width), scratch, arithmetic)
    }
  }

  /// The gradients of query, key and value, [T, 3 D], valid until the next call; that of a bias is added up.
  func attentionBackward(_ dContext: Pointer, _ a: Activations, _ layer: Int) throws(ClozeError) -> Pointer {
    let result = try scratch.dProjections.reserve(offsets[offsets.count - 1] * 3 * width)
    let (biases, span) = (try relativeBiases(), 2 * longest)
    // Summed in a fixed order afterwards, as any thread may have any item.
    var dBias: Pointer?
    if biases != nil {
      let sums = try scratch.dBias.reserve(items * span)
      sums.update(repeating: 0, count: items * span)
      dBias = sums
    }
    try forEachHead { item, scratch in
      let query = result + start(item, stride: 3 &* width)
      S.attentionBackward(
        head(item, a, layer, biases), dContext + start(item, stride: width),
        AttentionGradients(
          query: query, key: query + width, value: query + 2 &* width,
          bias: dBias.map { $0 + (item &* span &+ longest) }), scratch, arithmetic)
    }
    if let dBias, let bucket = settings.bias?.bucket, let gradients = bias?.gradients {
      for item in 0..<items {
        let length = length(item)
        for distance in (1 - length)..<length {
          gradients[bucket(distance) * settings.heads + item % settings.heads] +=
            dBias[item * span + longest + distance]
        }
      }
    }
    return result
  }

  /// Heads of all sequences.
  private var items: Int { (offsets.count - 1) * settings.heads }

  /// Tokens of the longest sequence.
  private var longest: Int { zip(offsets, offsets.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) } }

  private func length(_ item: Int) -> Int {
    let sequence = item / settings.heads
    return offsets[sequence + 1] - offsets[sequence]
  }

  /// Where a head's part of a sequence begins in [T, stride].
  private func start(_ item: Int, stride: Int) -> Int {
    let (sequence, head) = item.quotientAndRemainder(dividingBy: settings.heads)
    return offsets[sequence] &* stride &+ head &* (width / settings.heads)
  }

  private func forEachHead(_ body: (Int, UnsafeMutableRawPointer) -> Void) throws(ClozeError) {
    try arithmetic.forEach(
      items, scratch: S.attentionScratch(longest, width / settings.heads, arithmetic), body)
  }

  private func head(_ item: Int, _ a: Activations, _ layer: Int, _ biases: UnsafePointer<S>?) -> AttentionHead<S> {
    let heads = settings.heads
    let query = UnsafePointer(a.projections + start(item, stride: 3 &* width))
    let (sequence, number) = item.quotientAndRemainder(dividingBy: heads)
    return AttentionHead(
      query: query, key: query + width, value: query + 2 &* width, stride: 3 &* width, contextStride: width,
      length: length(item), size: width / heads, scale: settings.layers[layer].attentionScale,
      bias: biases.map { $0 + (number &* 2 &* longest &+ longest) }, dropout: dropout[.attention(layer: layer)],
      row: offsets[sequence] &* heads &+ number, rowStep: heads)
  }

  /// [H, 2 longest] the bias of each head by relative position, that of 0 at `longest`; nil: none.
  private func relativeBiases() throws(ClozeError) -> UnsafePointer<S>? {
    guard let table = bias?.values, let bucket = settings.bias?.bucket else { return nil }
    let (heads, longest) = (settings.heads, longest)
    let biases = try scratch.bias.reserve(heads * 2 * longest)
    for distance in (1 - longest)..<longest {
      let row = table + bucket(distance) * heads
      for head in 0..<heads { biases[head * 2 * longest + longest + distance] = row[head] }
    }
    return UnsafePointer(biases)
  }
}
