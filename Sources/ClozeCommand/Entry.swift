import ArgumentParser
import Cloze
import ClozeIO
import ClozeTokenizer
import Glibc

/// The command `cloze` with its subcommands.
struct RootCommand: ParsableCommand {
  static let version = "\(libraryVersion)"

  static let configuration = CommandConfiguration(
    commandName: "cloze",
    abstract: "Run BERT on your own machine: embeddings, masked tokens, sentence pairs, heads.",
    discussion: """
      Without --model, a small built-in English and Chinese model is used.

        cloze fill-mask "The first world [MASK] began in 1914."
        cloze embed --input texts.txt --output vectors.npy
        cloze inspect model.onnx

      Results go to standard output, everything else to standard error. Exit status: 0 success, \
      1 failure, 64 wrong usage.
      """, version: "cloze \(version)",
    subcommands: [
      Embed.self, Encode.self, FillMask.self, NextSentenceCommand.self, Tokenize.self, Inspect.self, Convert.self,
      Export.self, VocabularyCommand.self, Pretrain.self, Train.self, Evaluate.self, Predict.self, Rerank.self,
      Search.self, Similar.self, Bench.self,
    ])

  func run() throws {
    StandardError.write(Self.helpMessage() + "\n")
    throw ExitCode.validationFailure
  }
}

/// The entry point.
@main enum Entry {
  static func main() {
    occupyStandardDescriptors()
    exit(run())
  }

  /// Runs the command line, reports an error in one line, and returns the exit status.
  static func run(_ arguments: [String]? = nil) -> Int32 {
    do {
      if arguments == nil { try checkArguments() }
      var command = try RootCommand.parseAsRoot(arguments)
      try command.run()
      return EXIT_SUCCESS
    } catch is ReaderGone {
      // Ends like other programs whose output is closed; where the signal is ignored, with a silent failure.
      signal(SIGPIPE, SIG_DFL)
      raise(SIGPIPE)
      return EXIT_FAILURE
    } catch let error as ClozeError {
      StandardError.note(error.message)
      // An invalid argument of the library is an invalid option of the command line.
      return error.status == .invalidArgument ? ExitCode.validationFailure.rawValue : EXIT_FAILURE
    } catch let code as ExitCode { return code.rawValue } catch { return finish(error) }
  }

  /// Opens /dev/null for standard streams that are closed, so that no other file gets their descriptors and receives
  /// their output. The mode is the opposite one: reading standard input or writing standard output still fails.
  private static func occupyStandardDescriptors() {
    for (descriptor, mode) in [(0, O_WRONLY), (1, O_RDONLY), (2, O_WRONLY)] as [(Int32, Int32)]
    where fcntl(descriptor, F_GETFD) == -1 {
      // The lowest free descriptor is taken, and those below are in use.
      _ = open("/dev/null", mode)
    }
  }

  /// Reports wrong usage, or prints help or version.
  private static func finish(_ error: any Error) -> Int32 {
    let code = RootCommand.exitCode(for: error)
    guard code == .success else {
      let message = RootCommand.message(for: error)
      let advice = message.hasPrefix("Unknown option") ? " (texts that begin with - go behind --)" : unknownCommand
      StandardError.note(message + advice)
      return code.rawValue
    }
    do {
      let output = ByteWriter.standardOutput()
      try output.write(RootCommand.fullMessage(for: error) + "\n")
      try output.flush()
      return EXIT_SUCCESS
    } catch {
      if let error = error as? ClozeError { StandardError.note(error.message) }
      return EXIT_FAILURE
    }
  }

  /// What a first argument that is no command was probably meant to be.
  private static var unknownCommand: String {
    let names = RootCommand.configuration.subcommands.compactMap { $0._commandName as String? }
    guard let first = CommandLine.arguments.dropFirst().first, !first.hasPrefix("-"), !names.contains(first) else {
      return ""
    }
    return suggestion(for: first, among: names)
  }

  /// Swift repairs arguments that are not UTF-8, which would change a text silently.
  private static func checkArguments() throws {
    for index in 1..<max(1, Int(CommandLine.argc)) {
      guard let argument = CommandLine.unsafeArgv[index] else { break }
      let bytes = UnsafeRawBufferPointer(start: argument, count: strlen(argument))
      if let offset = bytes.withMemoryRebound(to: UInt8.self, { UTF8Scan.firstInvalid($0) }) {
        throw ValidationError("argument \(index) is not UTF-8 at byte offset \(offset)")
      }
    }
  }
}
