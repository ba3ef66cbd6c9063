/// Properties of a Unicode scalar that the stages of a tokenizer.json need beside `ScalarFlags`, one bit each, then
/// the classes of Unicode Standard Annex 29. They reproduce what `tokenizers` does, see `make_properties.py`.
enum ScalarProperty {
  /// The classes of regular expressions: \p{L}, \p{N}, \s, \w, \d, \p{P}, \p{S}, \p{M}, \p{Lu}, \p{Ll}.
  static let letter: UInt32 = 1 << 0
  static let number: UInt32 = 1 << 1
  static let space: UInt32 = 1 << 2
  static let word: UInt32 = 1 << 3
  static let digit: UInt32 = 1 << 4
  static let punctuation: UInt32 = 1 << 5
  static let symbol: UInt32 = 1 << 6
  static let mark: UInt32 = 1 << 7
  static let upper: UInt32 = 1 << 8
  static let lower: UInt32 = 1 << 9
  /// A number for the pre-tokenizer Digits.
  static let numeric: UInt32 = 1 << 10
  /// Removed by the normalizer StripAccents.
  static let accent: UInt32 = 1 << 11
  static let pictograph: UInt32 = 1 << 12
  /// The lowest bit of the grapheme cluster class, of four bits, and of the conjunct class, of two.
  static let cluster: UInt32 = 13
  static let conjunct: UInt32 = 17
  /// \w inside brackets, where it lacks ², ³, ¹, ¼, ½ and ¾.
  static let classWord: UInt32 = 1 << 20
  /// Computed, not in the data: with a compatibility decomposition other than the canonical one.
  static let compatible: UInt32 = 1 << 19
}

/// Grapheme_Cluster_Break, the values in the data.
enum ClusterClass {
  static let carriageReturn: UInt32 = 1
  static let lineFeed: UInt32 = 2
  static let control: UInt32 = 3
  static let extend: UInt32 = 4
  static let joiner: UInt32 = 5
  static let regional: UInt32 = 6
  static let prepend: UInt32 = 7
  static let spacing: UInt32 = 8
  static let hangulL: UInt32 = 9
  static let hangulV: UInt32 = 10
  static let hangulT: UInt32 = 11
  static let hangulLV: UInt32 = 12
  static let hangulLVT: UInt32 = 13
}

/// The data of `ScalarPropertyData`, unpacked where the first tokenizer needs it into memory that is never freed.
struct ScalarProperties: @unchecked Sendable {
  static let shared = ScalarProperties()

  private let pages: UnsafePointer<UInt16>
  private let entries: UnsafePointer<UInt32>
  /// Scalars with a compatibility decomposition, ascending; where theirs begins in `decomposed`, and the end.
  private let compatible: UnsafePointer<UInt32>
  private let starts: UnsafePointer<UInt32>
  private let compatibleCount: Int
  private let decomposed: UnsafePointer<UInt32>
  /// First and second scalar as one number, ascending, and their composition.
  private let pairs: UnsafePointer<UInt64>
  private let composed: UnsafePointer<UInt32>
  private let pairCount: Int

  /// The entry of a scalar. `scalar <= 0x10FFFF`.
  @inline(__always) func entry(_ scalar: UInt32) -> UInt32 {
    entries[Int(pages[Int(scalar >> 6)]) &* 64 &+ Int(scalar & 63)]
  }

  /// The compatibility decomposition of a scalar whose entry has `compatible`.
  func compatibleDecomposition(_ scalar: UInt32) -> UnsafeBufferPointer<UInt32> {
    let at = place(scalar, compatible, compatibleCount)
    guard at < compatibleCount, compatible[at] == scalar else { return UnsafeBufferPointer(start: nil, count: 0) }
    return UnsafeBufferPointer(start: decomposed + Int(starts[at]), count: Int(starts[at &+ 1] &- starts[at]))
  }

