import Foundation

/// One run of the built command, as a user's shell would do it.
struct CommandRun {
  let status: Int32
  let wasKilled: Bool
  let output: [UInt8]
  let errors: String

  var text: String { String(decoding: output, as: UTF8.self) }
  var lines: [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).dropLast()
  }

  /// Every line of the output as a JSON object.
  func objects() throws -> [[String: Any]] {
    try lines.map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
      guard let object = object as? [String: Any] else { throw CocoaError(.coderReadCorrupt) }
      return object
    }
  }

  /// The command to test: `CLOZE_COMMAND`, else the one beside the test program.
  static let executable: String = {
    if let named = ProcessInfo.processInfo.environment["CLOZE_COMMAND"] { return named }
    let program =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: program).deletingLastPathComponent()
      .appendingPathComponent("cloze-command").path
  }()

  /// Whether the command was made with optimisation; without it a model runs a hundred times as
  /// long.
  static let isFast = ProcessInfo.processInfo.environment["CLOZE_COMMAND"] != nil

  /// Runs the command to its end.
  init(_ arguments: [String], input: [UInt8] = []) throws {
    try self.init(program: Self.executable, arguments, input: input)
  }

  init(_ arguments: [String], input: String) throws {
    try self.init(arguments, input: Array(input.utf8))
  }

  /// Runs a line of shell, in which `$cloze` is the command.
  init(shell line: String) throws {
    try self.init(program: "/bin/sh", ["-c", line], input: [])
  }

  private init(program: String, _ arguments: [String], input: [UInt8]) throws {
    let folder = try TemporaryFolder()
    // Files, because a pipe that nobody empties would stop the command.
    let paths = try ["in", "out", "err"].map { try folder.write($0 == "in" ? input : [], to: $0) }
    let process = Self.process(program: program, arguments)
    process.standardInput = try FileHandle(forReadingFrom: URL(fileURLWithPath: paths[0]))
    process.standardOutput = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[1]))
    process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: paths[2]))
    try process.run()
    process.waitUntilExit()
    status = process.terminationStatus
    wasKilled = process.terminationReason == .uncaughtSignal
    output = try folder.bytes(of: "out")
    errors = String(decoding: try folder.bytes(of: "err"), as: UTF8.self)
  }

  /// The command, not yet started, with the environment of the tests.
  static func process(program: String = executable, _ arguments: [String]) -> Process {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    var environment = ProcessInfo.processInfo.environment
    environment["cloze"] = executable
    process.environment = environment
    return process
  }
}
