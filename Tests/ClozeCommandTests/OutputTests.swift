import Testing

@testable import ClozeCommand

@Suite struct DecimalTests {
  @Test func writesFixedDigits() {
    #expect(fixed(0.30249, digits: 3) == "0.302")
    #expect(fixed(0.9996, digits: 3) == "1.000")
    #expect(fixed(-1.005, digits: 1) == "-1.0")
    #expect(fixed(-0.001, digits: 2) == "0.00")
    #expect(fixed(12, digits: 0) == "12")
    #expect(fixed(0.05, digits: 2) == "0.05")
    #expect(fixed(.nan, digits: 2) == "nan")
    #expect(fixed(1e300, digits: 2) == "1e+300")
    for (value, text) in [
      (25_600, "26,000"), (995.0, "1,000"), (99.4, "99"), (9.96, "10"), (9.94, "9.9"), (0.996, "1.0"),
      (0.0534, "0.053"),
      (0, "0.000000000"), (.infinity, "inf"), (.nan, "nan"), (999_999_999, "1,000,000,000"),
    ] as [(Double, String)] { #expect(roughly(value) == text) }
  }

  @Test func groupsThousands() {
    #expect(
      [0, 999, 1000, 12_345, 1_234_567, -1000].map(grouped) == ["0", "999", "1,000", "12,345", "1,234,567", "-1,000"])
    #expect(grouped(.min) == "-9,223,372,036,854,775,808")
  }

  @Test func writesProbabilities() {
    #expect(probability(0.302) == "0.302000")
    #expect(probability(1) == "1.000000")
    #expect(probability(0) == "0.000000")
    #expect(probability(0.000_001_2) == "0.000001")
    #expect(probability(1.26e-7) == "1.3e-07")
    #expect(probability(9.97e-8) == "1.0e-07")
    #expect(probability(3.2e-12) == "3.2e-12")
    #expect(probability(.leastNonzeroMagnitude) == "1.4e-45")
    #expect(probability(.nan) == "nan")
  }
}

@Suite struct TableTests {
  @Test func measuresColumnsOfATerminal() {
    #expect(displayWidth("") == 0)
    #expect(displayWidth("war") == 3)
    #expect(displayWidth("北京") == 4)
    #expect(displayWidth("ｶﾅ") == 2)
    #expect(displayWidth("カナ") == 4)
    #expect(displayWidth("한") == 2)
    #expect(displayWidth("Ａ") == 2)
    #expect(displayWidth("e\u{301}") == 1)
    #expect(displayWidth("🙂") == 2)
    #expect(displayWidth("👩‍👩‍👧") == 2)
    #expect(displayWidth("🇨🇳") == 2)
    #expect(displayWidth("❤\u{FE0F}") == 2)
    #expect(displayWidth("é–“”") == 4)
    #expect(displayWidth("𠀀") == 2)
  }

  @Test func linesUpWideCharacters() {
    var table = Table([("token", .left), ("n", .right)])
    table.add(["北", "1"])
    table.add(["##ing", "234"])
    #expect(
      table.rendered() == """
        token    n
        北       1
        ##ing  234

        """)
  }

  @Test func leavesNoBlanksAtLineEnds() {
    var table = Table(alignments: [.left, .left])
    table.add(["a"])
    table.add(["bbb", "c", "dropped"])
    #expect(table.rendered(indent: 1) == " a\n bbb  c\n")
  }

  @Test func showsControlCharactersAsEscapes() {
    #expect(printable("a\u{1B}[2J\n\t\u{202E}中") == "a\\u{1b}[2J\\n\\t\\u{202e}中")
    var table = Table(alignments: [.left])
    table.add(["\u{7}"])
    #expect(table.rendered() == "\\u{7}\n")
  }

  @Test func clipsAtWholeCharacters() {
    #expect(clipped("北京大学", to: 8) == "北京大学")
    #expect(clipped("北京大学", to: 7) == "北京大…")
    #expect(clipped("北京大学", to: 6) == "北京…")
    #expect(clipped("abc", to: 2) == "a…")
  }
}

@Suite struct ProgressTests {
  @Test func fitsTheTerminal() {
    for width in 1...120 {
      let line = Progress.line(texts: 420_000, bytes: 42, total: 100, seconds: 34, width: width)
      #expect(displayWidth(line) < max(width, 2))
    }
    let line = Progress.line(texts: 420_000, bytes: 42, total: 100, seconds: 34, width: 100)
    #expect(line == "████████████░░░░░░░░░░░░░░░░░░  42 %  420,000 texts  12,352/s  0:47 left")
    #expect(Progress.line(texts: 5, bytes: 9, total: nil, seconds: 1, width: 80) == "5 texts  5/s")
  }

  @Test func tellsTime() {
    #expect([0, 7, 60, 754, 11_100].map(Progress.duration) == ["0:00", "0:07", "1:00", "12:34", "3:05:00"])
  }

  @Test func countsCutTexts() {
    var count = TruncationCount()
    #expect(count.message(limit: 8) == nil)
    count.add(true)
    #expect(count.message(limit: 8) == "the text was cut to 8 tokens")
    count.add(false)
    #expect(count.message(limit: 8) == "1 of 2 texts was cut to 8 tokens")
    for _ in 0..<1200 { count.add(true) }
    #expect(count.message(limit: nil) == "1,201 of 1,202 texts were cut")
  }
}
