internal import ClozeIO

/// Parsing the text of a regular expression.
extension RegularExpression {
  indirect enum Node {
    case empty
    case one(Instruction)
    case sequence([Node])
    case either([Node])
    case repeated(Node, Int, Int?, isLazy: Bool)
    case look(Node, isNegative: Bool)

    var canBeEmpty: Bool {
      switch self {
      case .empty, .look: true
      case .one(let instruction):
        switch instruction {
        case .scalar, .set: false
        default: true
        }
      case .sequence(let nodes): nodes.allSatisfy(\.canBeEmpty)
      case .either(let nodes): nodes.contains(where: \.canBeEmpty)
      case .repeated(let node, let least, _, _): least == 0 || node.canBeEmpty
      }
    }
  }

  struct Parser {
    let scalars: [UInt32]
    let path: String
    var at = 0
    var sets: [ScalarSet] = []
    var ignoresCase = false

    init(scalars: [UInt32], path: String) {
      self.scalars = scalars
      self.path = path
    }

    func unsupported(_ what: String) -> ClozeError {
      let text = String(String.UnicodeScalarView(scalars.compactMap { Unicode.Scalar($0) }))
      return ClozeError(
        .unsupportedTokenizer, "\(path) is the regular expression \"\(text)\", \(what) in it is not supported")
    }

    private func isNext(_ text: StaticString) -> Bool {
      let count = text.utf8CodeUnitCount
      guard at &+ count <= scalars.count else { return false }
      return (0..<count).allSatisfy { scalars[at &+ $0] == UInt32(text.utf8Start[$0]) }
    }

    private mutating func take(_ text: StaticString) -> Bool {
      guard isNext(text) else { return false }
      at &+= text.utf8CodeUnitCount
      return true
    }

    mutating func alternatives(_ depth: Int) throws(ClozeError) -> Node {
      guard depth < RegularExpression.maximumDepth else { throw unsupported("nesting deeper than 16") }
      var nodes: [Node] = []
      repeat {
        var parts: [Node] = []
        while at < scalars.count, !isNext("|"), !isNext(")") { parts.append(try repetition(depth)) }
        nodes.append(parts.isEmpty ? .empty : parts.count == 1 ? parts[0] : .sequence(parts))
      } while take("|")
      return nodes.count == 1 ? nodes[0] : .either(nodes)
    }

    private mutating func repetition(_ depth: Int) throws(ClozeError) -> Node {
      let node = try atom(depth)
      let from = at
      var counts: (Int, Int?)?
      if take("*") {
        counts = (0, nil)
      } else if take("+") {
        counts = (1, nil)
      } else if take("?") {
        counts = (0, 1)
      } else if take("{") {
        let least = number()
        var most = least
        if take(",") { most = number() }
        guard take("}"), least != nil || most != nil else { throw unsupported("{") }
        counts = (least ?? 0, most)
        if let most, most < least ?? 0 { throw unsupported("a repetition whose bounds are the wrong way round") }
        guard max(least ?? 0, most ?? 0) <= RegularExpression.maximumCount else {
          throw unsupported("a repetition of more than \(RegularExpression.maximumCount)")
        }
      }
      guard let (least, most) = counts else { return node }
      let isBraced = scalars[from] == 0x7B
      let isLazy = take("?")
      if isLazy, isBraced { throw unsupported("a lazy repetition by number") }
      if isNext("+") || isNext("*") || isNext("?") || isNext("{") {
        throw unsupported("a repetition of a repetition")
      }
      guard !node.canBeEmpty else { throw unsupported("a repetition of what may be empty") }
      return .repeated(node, least, most, isLazy: isLazy)
    }

    private mutating func number() -> Int? {
      var value: Int?
      while at < scalars.count, scalars[at] &- 48 < 10 {
        value = min((value ?? 0) &* 10 &+ Int(scalars[at]) &- 48, 1_000_000)
        at &+= 1
      }
      return value
    }

    private mutating func atom(_ depth: Int) throws(ClozeError) -> Node {
      if take("(?:") { return try group(depth) }
      if take("(?i:") {
        let outer = ignoresCase
        ignoresCase = true
        let node = try group(depth)
        ignoresCase = outer
        return node
      }
      if take("(?!") { return .look(try group(depth), isNegative: true) }
      if take("(?=") { return .look(try group(depth), isNegative: false) }
      if isNext("(?") { throw unsupported("(?") }
      if take("(") { return try group(depth) }
      if take("[") { return .one(.set(try add(bracket(0)))) }
      if take(".") {
        return .one(.set(try add(ScalarSet(isNegated: true, ranges: [0x0A...0x0A]))))
      }
      if take("^") { return .one(.lineBegin) }
      if take("$") { return .one(.lineEnd) }
      if take("\\A") { return .one(.textBegin) }
      if take("\\z") { return .one(.textEnd) }
      if isNext("\\") {
        var set = ScalarSet()
        if let scalar = try escape(&set) { return .one(.scalar(scalar)) }
        return .one(.set(try add(set)))
      }
      let scalar = scalars[at]
      for byte in "*+?{".unicodeScalars where byte.value == scalar { throw unsupported("a repetition of nothing") }
      at &+= 1
      if ignoresCase { return .one(try caseless(scalar)) }
      return .one(.scalar(scalar))
    }

