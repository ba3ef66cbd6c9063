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
