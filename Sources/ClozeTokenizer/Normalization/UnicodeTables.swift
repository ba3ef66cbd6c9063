/// Properties of a Unicode scalar, one bit each.
///
/// They reproduce what Hugging Face's `tokenizers` does with the scalar, see `make_tables.py`, whose parts follow
/// different Unicode versions: marks, punctuation and controls are those of an old one, so that newer marks
/// are not stripped and unassigned code points are not removed.
enum ScalarFlags {
  /// Removed by clean_text: controls, formats, private use, U+0000 and U+FFFD.
  static let cleaned: UInt32 = 1 << 0
  static let whitespace: UInt32 = 1 << 1
  /// Surrounded with spaces by handle_chinese_chars; as in BERT's own code, without CJK extensions from F on
  /// and without U+2B820..U+2B91F.
  static let cjk: UInt32 = 1 << 2
  static let punctuation: UInt32 = 1 << 3
  /// Removed by strip_accents; not set for a scalar that decomposes.
  static let nonspacing: UInt32 = 1 << 4
  static let decomposes: UInt32 = 1 << 5
  static let lowercases: UInt32 = 1 << 6
  /// Matched by a regular expression's \w; delimits added tokens that are single words.
  static let word: UInt32 = 1 << 7
  /// With a canonical combining class other than 0.
  static let nonstarter: UInt32 = 1 << 8
  /// With a nonstarter in its decomposition that strip_accents keeps, so that the order of marks matters.
  /// Computed, not in the data.
  static let keepsMark: UInt32 = 1 << 9

  static let bits: UInt32 = 10
}

/// The lowercase and decomposition of a scalar that has either.
struct ScalarMapping: BitwiseCopyable {
  /// The scalar itself where it has none.
  var lowercase: UInt32
  /// The range of its decomposition in `UnicodeTables.decomposed`.
  var start: UInt32
  var count: UInt32
}

/// The Unicode data, unpacked once from `UnicodeData` into memory that is never freed.
///
/// A two-stage table: a page number for each 64 code points, and pages of entries, whose low bits are flags
/// and whose high bits the index of a mapping.
struct UnicodeTables: @unchecked Sendable {
  static let shared = UnicodeTables()

  /// U+0130, the only scalar whose lowercase is two scalars: i and U+0307.
  static let dottedI: UInt32 = 0x130

  private let pages: UnsafePointer<UInt16>
  private let entries: UnsafePointer<UInt32>
  private let mappings: UnsafePointer<ScalarMapping>
  /// All decompositions, concatenated.
  let decomposed: UnsafePointer<UInt32>
  private let classRuns: UnsafePointer<ClassRun>
  private let classRunCount: Int

  private struct ClassRun: BitwiseCopyable {
    var first: UInt32
    var count: UInt32
    var combiningClass: UInt32
  }

  /// The entry of a scalar, whose flags are its low bits. `scalar <= 0x10FFFF`.
  @inline(__always) func entry(_ scalar: UInt32) -> UInt32 {
    let page = Int(pages[Int(scalar >> 6)])
    return entries[page &* 64 &+ Int(scalar & 63)]
  }

  /// The mapping of an entry with `decomposes` or `lowercases` set.
  @inline(__always) func mapping(_ entry: UInt32) -> ScalarMapping { mappings[Int(entry >> ScalarFlags.bits)] }

  /// Canonical combining class.
  func combiningClass(_ scalar: UInt32) -> UInt32 {
    var low = 0
    var high = classRunCount
    while low < high {
      let middle = (low &+ high) / 2
      if classRuns[middle].first <= scalar { low = middle &+ 1 } else { high = middle }
    }
    guard low > 0 else { return 0 }
    let run = classRuns[low &- 1]
    return scalar &- run.first < run.count ? run.combiningClass : 0
  }

