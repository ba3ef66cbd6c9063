internal import ClozeIO

/// The precompiled character map of a sentencepiece model: a double array from byte strings to places in a text of
/// replacements, each ended by a NUL.
///
/// The file's layout is the size of the array in bytes (32 bits, little-endian), the array, the replacements.
final class Charsmap: @unchecked Sendable {
  private let trie: DoubleArray
  private let units: UnsafeMutablePointer<UInt32>
  let replacements: [UInt8]
  /// The place of the replacement of each ASCII character; -1 where it stays.
  private let ascii: [Int32]
  private let properties = ScalarProperties.shared

  /// - Parameter path: its name in messages.
  init(_ bytes: [UInt8], path: String) throws(ClozeError) {
    func refuse(_ reason: String) -> ClozeError { ClozeError(.damaged, "\(path) \(reason)") }
    guard bytes.count >= 4 else { throw refuse("has \(bytes.count) bytes, which is too short") }
    let size = (0..<4).reduce(0) { $0 | Int(bytes[$1]) << ($1 &* 8) }
    guard size >= 4, size <= bytes.count &- 4 else {
      throw refuse("says that its trie has \(size) bytes, and has \(bytes.count &- 4): it is damaged or cut short")
    }
    let count = size / 4
    let rest = Array(bytes[(4 &+ count &* 4)...])
    if let place = UTF8Scan.firstInvalid(rest) {
      throw refuse("has replacements that are not UTF-8 at byte \(4 &+ count &* 4 &+ place)")
    }
    units = .allocate(capacity: count)
    for i in 0..<count { units[i] = (0..<4).reduce(0) { $0 | UInt32(bytes[4 &+ i &* 4 &+ $1]) << UInt32($1 &* 8) } }
    let trie = DoubleArray(units, count: count)
    self.trie = trie
    replacements = rest
    ascii = (0..<128).map { (byte: UInt8) in
      withUnsafePointer(to: byte) { Charsmap.place(trie, $0, 0, 1, rest) }
    }
  }

  deinit { units.deallocate() }

  /// Where the replacement of the shortest prefix of `bytes[from..<to]` that has one begins; -1 without one.
  @inline(__always) private static func place(
    _ trie: DoubleArray, _ bytes: UnsafePointer<UInt8>, _ from: Int, _ to: Int, _ replacements: [UInt8]
  ) -> Int32 {
    var node = trie.root
    var value: Int32 = -1
    var p = from
    while p < to, bytes[p] != 0, trie.step(&node, bytes[p], &value) {
      if value >= 0 {
        // A place inside a scalar is one of a damaged map.
        let place = Int(value)
        return place > replacements.count || place < replacements.count && replacements[place] & 0xC0 == 0x80
          ? -1 : value
      }
      p &+= 1
    }
    return -1
  }

  /// Replaces whole grapheme clusters of less than six bytes that have a prefix in the map, other scalars one by one.
  ///
  /// - Returns: false, with nothing written, where nothing is replaced.
  func apply(_ input: AlignedText, into output: inout AlignedText, origin: Int32) -> Bool {
    let base = UnsafePointer(input.bytes.base)
    let count = input.count
    var p = 0
    // Up to the first scalar with a replacement, or not ASCII.
    ascii.withUnsafeBufferPointer { ascii in
      while p < count, base[p] < 0x80, ascii[Int(base[p])] < 0 { p &+= 1 }
    }
    if p == count { return false }
    output.removeAll()
    // The scalar before might begin a cluster.
    if p > 0 { p &-= 1 }
    var changed = false
    output.reserve(count &+ 64)
    // Text that stays is copied; what follows a replacement that changes the number of scalars goes through the
    // transform, whose cursor is where the input is then read.
    var transform = Transform(input, into: output, origin: origin)
    for i in 0..<p { transform.push(UInt32(base[i]), 0) }
    while p < count {
      let byte = base[p]
      if byte < 0x80, byte != 0x0D, p &+ 1 == count || base[p &+ 1] < 0x80 {
        let place = ascii[Int(byte)]
        if place < 0 {
          transform.push(UInt32(byte), 0)
        } else {
          changed = true
          replace(1, place, &transform)
        }
        p &+= 1
        continue
      }
      let end = clusterEnd(base, p, count)
      if end &- p < 6 {
        let place = Charsmap.place(trie, base, p, end, replacements)
        if place >= 0 {
          changed = true
          var scalars = 0
          while p < end {
            p &+= UTF8Scan.length(base[p])
            scalars &+= 1
          }
          replace(scalars, place, &transform)
          continue
        }
      }
      while p < end {
        let (scalar, length) = UTF8Scan.decode(base, p)
        let place = Charsmap.place(trie, base, p, p &+ length, replacements)
        if place < 0 {
          transform.push(scalar, 0)
        } else {
          changed = true
          replace(1, place, &transform)
        }
        p &+= length
      }
    }
    transform.finish()
    output = transform.output
    return changed
  }

