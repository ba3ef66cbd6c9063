internal import Cloze
internal import ClozeIO

/// Files with a word and its tag a line, as of CoNLL's shared tasks and CoNLL-U.
extension DataReader {
  /// Sentences end at an empty line or at a `-DOCSTART-`, the mark of a document; lines with `#` before a sentence are
  /// comments, unless they are a word with its tag.
  mutating func readCoNLL() throws(ClozeError) {
    let columns = try TagColumns(self)
    if let remark = columns.remark { remarks.append(remark) }
    var (words, tags): ([String], [String]) = ([], [])
    /// The sentence's first line, or its first bad one.
    var first = 0
    var bad: ClozeError?
    var isNumbered = !columns.isChosen
    func endSentence(_ reader: inout DataReader) throws(ClozeError) {
      let (sentence, marks, failure) = (words, tags, bad)
      (words, tags, bad) = ([], [], nil)
      guard failure != nil || !sentence.isEmpty else { return }
      if isNumbered, !sentence.enumerated().allSatisfy({ $1 == "\($0 + 1)" }) { isNumbered = false }
      try reader.add(first) { () throws(ClozeError) in
        if let failure { throw failure }
        return .words(sentence, tags: marks)
      }
    }
    for line in columns.lines {
      switch line.role {
      case .end: try endSentence(&self)
      case .word(let fields):
        do throws(ClozeError) {
          let (word, tag) = try columns.word(fields)
          if words.isEmpty, bad == nil { first = line.number }
          words.append(word)
          tags.append(tag)
        } catch { if bad == nil { (bad, first) = (error, line.number) } }
      }
    }
    try endSentence(&self)
    if isNumbered, let place = examples.first?.place {
      throw ClozeError(
        .invalidText, "\(place): column 1 numbers the words; name the column that has them with --text N")
    }
  }
}

/// The columns of a file of tagged words, and its lines.
struct TagColumns {
  /// What a line is.
  enum Role {
    case word([[UInt8]])
    /// The end of a sentence.
    case end
  }

  private(set) var lines: [(role: Role, number: Int)] = []
  /// What was taken for granted; nil: nothing.
  private(set) var remark: String?
  /// Whether the column of the words was asked for, or there are two columns.
  let isChosen: Bool
  private let word: Int
  private let tag: Int
  /// Columns of the file.
  private let width: Int
  private let name: String

  /// Names of the columns of CoNLL-U (universaldependencies.org/format.html).
  private static let universal = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"]

  init(_ reader: DataReader) throws(ClozeError) {
    name = reader.name
    let all = reader.lines
    /// The first line with a word: its columns are the file's.
    let head = all.first { !isBlank($0.bytes) && $0.bytes.first != 0x23 && !Self.isMark($0.bytes) }
    let first = head ?? all.first { !isBlank($0.bytes) } ?? (bytes: [], number: 1)
    let format = reader.format
    let separator = Self.separator(format, first.bytes)
    func split(_ line: ArraySlice<UInt8>) throws(ClozeError) -> [[UInt8]] { try Self.split(line, separator) }
    let begin = try split(first.bytes)
    width = begin.count
    let place = "\(reader.name):\(first.number)"
    guard width > 1 else { throw ClozeError(.invalidText, "\(place): 1 column, a word and a tag are needed") }

    // What the columns are called: by a comment of CoNLL-U Plus, by CoNLL-U, or by the first line.
    var names = begin
    var header = format.hasHeader ? head?.number : nil
    if let line = all.first(where: { $0.bytes.starts(with: "# global.columns".utf8) }) {
      let list = line.bytes.drop { $0 != UInt8(ascii: "=") }.dropFirst()
      (names, header) = (list.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }.map { Array($0) }, nil)
    } else if reader.name.lowercased().hasSuffix(".conllu") {
      (names, header) = (Self.universal.map { Array($0.utf8) }, nil)
    }
    func column(_ field: DataField?) throws(ClozeError) -> Int? {
      guard let field else { return nil }
      let found: Int
      do throws(ClozeError) { found = try field.index(in: names) } catch { throw error.prefixed("\(place): ") }
      guard found < begin.count else {
        throw ClozeError(.invalidText, "\(place): \(begin.count) columns, column \(found + 1) was asked for")
      }
      return found
    }
    let (text, label) = (try column(format.text), try column(format.label))
    if let text, text == label {
      throw ClozeError(.invalidArgument, "\(place): column \(text + 1) is named as both the word and the tag")
    }
    isChosen = text != nil || width == 2

