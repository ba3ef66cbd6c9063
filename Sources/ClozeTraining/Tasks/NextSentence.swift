internal import Cloze
internal import ClozeIO

/// Whether the second of two sentences follows the first (Devlin et al. 2019).
struct NextSentence: TrainingTask {
  var task: Head.Task { .nsp }
  var formats: [DataFormat.Kind] { [.lines, .jsonl, .json] }
  var pooling: Pooling? { .cls }
  var hasClasses: Bool { true }
  var isPretraining: Bool { true }
  var metrics: [String] { classification.metrics }

  /// Its pairs are examples of a classification.
  private var classification: Classification { Classification(task: .nsp) }

  func content(_ line: JSONField, _ format: DataFormat) throws(ClozeError) -> Example.Content {
    try document(line, format)
  }

  func examples(_ dataset: Dataset, seed: UInt64) throws(ClozeError) -> Dataset {
    let pairs = Self.pairs(dataset, seed: seed)
    guard !pairs.examples.isEmpty else {
      throw ClozeError(.invalidText, "no pairs: two documents with two sentences are needed in each set")
    }
    return pairs
  }

  /// For each sentence that has one after it a pair: in half of them with that one, in the others with a random
  /// sentence of another document.
  static func pairs(_ documents: Dataset, seed: UInt64) -> Dataset {
    var texts: [(sentences: [String], place: String)] = []
    for example in documents.examples {
      if case .document(let sentences) = example.content, !sentences.isEmpty {
        texts.append((sentences, example.place))
      }
    }
    var pairs = Dataset()
    guard texts.count >= 2 else { return pairs }
    var random = TrainingRandom(seed, .sentencePairs)
    for (number, document) in texts.enumerated() {
      for i in 0..<max(document.sentences.count - 1, 0) {
        let isNext = random.unit() < 0.5
        var other = random.below(texts.count - 1)
        if other >= number { other += 1 }
        let sentences = texts[other].sentences
        let second = isNext ? document.sentences[i + 1] : sentences[random.below(sentences.count)]
        pairs.examples.append(
          Example(
            .text(Text(document.sentences[i], second), label: isNext ? "next" : "not next"), place: document.place))
      }
    }
    return pairs
  }

  func labels(of dataset: Dataset) throws(ClozeError) -> [String] { ["next", "not next"] }

  func append(_ content: Example.Content, _ index: Int, to data: inout TokenizedDataset, _ preparation: Preparation)
    throws(ClozeError)
  { try classification.append(content, index, to: &data, preparation) }

  /// Pooler and classifier, from the model's own where it has them.
  func network(_ setup: TrainingSetup, labels: [String], input: EncoderInput<Float>?) throws(ClozeError) -> Network<
    Float
  > {
    let width = setup.model.info.hiddenSize
    let network = try Network<Float>(
      [DenseLayer(inputs: width, outputs: width, activation: .tanh), DenseLayer(inputs: width, outputs: 2)],
      setup.arithmetic)
    network.initialize(seed: setup.options.seed)
    if let own = setup.model.nextSentenceLayers { network.load(own) }
    return network
  }

  func evaluate(_ predictions: Predictions) -> TaskScores { classification.evaluate(predictions) }
  func baseline(_ predictions: Predictions, _ prior: Prior) -> (rule: Baseline.Rule, metrics: Metrics)? {
    classification.baseline(predictions, prior)
  }
  func mistakes(_ predictions: Predictions) -> [WrongPrediction] { classification.mistakes(predictions) }
}