  /// Writes a replacement of `old` scalars.
  private func replace(_ old: Int, _ place: Int32, _ transform: inout Transform) {
    var new = 0
    replacements.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return }
      var p = Int(place)
      while p < bytes.count, base[p] != 0 {
        let (scalar, length) = UTF8Scan.decode(base, p)
        transform.push(scalar, new < old ? 0 : 1)
        new &+= 1
        p &+= length
      }
    }
    if new < old { transform.adjust(new &- old) }
  }

  /// The end of the extended grapheme cluster at `p`.
  ///
  /// Source: Unicode Standard Annex 29, rules GB3 to GB13.
  private func clusterEnd(_ base: UnsafePointer<UInt8>, _ p: Int, _ count: Int) -> Int {
    typealias C = ClusterClass
    var (scalar, length) = UTF8Scan.decode(base, p)
    var entry = properties.entry(scalar)
    var kind = entry >> ScalarProperty.cluster & 15
    // A consonant of a conjunct: 1; with a linker after it: 2. A pictograph: 1; with a joiner after it: 2.
    var conjunct = entry >> ScalarProperty.conjunct & 3 == 1 ? 1 : 0
    var pictograph = entry & ScalarProperty.pictograph != 0 ? 1 : 0
    var regionals = kind == C.regional ? 1 : 0
    var q = p &+ length
    while q < count {
      let before = kind
      (scalar, length) = UTF8Scan.decode(base, q)
      entry = properties.entry(scalar)
      kind = entry >> ScalarProperty.cluster & 15
      if before == C.carriageReturn, kind == C.lineFeed { return q &+ length }
      if before &- 1 < 3 || kind &- 1 < 3 { return q }
      let conjunctClass = entry >> ScalarProperty.conjunct & 3
      let isPictograph = entry & ScalarProperty.pictograph != 0
      let joins =
        switch (before, kind) {
        case (_, C.extend), (_, C.joiner), (_, C.spacing), (C.prepend, _): true
        case (C.hangulL, C.hangulL), (C.hangulL, C.hangulV), (C.hangulL, C.hangulLV), (C.hangulL, C.hangulLVT): true
        case (C.hangulLV, C.hangulV), (C.hangulLV, C.hangulT), (C.hangulV, C.hangulV), (C.hangulV, C.hangulT): true
        case (C.hangulLVT, C.hangulT), (C.hangulT, C.hangulT): true
        default:
          conjunct == 2 && conjunctClass == 1 || pictograph == 2 && isPictograph
            || kind == C.regional && regionals % 2 == 1
        }
      if !joins { return q }
      conjunct =
        switch conjunctClass {
        case 1: 1
        case 2: conjunct > 0 ? 2 : 0
        case 3: conjunct
        default: 0
        }
      if isPictograph {
        pictograph = 1
      } else if kind == C.joiner {
        pictograph = pictograph == 1 ? 2 : 0
      } else if kind != C.extend || pictograph == 2 {
        pictograph = 0
      }
      regionals = kind == C.regional ? regionals &+ 1 : 0
      q &+= length
    }
    return q
  }
}
