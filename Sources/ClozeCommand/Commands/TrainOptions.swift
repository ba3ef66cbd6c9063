import ArgumentParser
import Cloze
import ClozeTraining

/// How the files of examples are read.
struct DataOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The field with the text: its name or number.", valueName: "field"))
  var text: String?
  @Option(help: ArgumentHelp("The field with the second text.", valueName: "field"))
  var pair: String?
  @Option(help: ArgumentHelp("The field with the label, number or tag.", valueName: "field"))
  var label: String?
  @Option(help: "How the files hold examples (default: as their names end and the task reads).")
  var format: DataFormat.Kind?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("What stands between fields; \\t is a tab.", valueName: "s"))
  var separator: String?
  @Flag(name: .customLong("no-quotes"), help: "Quotes are text, not the bounds of a field.")
  var noQuotes = false
  @Flag(help: "The first line is a header, although fields are given by number.")
  var header = false
  @Flag(help: "Leave bad lines out, and say how many there were.")
  var skipBad = false

  func validate() throws {
    for (name, value) in [("--text", text), ("--pair", pair), ("--label", label)] {
      if let value, DataField(value) == nil {
        throw ValidationError("\(name) \(value): fields have a name, or count from 1")
      }
    }
  }

  var dataFormat: DataFormat {
    var result = DataFormat()
    result.kind = format
    result.text = text.flatMap(DataField.init)
    result.pair = pair.flatMap(DataField.init)
    result.label = label.flatMap(DataField.init)
    result.separator = separator == "\\t" ? "\t" : separator
    result.quotes = !noQuotes
    result.header = header
    result.skipBad = skipBad
    return result
  }
}

/// How a head is made and trained.
struct HeadOptions: ParsableArguments {
  @Option(help: "What the head reads of a text (default: what the model's files say, else mean).")
  var pooling: PoolingName?
  @Option(help: "What the head reads: the last layer's states, or a learned mix of all layers'.")
  var layers: TrainingOptions.Layers = .last
  @Option(
    help: ArgumentHelp(
      "Outputs of a layer before the last; give it again for more.", valueName: "n"))
  var hidden: [Int] = []
  @Option(
    help: ArgumentHelp("Share of inputs set to zero (default: 0, with adamw 0.1).", valueName: "p"))
  var dropout: Double?
  @Option(
    help: "lbfgs is exact and for linear heads over texts, whose default it is; else adamw.")
  var optimizer: TrainingOptions.Optimizer?
  @Option(help: ArgumentHelp("Passes over the examples (default: 20; --unfreeze 5).", valueName: "n"))
  var epochs: Int?
  @Option(help: ArgumentHelp("Examples of a batch (default: 32).", valueName: "n"))
  var batchSize: Int?
  @Option(help: ArgumentHelp("Batches of one step.", valueName: "n"))
  var accumulate = 1
  @Option(help: ArgumentHelp("Of adamw (default: 0.001; linear tag, answer 0.01; --unfreeze n 0.0004 / n).", valueName: "x"))
  var learningRate: Double?
  @Option(help: "How the learning rate goes down.")
  var schedule: Schedule = .linear
  @Option(help: ArgumentHelp("Share of steps in which it rises.", valueName: "p"))
  var warmup = 0.1
  @Option(help: ArgumentHelp("Of adamw.", valueName: "x"))
  var weightDecay = 0.01
  @Option(help: ArgumentHelp("Of lbfgs: scikit-learn's 1 / C.", valueName: "x"))
  var l2 = 1.0
  @Option(help: ArgumentHelp("Longest gradient; 0: any.", valueName: "x"))
  var clip = 1.0
  @Option(help: ArgumentHelp("Share of a class spread over all.", valueName: "p"))
  var labelSmoothing = 0.0
  @Option(help: ArgumentHelp("Weight of a class; give it again for more.", valueName: "label=x"))
  var classWeight: [String] = []
  @Flag(help: "Weigh classes inversely to their number of examples.")
  var balanced = false
  @Option(
    help: ArgumentHelp(
      "Epochs without progress after which training ends; 0: none.", valueName: "n"))
  var patience = 10
  @Option(
    help: ArgumentHelp("The metric that decides (default: the task's first).", valueName: "name"))
  var metric: String?
  @Option(help: ArgumentHelp("Decides everything random.", valueName: "n"))
  var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Share held out where --valid is not given.", valueName: "p"))
  var holdout = 0.1
  @Option(help: ArgumentHelp("Most tokens of a text.", valueName: "n"))
  var maxTokens: Int?
  @Option(help: ArgumentHelp("Of answer: tokens that two windows share.", valueName: "n"))
  var stride = 128
  @Option(
    help: ArgumentHelp(
      "Train the last n layers of the encoder too, or all and the embeddings; needs --precision float32.",
      valueName: "n|all"))
  var unfreeze = LayerCount(layers: 0)
  @Flag(help: "Of mlm: train the decoder apart from the word embeddings.")
  var untied = false
  @Option(help: ArgumentHelp("Features beyond this go to a file.", valueName: "MB"))
  var memoryLimit = 1024

  func options(threads: Int?, folder: String, resume: Bool) throws -> TrainingOptions {
    var result = TrainingOptions()
    result.pooling = pooling?.value
    result.layers = layers
    result.hidden = hidden
    result.dropout = dropout
    result.optimizer = optimizer
    result.epochs = epochs
    result.batchSize = batchSize
    result.accumulation = accumulate
    result.learningRate = learningRate
    result.schedule = schedule
    result.warmup = warmup
    result.weightDecay = weightDecay
    result.l2 = l2
    result.clip = clip
    result.labelSmoothing = labelSmoothing
    result.balanced = balanced
    for item in classWeight {
      guard let equals = item.lastIndex(of: "="),
        let weight = Float(item[item.index(after: equals)...])
      else { throw ValidationError("--class-weight \(item): expected label=number") }
      result.classWeights[String(item[..<equals])] = weight
    }
    result.patience = patience
    result.metric = metric
    result.seed = seed
    result.holdout = holdout
    result.maxTokens = maxTokens
    result.stride = stride
    result.unfreeze = unfreeze.layers
    result.tied = !untied
    guard memoryLimit >= 0, memoryLimit < 1 << 40 else {
      throw ValidationError("--memory-limit \(memoryLimit): must be 0 or more")
    }
    result.memoryLimit = memoryLimit << 20
    result.threads = threads
    result.folder = folder
    result.resume = resume
    return result
  }
}

/// A number of layers, or all.
struct LayerCount: ExpressibleByArgument {
  var layers: Int

  init(layers: Int) { self.layers = layers }

  init?(argument: String) {
    guard let layers = argument == "all" ? .max : Int(argument) else { return nil }
    self.layers = layers
  }

  var defaultValueDescription: String { layers == .max ? "all" : "\(layers)" }
}
