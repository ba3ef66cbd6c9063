import ArgumentParser
import Cloze
import ClozeIO
import ClozeTraining

/// The format of the files of examples.
struct DataOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The field or column with the text or word: name or number.", valueName: "field"))
  var text: String?
  @Option(help: ArgumentHelp("The field with the second text.", valueName: "field")) var pair: String?
  @Option(help: ArgumentHelp("The field or column with the label, number or tag.", valueName: "field")) var label:
    String?
  @Option(help: "Format of the files (default: by extension and task).") var format: DataFormat.Kind?
  @Option(parsing: .unconditional, help: ArgumentHelp("Field separator; \\t is a tab.", valueName: "s")) var separator:
    String?
  @Flag(
    inversion: .prefixedNo,
    help: "Whether fields may be in quotes, as in CSV, or quotes are text (default: in quotes in CSV, text in TSV).")
  var quotes: Bool?
  @Flag(help: "Skip a header line although fields are given by number.") var header = false
  @Flag(help: "Skip bad lines and report their number.") var skipBad = false

  func validate() throws {
    for (name, value) in [("--text", text), ("--pair", pair), ("--label", label)] {
      if let value, DataField(value) == nil {
        throw ValidationError("\(name) \(value): a field has a name, or a number from 1")
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
    result.quotes = quotes
    result.header = header
    result.skipBad = skipBad
    return result
  }
}

/// Architecture and training of a head.
struct HeadOptions: ParsableArguments {
  @Option(help: "Pooling that the head reads (default: as the model's files say, else mean).") var pooling: Pooling?
  @Option(
    help: ArgumentHelp(
      "classify-pairs, regress-pairs: texts as one sequence, or each by itself (default: joint if the model has a "
        + "next-sentence head or classes, else apart).",
      valueName: "joint|apart")) var pairs: Head.Pairs?
  @Option(help: "Layers that the head reads: the last, or a learned mix of all.") var layers: TrainingOptions.Layers =
    .last
  @Option(help: ArgumentHelp("Size of a hidden layer of the head; repeat for more layers.", valueName: "n")) var hidden:
    [Int] = []
  @Option(
    help: ArgumentHelp(
      "Dropout rate, of the head and of encoder layers that are trained (default: 0.1; with lbfgs, and in the heads of "
        + "mlm and nsp, 0).", valueName: "p")) var dropout: Double?
  @Option(help: "Optimizer; lbfgs is for linear heads on texts, their default; else adamw.") var optimizer:
    TrainingOptions.Optimizer?
  @Option(help: ArgumentHelp("Passes over the examples (default: 20; with --unfreeze 5).", valueName: "n")) var epochs:
    Int?
  @Option(help: ArgumentHelp("Examples per batch (default: 32).", valueName: "n")) var batchSize: Int?
  @Option(help: ArgumentHelp("Batches per optimizer step.", valueName: "n")) var accumulate = 1
  @Option(
    help: ArgumentHelp(
      "Learning rate of adamw (default: 0.001; linear tag, answer 0.01; --unfreeze n 0.0004 / n).", valueName: "x"))
  var learningRate: Double?
  @Option(
    help: ArgumentHelp(
      "What the learning rate is multiplied by from each encoder layer to the one below, with --unfreeze.",
      valueName: "x")) var layerDecay = 1.0
  @Option(help: "Learning rate schedule.") var schedule: Schedule = .linear
  @Option(help: ArgumentHelp("Fraction of steps in which the learning rate rises.", valueName: "p")) var warmup = 0.1
  @Option(help: ArgumentHelp("Weight decay of adamw.", valueName: "x")) var weightDecay = 0.01
  @Option(help: ArgumentHelp("L2 penalty of lbfgs: scikit-learn's 1 / C.", valueName: "x")) var l2 = 1.0
  @Option(help: ArgumentHelp("Maximum norm of the gradient; 0 for none.", valueName: "x")) var clip = 1.0
  @Option(help: ArgumentHelp("Label smoothing: probability spread over all classes.", valueName: "p"))
  var labelSmoothing = 0.0
  @Option(help: ArgumentHelp("Weight of a class in the loss; repeat for more classes.", valueName: "label=x"))
  var classWeight: [String] = []
  @Flag(help: "Weight classes inversely to their number of examples.") var balanced = false
  @Option(help: ArgumentHelp("Stop after n epochs without improvement; 0 for never.", valueName: "n")) var patience = 10
  @Option(help: ArgumentHelp("Metric that selects the best epoch (default: the task's first).", valueName: "name"))
  var metric: String?
  @Option(help: ArgumentHelp("Random seed.", valueName: "n")) var seed: UInt64 = 0
  @Option(help: ArgumentHelp("Fraction held out for validation without --valid.", valueName: "p")) var holdout = 0.1
  @Option(help: ArgumentHelp("Maximum tokens of a text.", valueName: "n")) var maxTokens: Int?
  @Option(
    help: ArgumentHelp(
      "answer: tokens that consecutive windows share (default: 128, at most a third of a window).", valueName: "n"))
  var stride: Int?
  @Option(
    help: ArgumentHelp(
      "Also train the last n encoder layers, or all and the embeddings; needs --precision float32.", valueName: "n|all")
  ) var unfreeze = LayerCount(layers: 0)
  @Flag(help: "mlm: train the decoder separately from the word embeddings.") var untied = false
  @Option(help: ArgumentHelp("Memory for features; more go to a file.", valueName: "MB")) var memoryLimit = 1024

  func options(threads: Int?, folder: String, resume: Bool, overwrite: Bool) throws -> TrainingOptions {
    var result = TrainingOptions()
    result.pooling = pooling
    result.pairs = pairs
    result.layers = layers
    result.hidden = hidden
    result.dropout = dropout
    result.optimizer = optimizer
    result.epochs = epochs
    result.batchSize = batchSize
    result.accumulation = accumulate
    result.learningRate = learningRate
    result.layerDecay = layerDecay
    result.schedule = schedule
    result.warmup = warmup
    result.weightDecay = weightDecay
    result.l2 = l2
    result.clip = clip
    result.labelSmoothing = labelSmoothing
    result.balanced = balanced
    for item in classWeight {
      guard let equals = item.lastIndex(of: "="), let weight = Float(item[item.index(after: equals)...]) else {
        throw ValidationError("--class-weight \(item): expected label=number")
      }
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
    result.overwrite = overwrite
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