    private mutating func group(_ depth: Int) throws(ClozeError) -> Node {
      let node = try alternatives(depth &+ 1)
      guard take(")") else { throw unsupported("a group that does not end") }
      return node
    }

    private mutating func add(_ set: ScalarSet) throws(ClozeError) -> Int {
      sets.append(set)
      return sets.count &- 1
    }

    /// A letter of either case. Only the letters of English contractions, which fold to no others but the long s.
    private mutating func caseless(_ scalar: UInt32) throws(ClozeError) -> Instruction {
      if !(65...90 ~= scalar), !(97...122 ~= scalar) {
        guard scalar < 0x80 else { throw unsupported("(?i: around what is not ASCII") }
        return .scalar(scalar)
      }
      let lower = scalar | 0x20
      guard "stremvld".unicodeScalars.contains(where: { $0.value == lower }) else {
        throw unsupported("(?i: around other letters than those of 's 't 're 've 'm 'll 'd")
      }
      var ranges = [lower...lower, (lower &- 32)...(lower &- 32)]
      if lower == 0x73 { ranges.append(0x17F...0x17F) }
      return .set(try add(ScalarSet(ranges: ranges)))
    }

    /// What follows a backslash: a scalar, or nil and the class added to `set`.
    private mutating func escape(_ set: inout ScalarSet, inBrackets: Bool = false) throws(ClozeError) -> UInt32? {
      at &+= 1
      guard at < scalars.count, let scalar = Unicode.Scalar(scalars[at]) else { throw unsupported("a \\ at its end") }
      at &+= 1
      let word = inBrackets ? ScalarProperty.classWord : ScalarProperty.word
      switch scalar {
      case "n": return 0x0A
      case "r": return 0x0D
      case "t": return 0x09
      case "f": return 0x0C
      case "v": return 0x0B
      case "s": set.properties |= ScalarProperty.space
      case "d": set.properties |= ScalarProperty.digit
      case "w": set.properties |= word
      case "S": set.lacking.append(ScalarProperty.space)
      case "D": set.lacking.append(ScalarProperty.digit)
      case "W": set.lacking.append(word)
      case "p", "P":
        guard take("{") else { throw unsupported("\\\(scalar)") }
        let begin = at
        while at < scalars.count, scalars[at] != 0x7D { at &+= 1 }
        let name = String(String.UnicodeScalarView(scalars[begin..<at].compactMap { Unicode.Scalar($0) }))
        guard take("}"), let bit = Self.categories[name] else { throw unsupported("\\\(scalar){\(name)}") }
        if scalar == "p" { set.properties |= bit } else { set.lacking.append(bit) }
      case "a"..."z", "A"..."Z", "0"..."9": throw unsupported("\\\(scalar)")
      default: return scalar.value
      }
      return nil
    }

    private static let categories: [String: UInt32] = [
      "L": ScalarProperty.letter, "N": ScalarProperty.number, "P": ScalarProperty.punctuation,
      "S": ScalarProperty.symbol, "M": ScalarProperty.mark, "Lu": ScalarProperty.upper, "Ll": ScalarProperty.lower,
    ]

    /// What follows [.
    private mutating func bracket(_ depth: Int) throws(ClozeError) -> ScalarSet {
      var set = ScalarSet(isNegated: take("^"))
      var isEmpty = true
      while true {
        guard at < scalars.count else { throw unsupported("[ without ]") }
        if isNext("]"), !isEmpty {
          at &+= 1
          return set
        }
        if isEmpty, isNext("]") { throw unsupported("[]") }
        if isNext("[") || isNext("&&") { throw unsupported("a class in a class") }
        isEmpty = false
        var first = scalars[at]
        if first == 0x5C {
          guard let scalar = try escape(&set, inBrackets: true) else { continue }
          first = scalar
        } else {
          at &+= 1
        }
        var last = first
        if isNext("-"), at &+ 1 < scalars.count, scalars[at &+ 1] != 0x5D {
          at &+= 1
          last = scalars[at]
          if last == 0x5C {
            guard let scalar = try escape(&set) else { throw unsupported("a range to a class") }
            last = scalar
          } else {
            at &+= 1
          }
        }
        guard first <= last else { throw unsupported("a range whose bounds are the wrong way round") }
        set.ranges.append(first...last)
      }
    }
  }
}
