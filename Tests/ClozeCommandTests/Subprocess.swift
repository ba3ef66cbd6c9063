import ClozeIO
import Glibc

/// A program that was started, with its standard streams connected to files or pipes.
///
/// Foundation's `Process` is not used, as it leaks: the leak check of a sanitized test run would
/// fail.
struct Subprocess {
  let processID: pid_t

  /// How a program ended.
  enum Ending: Equatable {
    case exited(Int32)
    case killed(Int32)
  }

  struct Failure: Error { let code: Int32 }

  /// Starts a program with the environment of this one and `variables`, with no signal blocked and
  /// every signal acting as usual.
  init(
    _ program: String, _ arguments: [String], variables: [String: String] = [:], input: Int32, output: Int32,
    errors: Int32
  ) throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (descriptor, target) in [(input, 0), (output, 1), (errors, 2)] as [(Int32, Int32)] {
      posix_spawn_file_actions_adddup2(&actions, descriptor, target)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGXFSZ] { sigaddset(&signals, number) }
    posix_spawnattr_setsigdefault(&attributes, &signals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var environment: [String] = variables.map { "\($0)=\($1)" }
    var entry = environ
    while let variable = entry.pointee {
      environment.append(String(cString: variable))
      entry += 1
    }
    var processID: pid_t = 0
    let code = Self.withCStrings([program] + arguments) { arguments in
      Self.withCStrings(environment) { environment in
        posix_spawn(&processID, program, &actions, &attributes, arguments, environment)
      }
    }
    guard code == 0 else { throw Failure(code: code) }
    self.processID = processID
  }

  /// Waits for the end.
  func wait() -> Ending {
    var status: Int32 = 0
    while waitpid(processID, &status, 0) < 0, errno == EINTR {}
    let number = status & 0x7F
    return number == 0 ? .exited(status >> 8 & 0xFF) : .killed(number)
  }

  func signal(_ number: Int32) { kill(processID, number) }

  private static func withCStrings<Result>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result)
    -> Result
  {
    let copies = strings.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }
}

/// The two ends of a pipe, which no program inherits by chance.
struct PipeEnds {
  let reading: Int32
  let writing: Int32

  init() throws {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw Subprocess.Failure(code: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (reading, writing) = (ends[0], ends[1])
  }

  func write(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { writeAll($0, to: writing) } }

  /// Everything up to the next line end, or the end.
  func readLine() -> String {
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while read(reading, &byte, 1) == 1, byte != 0x0A { line.append(byte) }
    return String(decoding: line, as: UTF8.self)
  }
}