  private init() {
    // One entry per code point below `codePoints`. Above it no scalar has a mapping and runs suffice: touching
    // fresh memory for all 0x110000 would take most of the time.
    let codePoints = 0x30000
    var flat = [UInt32](repeating: 0, count: codePoints)
    var above: [(end: Int, flags: UInt32)] = []
    var numbers = NumberReader(UnicodeData.flags)
    var at = 0
    while let number = numbers.next(), let count = numbers.next() {
      let flags = UInt32(truncatingIfNeeded: number)
      let end = at &+ count
      for c in min(at, codePoints)..<min(end, codePoints) { flat[c] = flags }
      if end > codePoints { above.append((end, flags)) }
      at = end
    }

    // Mapping 0 belongs to no scalar, so that index 0 is harmless.
    var mappings = [ScalarMapping(lowercase: 0, start: 0, count: 0)]
    func mappingIndex(_ c: Int) -> Int {
      let index = Int(flat[c] >> ScalarFlags.bits)
      if index != 0 { return index }
      flat[c] |= UInt32(truncatingIfNeeded: mappings.count) << ScalarFlags.bits
      mappings.append(ScalarMapping(lowercase: UInt32(truncatingIfNeeded: c), start: 0, count: 0))
      return mappings.count &- 1
    }

    numbers = NumberReader(UnicodeData.lowercase)
    while let first = numbers.next(), let count = numbers.next(), let step = numbers.next(), let delta = numbers.next()
    {
      for i in 0..<count {
        let c = first &+ i &* step
        guard c >= 0, c < codePoints else { continue }
        mappings[mappingIndex(c)].lowercase = UInt32(truncatingIfNeeded: c &+ delta)
      }
    }

    var decomposed: [UInt32] = []
    numbers = NumberReader(UnicodeData.decompositions)
    at = 0
    while let distance = numbers.next(), let count = numbers.next() {
      at = min(at &+ distance, codePoints &- 1)
      let index = mappingIndex(at)
      mappings[index].start = UInt32(truncatingIfNeeded: decomposed.count)
      mappings[index].count = UInt32(truncatingIfNeeded: count)
      for _ in 0..<count { decomposed.append(UInt32(truncatingIfNeeded: numbers.next() ?? 0)) }
    }

    // Marks that strip_accents keeps, in a scalar or in its decomposition.
    for c in 0..<codePoints where flat[c] & (ScalarFlags.nonstarter | ScalarFlags.decomposes) != 0 {
      var kept = false
      if flat[c] & ScalarFlags.decomposes == 0 {
        kept = flat[c] & ScalarFlags.nonspacing == 0
      } else {
        let mapping = mappings[Int(flat[c] >> ScalarFlags.bits)]
        for i in 0..<Int(mapping.count) {
          let flags = flat[Int(decomposed[Int(mapping.start) &+ i])]
          if flags & ScalarFlags.nonstarter != 0 && flags & ScalarFlags.nonspacing == 0 { kept = true }
        }
      }
      if kept { flat[c] |= ScalarFlags.keepsMark }
    }

    var pages: [UInt16] = []
    var entries: [UInt32] = []
    // Pages with equal entries throughout are stored once.
    var uniform: [UInt32: UInt16] = [:]
    func addUniform(_ entry: UInt32) {
      let number = uniform[entry] ?? UInt16(truncatingIfNeeded: entries.count / 64)
      if uniform.updateValue(number, forKey: entry) == nil {
        entries.append(contentsOf: repeatElement(entry, count: 64))
      }
      pages.append(number)
    }
    func add(_ page: ArraySlice<UInt32>) {
      if let first = page.first, page.allSatisfy({ $0 == first }) {
        addUniform(first)
      } else {
        pages.append(UInt16(truncatingIfNeeded: entries.count / 64))
        entries.append(contentsOf: page)
      }
    }
    for first in stride(from: 0, to: codePoints, by: 64) { add(flat[first..<first &+ 64]) }
    var run = 0
    for first in stride(from: codePoints, to: 0x110000, by: 64) {
      while run < above.count, above[run].end <= first { run &+= 1 }
      if run < above.count, above[run].end >= first &+ 64 {
        addUniform(above[run].flags)
        continue
      }
      add((first..<first &+ 64).map { c in above[run...].first { c < $0.end }?.flags ?? 0 }[...])
    }

    var classRuns: [ClassRun] = []
    numbers = NumberReader(UnicodeData.combiningClasses)
    while let first = numbers.next(), let count = numbers.next(), let value = numbers.next() {
      classRuns.append(
        ClassRun(
          first: UInt32(truncatingIfNeeded: first), count: UInt32(truncatingIfNeeded: count),
          combiningClass: UInt32(truncatingIfNeeded: value)))
    }

    self.pages = permanentCopy(pages)
    self.entries = permanentCopy(entries)
    self.mappings = permanentCopy(mappings)
    self.decomposed = permanentCopy(decomposed)
    self.classRuns = permanentCopy(classRuns)
    self.classRunCount = classRuns.count
  }
}

/// A copy of an array that is never freed.
func permanentCopy<T: BitwiseCopyable>(_ array: [T]) -> UnsafePointer<T> {
  let copy = UnsafeMutablePointer<T>.allocate(capacity: max(array.count, 1))
  array.withUnsafeBufferPointer { source in
    if let base = source.baseAddress { copy.update(from: base, count: source.count) }
  }
  return UnsafePointer(copy)
}

/// Reads decimal numbers, which may be negative, separated by single spaces.
struct NumberReader {
  private let text: StaticString
  private var at = 0

  init(_ text: StaticString) { self.text = text }

  mutating func next() -> Int? {
    let base = text.utf8Start
    let count = text.utf8CodeUnitCount
    guard at < count else { return nil }
    let negative = base[at] == UInt8(ascii: "-")
    if negative { at &+= 1 }
    var value = 0
    while at < count, base[at] != UInt8(ascii: " ") {
      value = value &* 10 &+ Int(base[at]) &- 48
      at &+= 1
    }
    at &+= 1
    return negative ? 0 &- value : value
  }
}
