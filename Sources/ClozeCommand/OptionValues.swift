public import ArgumentParser
public import Cloze
public import ClozeTokenizer
public import ClozeTraining

// Values of options have the same names as in the other interfaces.

extension ExportFormat: ExpressibleByArgument {}
extension ISA: ExpressibleByArgument {}
extension Truncation: ExpressibleByArgument {}
extension Head.Task: ExpressibleByArgument {}
extension Head.Pairs: ExpressibleByArgument {}
extension Schedule: ExpressibleByArgument {}
extension TrainingOptions.Optimizer: ExpressibleByArgument {}
extension TrainingOptions.Layers: ExpressibleByArgument {}
extension TrainingPrecision: ExpressibleByArgument {}
extension PretrainingOptions.Objective: ExpressibleByArgument {}
extension PretrainingOptions.Start: ExpressibleByArgument {}
extension DataFormat.Kind: ExpressibleByArgument {}

enum PrecisionName: String, CaseIterable, ExpressibleByArgument {
  case int8
  case float32

  init(_ value: Precision) {
    switch value {
    case .int8: self = .int8
    case .float32: self = .float32
    }
  }

  var value: Precision {
    switch self {
    case .int8: .int8
    case .float32: .float32
    }
  }
}

extension Pooling: ExpressibleByArgument {
  public init?(argument: String) { self.init(name: argument) }
  public var defaultValueDescription: String { name }
  public static var allValueStrings: [String] { allCases.map(\.name) }
}
