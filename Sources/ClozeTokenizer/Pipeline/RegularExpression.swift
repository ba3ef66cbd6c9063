internal import ClozeIO
internal import Glibc

/// A regular expression of a tokenizer.json, compiled: the part of Oniguruma's syntax that real files use.
///
/// Alternation, groups, greedy and lazy repetition, classes, \s \d \w \p{..} of the general categories that
/// `ScalarProperty` has, (?=..), (?!..), (?i:..) around the contractions of English, \A \z ^ $. It matches by
/// backtracking, with a limit on the steps.
struct RegularExpression: Sendable {
  enum Instruction: Sendable {
    case scalar(UInt32)
    case set(Int)
    /// Tries the first place, then the second.
    case split(Int, Int)
    case jump(Int)
    /// Looks ahead with what follows, up to its `found`; goes on at the place.
    case look(Int, isNegative: Bool)
    case textBegin, textEnd, lineBegin, lineEnd
    case found
  }

  /// A set of scalars: any of some properties, lacking all of some, or in one of some ranges.
  struct ScalarSet: Sendable {
    var isNegated = false
    var properties: UInt32 = 0
    var lacking: [UInt32] = []
    var ranges: [ClosedRange<UInt32>] = []

    func contains(_ scalar: UInt32, _ table: ScalarProperties) -> Bool {
      let entry = properties != 0 || !lacking.isEmpty ? table.entry(scalar) : 0
      let isIn =
        entry & properties != 0 || ranges.contains { $0.contains(scalar) } || lacking.contains { entry & $0 == 0 }
      return isIn != isNegated
    }
  }

  var program: [Instruction] = []
  var sets: [ScalarSet] = []
  /// The byte that every match begins with, where that is one of ASCII.
  private var firstByte: UInt8?
  /// How often a part may be repeated by number, and how deep groups nest.
  static let maximumCount = 64
  static let maximumDepth = 16
  private static let maximumSize = 4096

  /// - Parameter path: the pattern's place in messages.
  /// - Throws: `.unsupportedTokenizer` for what is not read, and for a pattern that matches nothing.
  init(_ pattern: [UInt8], path: String) throws(ClozeError) {
    var parser = Parser(scalars: String(decoding: pattern, as: UTF8.self).unicodeScalars.map(\.value), path: path)
    let node = try parser.alternatives(0)
    guard parser.at == parser.scalars.count else { throw parser.unsupported("an unmatched )") }
    guard !node.canBeEmpty else { throw parser.unsupported("a match of no characters") }
    sets = parser.sets
    try compile(node, parser)
    program.append(.found)
    if case .scalar(let scalar) = program[0], scalar < 0x80 { firstByte = UInt8(scalar) }
  }

  /// A budget of steps, in proportion to the text.
  struct Budget {
    var steps: Int
    init(bytes: Int) { steps = 4096 &+ 512 &* bytes }
  }

  /// The next match from `p` on, nil if there is none, or the budget is used up.
  func find(_ text: AlignedText, _ p: Int, _ to: Int, from begin: Int, _ budget: inout Budget) -> (from: Int, to: Int)?
  {
    var p = p
    var stack: [(pc: Int, at: Int)] = []
    while p < to {
      if let firstByte {
        guard let hit = memchr(text.bytes.base + p, Int32(firstByte), to &- p) else { return nil }
        p = hit - UnsafeMutableRawPointer(text.bytes.base)
      }
      if let end = match(0, text, p, begin, to, &stack, &budget), end > p { return (p, end) }
      if budget.steps <= 0 { return nil }
      p &+= UTF8Scan.length(text.bytes.base[p])
    }
    return nil
  }

  private func match(
    _ start: Int, _ text: AlignedText, _ from: Int, _ begin: Int, _ to: Int, _ stack: inout [(pc: Int, at: Int)],
    _ budget: inout Budget
  ) -> Int? {
    let table = ScalarProperties.shared
    let bottom = stack.count
    var pc = start
    var at = from
    func fails(_ stack: inout [(pc: Int, at: Int)]) -> Bool {
      guard stack.count > bottom, let last = stack.popLast() else { return true }
      (pc, at) = last
      return false
    }
    while true {
      budget.steps &-= 1
      if budget.steps <= 0 {
        stack.removeLast(stack.count &- bottom)
        return nil
      }
      var goesOn = true
      switch program[pc] {
      case .scalar(let wanted):
        goesOn = false
        if at < to {
          let (scalar, length) = text.scalar(at)
          if scalar == wanted {
            at &+= length
            goesOn = true
          }
        }
      case .set(let index):
        goesOn = false
        if at < to {
          let (scalar, length) = text.scalar(at)
          if sets[index].contains(scalar, table) {
            at &+= length
            goesOn = true
          }
        }
      case .split(let first, let second):
        stack.append((second, at))
        pc = first
        continue
      case .jump(let place):
        pc = place
        continue
      case .look(let place, let isNegative):
        let isFound = match(pc &+ 1, text, at, begin, to, &stack, &budget) != nil
        if isFound != isNegative {
          pc = place
          continue
        }
        goesOn = false
      case .textBegin: goesOn = at == begin
      case .textEnd: goesOn = at == to
      case .lineBegin: goesOn = at == begin || text.bytes.base[at &- 1] == 0x0A && at < to
      case .lineEnd: goesOn = at == to || text.bytes.base[at] == 0x0A
      case .found:
        stack.removeLast(stack.count &- bottom)
        return at
      }
      if goesOn { pc &+= 1 } else if fails(&stack) { return nil }
    }
  }

  // MARK: - Compiling

  private mutating func compile(_ node: Node, _ parser: Parser) throws(ClozeError) {
    guard program.count < Self.maximumSize else { throw parser.unsupported("its size") }
    switch node {
    case .empty: break
    case .one(let instruction): program.append(instruction)
    case .sequence(let nodes): for node in nodes { try compile(node, parser) }
    case .either(let nodes):
      var ends: [Int] = []
      for (i, node) in nodes.enumerated() {
        if i &+ 1 == nodes.count {
          try compile(node, parser)
          break
        }
        let split = program.count
        program.append(.found)
        try compile(node, parser)
        ends.append(program.count)
        program.append(.found)
        program[split] = .split(split &+ 1, program.count)
      }
      for end in ends { program[end] = .jump(program.count) }
    case .repeated(let node, let least, let most, let isLazy):
      for _ in 0..<least { try compile(node, parser) }
      func split(_ at: Int, _ inside: Int, _ after: Int) {
        program[at] = isLazy ? .split(after, inside) : .split(inside, after)
      }
      if let most {
        var splits: [Int] = []
        for _ in least..<max(least, most) {
          splits.append(program.count)
          program.append(.found)
          try compile(node, parser)
        }
        for at in splits { split(at, at &+ 1, program.count) }
      } else {
        let at = program.count
        program.append(.found)
        try compile(node, parser)
        program.append(.jump(at))
        split(at, at &+ 1, program.count)
      }
    case .look(let node, let isNegative):
      let at = program.count
      program.append(.found)
      try compile(node, parser)
      program.append(.found)
      program[at] = .look(program.count, isNegative: isNegative)
    }
  }
}

/// Parsing.
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
