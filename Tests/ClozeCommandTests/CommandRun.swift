import Foundation

/// One run of the built command, as a user's shell would do it.
struct CommandRun {
  /// The exit status, or the signal that ended the command.
  let status: Int32
  let wasKilled: Bool
  let output: [UInt8]
  let errors: String

  var text: String { String(decoding: output, as: UTF8.self) }
  var lines: [String] { text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init).dropLast() }

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
    let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
    return URL(fileURLWithPath: program).deletingLastPathComponent().appendingPathComponent("cloze-command").path
  }()

  /// Whether the command was made with optimisation; without it a model runs a hundred times as
  /// long.
  static let isFast = ProcessInfo.processInfo.environment["CLOZE_COMMAND"] != nil

  /// Runs the command to its end.
  init(_ arguments: [String], input: String = "") throws {
    try self.init(program: Self.executable, arguments, input: input)
  }

  /// Runs a line of shell, in which `$cloze` is the command.
  init(shell line: String) throws { try self.init(program: "/bin/sh", ["-c", line], input: "") }

  private init(program: String, _ arguments: [String], input: String) throws {
    // Files, because a pipe that nobody empties would stop the command.
    let folder = try TemporaryFolder()
    _ = try folder.write(input, to: "in")
    let descriptors = [
      open(folder.file("in"), O_RDONLY | O_CLOEXEC), open(folder.file("out"), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600),
      open(folder.file("err"), O_WRONLY | O_CREAT | O_CLOEXEC, 0o600),
    ]
    defer { for descriptor in descriptors { close(descriptor) } }
    let ending = try Subprocess(
      program, arguments, variables: ["cloze": Self.executable], input: descriptors[0], output: descriptors[1],
      errors: descriptors[2]
    ).wait()
    switch ending {
    case .exited(let status): (self.status, wasKilled) = (status, false)
    case .killed(let number): (status, wasKilled) = (number, true)
    }
    output = try folder.bytes(of: "out")
    errors = String(decoding: try folder.bytes(of: "err"), as: UTF8.self)
  }
}