  /// The primary composite of two scalars; nil where there is none.
  func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    // Source: Unicode 15, section 3.12, Hangul syllable composition.
    if first &- 0x1100 < 19, second &- 0x1161 < 21 {
      return 0xAC00 &+ ((first &- 0x1100) &* 21 &+ second &- 0x1161) &* 28
    }
    if first &- 0xAC00 < 11172, (first &- 0xAC00) % 28 == 0, second &- 0x11A8 < 27 { return first &+ second &- 0x11A7 }
    let key = UInt64(first) << 32 | UInt64(second)
    let at = place(key, pairs, pairCount)
    return at < pairCount && pairs[at] == key ? composed[at] : nil
  }

  /// The first place of a number not less than `key`.
  @inline(__always) private func place<T: Comparable & BitwiseCopyable>(
    _ key: T, _ sorted: UnsafePointer<T>, _ count: Int
  )
    -> Int
  {
    var low = 0
    var high = count
    while low < high {
      let middle = (low &+ high) / 2
      if sorted[middle] < key { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  private init() {
    var values: [UInt32] = []
    var numbers = NumberReader(ScalarPropertyData.values)
    while let value = numbers.next() { values.append(UInt32(truncatingIfNeeded: value)) }
    var runs: [(end: Int, value: UInt32)] = []
    numbers = NumberReader(ScalarPropertyData.entries)
    var at = 0
    while let place = numbers.next(), let count = numbers.next() {
      at &+= count
      runs.append((at, place < values.count ? values[place] : 0))
    }

    var compatible: [UInt32] = []
    var starts: [UInt32] = []
    var decomposed: [UInt32] = []
    numbers = NumberReader(ScalarPropertyData.compatible)
    var scalar = 0
    while let distance = numbers.next(), let count = numbers.next() {
      scalar &+= distance
      compatible.append(UInt32(truncatingIfNeeded: scalar))
      starts.append(UInt32(truncatingIfNeeded: decomposed.count))
      for _ in 0..<count { decomposed.append(UInt32(truncatingIfNeeded: numbers.next() ?? 0)) }
    }
    starts.append(UInt32(truncatingIfNeeded: decomposed.count))

    var pairs: [UInt64] = []
    var composed: [UInt32] = []
    numbers = NumberReader(ScalarPropertyData.compositions)
    var first = 0
    while let distance = numbers.next(), let second = numbers.next(), let result = numbers.next() {
      first &+= distance
      pairs.append(UInt64(truncatingIfNeeded: first) << 32 | UInt64(truncatingIfNeeded: second))
      composed.append(UInt32(truncatingIfNeeded: result))
    }

    // A page for each 64 code points; pages with equal entries throughout are stored once.
    var pages: [UInt16] = []
    var entries: [UInt32] = []
    var uniform: [UInt32: UInt16] = [:]
    var run = 0
    var next = 0
    for begin in stride(from: 0, to: 0x110000, by: 64) {
      while run &+ 1 < runs.count, runs[run].end <= begin { run &+= 1 }
      while next < compatible.count, compatible[next] < begin { next &+= 1 }
      let hasCompatible = next < compatible.count && compatible[next] < begin &+ 64
      if runs[run].end >= begin &+ 64, !hasCompatible {
        let number = uniform[runs[run].value] ?? UInt16(truncatingIfNeeded: entries.count / 64)
        if uniform.updateValue(number, forKey: runs[run].value) == nil {
          entries.append(contentsOf: repeatElement(runs[run].value, count: 64))
        }
        pages.append(number)
        continue
      }
      pages.append(UInt16(truncatingIfNeeded: entries.count / 64))
      var inner = run
      for c in begin..<begin &+ 64 {
        while inner &+ 1 < runs.count, runs[inner].end <= c { inner &+= 1 }
        entries.append(runs[inner].value)
      }
      while next < compatible.count, compatible[next] < begin &+ 64 {
        entries[entries.count &- 64 &+ Int(compatible[next]) &- begin] |= ScalarProperty.compatible
        next &+= 1
      }
    }

    self.pages = permanentCopy(pages)
    self.entries = permanentCopy(entries)
    self.compatible = permanentCopy(compatible)
    self.starts = permanentCopy(starts)
    compatibleCount = compatible.count
    self.decomposed = permanentCopy(decomposed)
    self.pairs = permanentCopy(pairs)
    self.composed = permanentCopy(composed)
    pairCount = pairs.count
  }
}
