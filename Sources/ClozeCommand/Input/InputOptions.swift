import ArgumentParser
import Cloze
import ClozeIO

/// The format of a file of texts.
enum InputFormat: String, CaseIterable, ExpressibleByArgument {
  /// One text per line.
  case lines
  /// One JSON object or array per line.
  case jsonl
  /// One JSON array, of texts, objects or arrays.
  case json
  /// Tab-separated fields.
  case tsv
  /// Comma-separated fields.
  case csv

  /// The format of a file by its extension.
  init(path: String) {
    let ending = path.split(separator: ".", omittingEmptySubsequences: false).last?.lowercased() ?? ""
    let named = ending == "ndjson" ? .jsonl : InputFormat(rawValue: ending)
    self = path.contains(".") ? named ?? .lines : .lines
  }
}

/// The source of texts: arguments, a file, or standard input.
struct InputOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Texts; without any, they are read from --input or standard input.")) var texts:
    [String] = []

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "A file of texts: one per line, or .jsonl, .json, .tsv or .csv with --text; - is standard input.",
      valueName: "file"))
  var input: String?

  @Option(
    help: ArgumentHelp(
      """
      The field with the text: its name in the header or JSON object, or its number, counted \
      from 1, where there is no header.
      """, valueName: "field")) var text: String?

  @Option(help: ArgumentHelp("The field with the second text of a pair.", valueName: "field")) var pair: String?

  @Option(help: ArgumentHelp("Format of the input (default: by the file's extension).", valueName: "format"))
  var format: InputFormat?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Field separator; \\t is a tab (default: a comma for .csv, else a tab).", valueName: "s"))
  var separator: String?

  @Flag(
    inversion: .prefixedNo,
    help: "Whether fields may be in quotes, as in CSV, or quotes are text (default: in quotes for .csv, text else).")
  var quotes: Bool?

  @Flag(help: "Skip a header line although fields are given by number.") var header = false

  @Flag(help: "Skip lines that cannot be read, and report their number and the first one.") var skipBad = false

  func validate() throws {
    guard texts.isEmpty else {
      let options: [(String, Bool)] = [
        ("--input", input != nil), ("--text", text != nil), ("--pair", pair != nil), ("--format", format != nil),
        ("--separator", separator != nil), ("--quotes or --no-quotes", quotes != nil), ("--header", header),
        ("--skip-bad", skipBad),
      ]
      if let (name, _) = options.first(where: \.1) {
        throw ValidationError("\(name) is for files and standard input, but texts were given as arguments")
      }
      return
    }
    for (name, value) in [("--text", text), ("--pair", pair)] {
      if let value, DataField(value) == nil {
        throw ValidationError("\(name) \(value.isEmpty ? "is empty" : value): a field has a name, or a number from 1")
      }
    }
    if let separator {
      let isSound = !separator.isEmpty && !separator.utf8.contains { $0 == 0x22 || $0 == 0x0A || $0 == 0x0D }
      guard isSound else { throw ValidationError("--separator must not be empty or contain a quote or line end") }
    }
  }

  /// By option or extension; other files are tab-separated if a field is given.
  private var resolvedFormat: InputFormat {
    let named = format ?? input.map(InputFormat.init(path:)) ?? .lines
    return named == .lines && format == nil && (text != nil || pair != nil) ? .tsv : named
  }

  /// Opens the source.
  ///
  /// - Parameters:
  ///   - argumentsArePairs: whether each two arguments are a pair.
  ///   - needsPairs: whether every text must be a pair; lines are then two tab-separated fields.
  ///   - canSkip: whether the command has `--skip-bad`, which the error of a bad line then mentions.
  func open(argumentsArePairs: Bool = false, needsPairs: Bool = false, canSkip: Bool = true) throws -> TextInput {
    if !texts.isEmpty { return try argumentSource(arePairs: argumentsArePairs) }
    var format = resolvedFormat
    var wanted = text.flatMap(DataField.init).map { WantedFields(text: $0, pair: pair.flatMap(DataField.init)) }
    if needsPairs, format == .lines, self.format == nil {
      format = .tsv
      wanted = WantedFields(text: .number(1), pair: .number(2))
    }
    try validate(format, wanted, needsPairs: needsPairs)

    try refuseOwnOutput()
    let file = try SequentialFile(path: input ?? "-")
    if file.isTerminal { StandardError.note("reading texts from the terminal, one a line; Ctrl-D ends") }
    let reader = reader(of: LineReader(file), format, wanted, needsPairs: needsPairs)
    return TextInput(reader, skipsBad: skipBad, advice: canSkip ? " (--skip-bad skips such lines)" : "")
  }

  private func reader(of lines: LineReader, _ format: InputFormat, _ wanted: WantedFields?, needsPairs: Bool)
    -> any TextReader
  {
    if format == .json { return JSONReader(lines, wanted: wanted) }
    guard format != .lines, let wanted else { return PlainLines(lines: lines) }
    if format == .jsonl { return JSONLinesReader(lines, wanted: wanted) }
    var reader = DelimitedReader(
      lines, separator: resolvedSeparator(format), quotes: quotes ?? (format == .csv), wanted: wanted,
      hasHeader: header)
    reader.remarksQuotes = quotes == nil
    // A pair a line is two fields, no more.
    if needsPairs, text == nil { reader.width = 2 }
    return reader
  }

  /// The files that texts are read from; none for arguments.
  var files: [String] { texts.isEmpty ? [input.map { $0 == "-" ? "/dev/stdin" : $0 } ?? "/dev/stdin"] : [] }

  /// Refuses to read the file that results are appended to, which would never end.
  private func refuseOwnOutput() throws {
    guard let output = FileIdentity("/dev/stdout") else { return }
    for file in files where FileIdentity(file) == output {
      throw ClozeError(.invalidArgument, "\(input ?? "standard input") is also standard output: write to another file")
    }
  }

  private func argumentSource(arePairs: Bool) throws -> TextInput {
    guard arePairs else { return TextInput(arguments: texts.map { Text($0) }, perText: 1) }
    guard texts.count % 2 == 0 else { throw ValidationError("a pair is two arguments, but \(texts.count) were given") }
    let pairs = stride(from: 0, to: texts.count, by: 2).map { Text(texts[$0], texts[$0 + 1]) }
    return TextInput(arguments: pairs, perText: 2)
  }

  private func validate(_ format: InputFormat, _ wanted: WantedFields?, needsPairs: Bool) throws {
    let name = input.map { $0 == "-" ? "standard input" : $0 } ?? "standard input"
    if format == .jsonl || format == .json || format == .lines {
      let options = [
        ("--separator", separator != nil), ("--quotes or --no-quotes", quotes != nil), ("--header", header),
      ]
      if let (option, _) = options.first(where: \.1) {
        throw ValidationError(
          format != .lines
            ? "\(option) does not apply to JSON"
            : "\(option) is for separated fields: name the one with the text by --text FIELD")
      }
    }
    if format == .lines {
      guard text == nil, pair == nil else { throw ValidationError("--text and --pair do not apply to --format lines") }
      guard !needsPairs else { throw ValidationError("--format lines has no pairs") }
      return
    }
    if format == .json, wanted == nil, pair == nil, !needsPairs { return }
    guard let wanted else { throw ValidationError("\(name) has fields: name the one with the text by --text FIELD") }
    guard !needsPairs || wanted.pair != nil else {
      throw ValidationError("\(name) has fields: name the one with the second text by --pair FIELD")
    }
  }

  private func resolvedSeparator(_ format: InputFormat) -> String {
    guard let separator else { return format == .csv ? "," : "\t" }
    var resolved = ""
    var rest = Substring(separator)
    while let character = rest.popFirst() {
      if character == "\\", rest.first == "t" {
        rest.removeFirst()
        resolved.append("\t")
      } else {
        resolved.append(character)
      }
    }
    return resolved
  }
}
