import Testing

@testable import ClozeIO

@Suite struct NearestTests {
  private static let commands = ["embed", "encode", "fill-mask", "tokenize", "train", "predict"]
  private static let options = ["learning_rate", "label_smoothing", "batch_size", "epochs", "l2", "seed"]

  @Test(arguments: [
    ("emebd", "embed"), ("fillmask", "fill-mask"), ("Train", "train"), ("tokenise", "tokenize"), ("pedict", "predict"),
  ]) func commands(_ word: String, _ meant: String) { #expect(nearest(word, among: Self.commands) == meant) }

  @Test(arguments: [
    ("lr", "learning_rate"), ("bs", "batch_size"), ("learning-rate", "learning_rate"), ("epoch", "epochs"),
  ])
  func options(_ word: String, _ meant: String) { #expect(nearest(word, among: Self.options) == meant) }

  @Test(arguments: ["", "x", "hello world", "zz", String(repeating: "é", count: 10_000)])
  func nothingIsNear(_ word: String) {
    #expect(nearest(word, among: Self.commands) == nil)
    #expect(suggestion(for: word, among: Self.commands) == "")
  }

  @Test func suffixesThatPromiseAnotherFormat() {
    for path in ["v.csv", "a/b.NPZ", "x.y.json"] {
      #expect(throws: ClozeError.self) { try refuseOtherSuffix(path, suffix: "npy", format: "NumPy's format") }
    }
    for path in ["v.npy", "v.NPY", "v", "/dev/null", "a.csv/v", "v.vectors", ".csv.npy", "v."] {
      #expect(throws: Never.self) { try refuseOtherSuffix(path, suffix: "npy", format: "NumPy's format") }
    }
  }
}