    /// Lines with words that are no comments by any reading.
    var plain: [[[UInt8]]] = []
    for line in all where line.number != header && line.bytes.first != 0x23 && !isBlank(line.bytes) {
      let fields = try split(line.bytes)
      if fields.count == width, !Self.isMark(line.bytes) { plain.append(fields) }
    }
    if let label {
      (word, tag) = (text ?? (width == 2 ? 1 - label : 0), label)
    } else if width == 2 {
      (word, tag) = (text ?? 0, 1 - (text ?? 0))
    } else {
      let word = text ?? 0
      let marked = (0..<width).filter { $0 != word && Self.isMarked(plain, $0) }
      guard marked.count == 1 else {
        throw ClozeError(
          .invalidText,
          "\(place): \(width) columns (\(DataReader.list(begin))): name the column of the tags with --label N")
      }
      (self.word, tag) = (word, marked[0])
      remark =
        "\(width) columns, of which column \(word + 1) is read as the word and column \(marked[0] + 1) as the tag, the "
        + "only one with tags such as B-, I- and O (--text and --label choose others)"
    }
    guard word != tag else {
      throw ClozeError(
        .invalidText, "\(place): column 1 is the tag; name the column of the words with --text N")
    }
    try add(all, header, separator, known: Set(plain.map { $0[tag] }))
  }

  /// Tells words, comments and ends of sentences.
  ///
  /// - Parameter known: tags of the lines that do not begin with `#`.
  private mutating func add(
    _ all: [(bytes: ArraySlice<UInt8>, number: Int)], _ header: Int?, _ separator: [UInt8]?, known: Set<[UInt8]>
  ) throws(ClozeError) {
    var isBegin = true
    var doubtful: (count: Int, first: Int) = (0, 0)
    for (line, number) in all where number != header {
      if isBlank(line) || Self.isMark(line) {
        lines.append((.end, number))
        isBegin = true
        continue
      }
      let fields = try Self.split(line, separator)
      if line.first == 0x23, isBegin {
        // A word that begins with # has as many columns as all, and a tag.
        let isWord = fields.count == width && (known.contains(fields[tag]) || Self.hasMark(fields[tag]))
        if !isWord {
          if fields.count == width { doubtful = (doubtful.count + 1, doubtful.count == 0 ? number : doubtful.first) }
          continue
        }
      }
      // CoNLL-U: the surface form of several words, and words that do not stand in the text.
      if width == Self.universal.count, fields.count == width, Self.isRange(fields[0]) { continue }
      isBegin = false
      lines.append((.word(fields), number))
    }
    guard doubtful.count > 0 else { return }
    let more =
      doubtful.count == 1
      ? "line \(doubtful.first) begins with # and is read as a comment"
      : "\(doubtful.count) lines begin with # and are read as comments, the first is line \(doubtful.first)"
    remark = (remark.map { $0 + "; " } ?? "") + more
  }

  /// The word and the tag of a line.
  func word(_ fields: [[UInt8]]) throws(ClozeError) -> (String, String) {
    guard fields.count == width else {
      let count = DataReader.count(fields.count, "column")
      throw ClozeError(
        .invalidText, fields.count == 1 ? "1 column, a word and a tag are needed" : "\(count), others have \(width)")
    }
    let (word, tag) = (try DataReader.text(fields[word][...]), try DataReader.text(fields[tag][...]))
    if word.isEmpty { throw ClozeError(.invalidText, "the word is empty") }
    return (word, tag)
  }

  /// Whether a line is a mark that a document begins.
  private static func isMark(_ line: ArraySlice<UInt8>) -> Bool {
    let mark = "-DOCSTART-".utf8
    guard line.starts(with: mark) else { return false }
    let next = line.dropFirst(mark.count).first
    return next == nil || next == 0x20 || next == 0x09
  }

  /// Whether an ID of CoNLL-U is a range ("1-2") or that of an empty node ("2.1").
  private static func isRange(_ id: [UInt8]) -> Bool {
    let parts = id.split(omittingEmptySubsequences: false) { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
    return parts.count == 2 && parts.allSatisfy { !$0.isEmpty && $0.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }
  }

  /// Whether a column has tags alone, some of which mark entities.
  private static func isMarked(_ rows: [[[UInt8]]], _ column: Int) -> Bool {
    var isMarked = false
    for row in rows where row[column] != [UInt8(ascii: "O")] {
      guard hasMark(row[column]) else { return false }
      isMarked = true
    }
    return isMarked
  }

  /// Whether a tag is `O`, or begins with the mark of a scheme, as `B-` does.
  private static func hasMark(_ tag: [UInt8]) -> Bool {
    if tag == [UInt8(ascii: "O")] { return true }
    return tag.count > 2 && tag[1] == UInt8(ascii: "-") && "BIESLUMW".utf8.contains(tag[0])
  }

  /// nil: runs of blanks and tabs.
  private static func separator(_ format: DataFormat, _ first: ArraySlice<UInt8>) -> [UInt8]? {
    if let separator = format.separator { return separator == " " ? nil : Array(separator.utf8) }
    return first.contains(0x09) ? [0x09] : nil
  }

  /// A line's fields, without blanks around them.
  private static func split(_ line: ArraySlice<UInt8>, _ separator: [UInt8]?) throws(ClozeError) -> [[UInt8]] {
    guard let separator, !separator.isEmpty else {
      return line.split { $0 == 0x20 || $0 == 0x09 }.map { Array($0) }
    }
    var record = DelimitedRecord(separator: separator, quotes: false)
    _ = try record.append(line, ending: [])
    return record.fields.map { field in
      let start = field.firstIndex { $0 != 0x20 } ?? field.endIndex
      let end = field.lastIndex { $0 != 0x20 }.map { $0 + 1 } ?? start
      return Array(field[start..<end])
    }
  }
}
