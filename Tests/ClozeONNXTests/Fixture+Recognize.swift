import ClozeTestSupport

@testable import ClozeONNX

/// Fixtures as recognised graphs.
extension Fixture {
  static func recognize(_ name: String) throws -> BERTGraph { try recognizeBERT(in: try ONNXFile(path: path(name))) }
}
