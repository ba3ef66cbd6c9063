import Foundation

/// Files beside the tests, and the numbers that belong to them.
public enum Fixture {
  public static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(
    path: "Fixtures/onnx"
  ).path

  /// The model that the library has inside, 15 MB.
  public static let builtInModel = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "models/cloze-mini/model.onnx").path

  public static func path(_ name: String) -> String { folder + "/" + name + ".onnx" }

  public static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(filePath: path(name))))
  }

  /// Every BERT among the fixtures, by the name of its numbers.
  public static let all: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter {
    $0.hasSuffix(".expected")
  }.map { String($0.dropLast(9)) }.sorted()

  /// Those with integers in them, "int8/NAME"; their numbers hold the error that is allowed too.
  public static let quantized: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder + "/int8")) ?? []).filter {
      $0.hasSuffix(".expected")
    }.map { "int8/" + String($0.dropLast(9)) }.sorted()

  /// Folders of `model.safetensors` and `config.json`, "../pretrained/NAME".
  public static let pretrained: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder + "/../pretrained")) ?? []).filter {
      $0.hasSuffix(".expected")
    }.map { "../pretrained/" + String($0.dropLast(9)) }.sorted()

  /// The model file of a fixture: beside its numbers, or in a folder of its own with external data.
  public static func modelPath(_ name: String) -> String {
    if name.hasPrefix("../pretrained/") { return folder + "/" + name }
    let folder = folder + "/" + name + "/model.onnx"
    return FileManager.default.fileExists(atPath: folder) ? folder : path(name)
  }

  public struct Array: Sendable {
    public var shape: [Int]
    public var floats: [Float]
    public var ints: [Int]
  }

  public struct Malformed: Error {}

  /// Reads a file of expected numbers; the format is in Fixtures/README.md.
  public static func expected(_ name: String) throws -> [String: Array] {
    let data = [UInt8](try Data(contentsOf: URL(filePath: folder + "/" + name + ".expected")))
    var position = 8
    guard data.starts(with: Swift.Array("CLZEXP1\n".utf8)) else { throw Malformed() }
    func word() throws -> Int {
      guard position + 4 <= data.count else { throw Malformed() }
      defer { position += 4 }
      return (0..<4).reduce(0) { $0 | Int(data[position + $1]) << (8 * $1) }
    }
    var result: [String: Array] = [:]
    for _ in 0..<(try word()) {
      let length = try word()
      guard position + length <= data.count else { throw Malformed() }
      let key = String(decoding: data[position..<(position + length)], as: UTF8.self)
      position += length
      let kind = try word()
      let shape = try (0..<(try word())).map { _ in try word() }
      let count = shape.reduce(1, *)
      var array = Array(shape: shape, floats: [], ints: [])
      for _ in 0..<count {
        let bits = UInt32(try word())
        if kind == 0 {
          array.floats.append(Float(bitPattern: bits))
        } else {
          array.ints.append(Int(Int32(bitPattern: bits)))
        }
      }
      result[key] = array
    }
    guard position == data.count else { throw Malformed() }
    return result
  }
}
