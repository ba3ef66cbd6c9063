/// Rows of text in aligned columns.
struct Table {
  enum Alignment {
    case left
    case right
  }

  private let alignments: [Alignment]
  private var rows: [[String]]

  /// - Parameter columns: heading and alignment of each column.
  init(_ columns: [(heading: String, alignment: Alignment)]) {
    alignments = columns.map(\.alignment)
    rows = [columns.map(\.heading)]
  }

  /// A table without headings.
  init(alignments: [Alignment]) {
    self.alignments = alignments
    rows = []
  }

  /// Adds a row; missing cells are empty, extra ones are dropped.
  mutating func add(_ cells: [String]) { rows.append(cells.map(printable)) }

  /// One line per row, with two spaces between columns and none at the end.
  func rendered(indent: Int = 0) -> String {
    var widths = [Int](repeating: 0, count: alignments.count)
    let cellWidths = rows.map { $0.map(displayWidth) }
    for row in cellWidths {
      for (column, width) in zip(widths.indices, row) { widths[column] = max(widths[column], width) }
    }
    var text = ""
    for (row, rowWidths) in zip(rows, cellWidths) {
      var line = String(repeating: " ", count: indent)
      for column in alignments.indices {
        let cell = column < row.count ? row[column] : ""
        let width = column < rowWidths.count ? rowWidths[column] : 0
        let padding = String(repeating: " ", count: widths[column] - width)
        if column > 0 { line += "  " }
        line += alignments[column] == .right ? padding + cell : cell + padding
      }
      while line.last == " " { line.removeLast() }
      text += line + "\n"
    }
    return text
  }
}
