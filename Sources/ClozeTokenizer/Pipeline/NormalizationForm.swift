internal import ClozeIO

/// NFC, NFD, NFKC and NFKD, with the changes that `tokenizers` gives them.
///
/// Quirk, as in `Normalizer.reorderedRun`: marks are sorted first and take their spans in the order of the source
/// then, so that a mark that moved has the span of another.
struct NormalizationForm: Sendable {
  var composes: Bool
  var isCompatible: Bool

  private struct Item {
    var scalar: UInt32
    var change: Int
    var combiningClass: UInt32
  }

  /// - Returns: false, with nothing written, for ASCII.
  func apply(_ input: AlignedText, into output: inout AlignedText, origin: Int32) -> Bool {
    let base = UnsafePointer(input.bytes.base)
    let count = input.count
    guard (0..<count).contains(where: { base[$0] >= 0x80 }) else { return false }
    output.removeAll()
    let unicode = UnicodeTables.shared
    let properties = ScalarProperties.shared
    var transform = Transform(input, into: output, origin: origin)
    // Scalars from a starter on, or the marks that begin the text.
    var run: [Item] = []
    var composer = Composer()
    func flush() {
      if run.count > 2 || run.count == 2 && run[0].combiningClass > run[1].combiningClass {
        // Comparing places last makes the sort stable.
        let order = run.indices.sorted {
          let (a, b) = (run[$0].combiningClass, run[$1].combiningClass)
          return a != b ? a < b : $0 < $1
        }
        run = order.map { run[$0] }
      }
      for item in run {
        if composes {
          composer.push(item.scalar, item.change, item.combiningClass, properties, &transform)
        } else {
          transform.push(item.scalar, item.change)
        }
      }
      run.removeAll(keepingCapacity: true)
    }
    var isFirst = true
    func add(_ scalar: UInt32, _ entry: UInt32) {
      let kind = entry & ScalarFlags.nonstarter != 0 ? unicode.combiningClass(scalar) : 0
      if kind == 0 { flush() }
      run.append(Item(scalar: scalar, change: isFirst ? 0 : 1, combiningClass: kind))
      isFirst = false
    }
    var p = 0
    while p < count {
      let (scalar, length) = UTF8Scan.decode(base, p)
      p &+= length
      isFirst = true
      let entry = unicode.entry(scalar)
      if isCompatible, scalar >= 0x80, properties.entry(scalar) & ScalarProperty.compatible != 0 {
        for part in properties.compatibleDecomposition(scalar) { add(part, unicode.entry(part)) }
      } else if entry & ScalarFlags.decomposes != 0 {
        if scalar >= 0xAC00 && scalar <= 0xD7A3 {
          let syllable = scalar &- 0xAC00
          add(0x1100 &+ syllable / 588, 0)
          add(0x1161 &+ syllable % 588 / 28, 0)
          if syllable % 28 != 0 { add(0x11A7 &+ syllable % 28, 0) }
        } else {
          let mapping = unicode.mapping(entry)
          for i in 0..<Int(mapping.count) {
            let part = unicode.decomposed[Int(mapping.start) &+ i]
            add(part, unicode.entry(part))
          }
        }
      } else {
        add(scalar, entry)
      }
    }
    flush()
    if composes { composer.finish(&transform) }
    transform.finish()
    output = transform.output
    return true
  }

  /// Canonical composition of a decomposed text.
  private struct Composer {
    private var starter: (scalar: UInt32, change: Int)?
    private var marks: [(scalar: UInt32, change: Int)] = []
    private var lastClass: UInt32?

    mutating func push(
      _ scalar: UInt32, _ change: Int, _ kind: UInt32, _ properties: ScalarProperties, _ transform: inout Transform
    ) {
      guard let first = starter else {
        if kind != 0 { transform.push(scalar, change) } else { starter = (scalar, change) }
        return
      }
      if lastClass.map({ $0 < kind }) ?? true, let both = properties.composition(first.scalar, scalar) {
        starter = (both, first.change &+ change &- 1)
        return
      }
      if kind == 0 {
        finish(&transform)
        starter = (scalar, change)
        return
      }
      marks.append((scalar, change))
      lastClass = kind
    }

    /// Writes the starter and the marks that it did not take.
    mutating func finish(_ transform: inout Transform) {
      if let starter { transform.push(starter.scalar, starter.change) }
      for mark in marks { transform.push(mark.scalar, mark.change) }
      marks.removeAll(keepingCapacity: true)
      starter = nil
      lastClass = nil
    }
  }
}
