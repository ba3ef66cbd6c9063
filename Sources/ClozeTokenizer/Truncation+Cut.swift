/// Why a text can't be cut as asked.
enum CutRefusal: Error {
  /// Cutting was not allowed.
  case notAllowed
  /// There is no second text to cut.
  case noSecond
  /// Cutting the one text that may be cut is not enough.
  case notEnough(which: String, count: Int)

  /// What to say after the numbers.
  var addition: String {
    switch self {
    case .notAllowed: ""
    case .noSecond: ", and there is no second text to cut"
    case .notEnough(let which, let count):
      ", and cutting the \(which) text alone (\(count) tokens) does not help"
    }
  }
}

extension Truncation {
  /// How many tokens of each text are kept, where both have more than `room` together.
  ///
  /// As `tokenizers` does. Quirks: with no room at all every strategy but `error` cuts both texts
  /// to nothing; the texts named by `onlyFirst` and `onlySecond` must keep a token otherwise; and
  /// where both of a pair are longer than their half, the one that is longer, or the second, gets
  /// the odd token.
  func cut(
    first: Int, second: Int?, room: Int
  ) -> Result<(first: Int, second: Int), CutRefusal> {
    if self == .error { return .failure(.notAllowed) }
    if room == 0 { return .success((0, 0)) }
    let excess = first &+ (second ?? 0) &- room
    switch self {
    case .error: return .failure(.notAllowed)
    case .longestFirst:
      guard let second else { return .success((room, 0)) }
      var shorter = min(first, second)
      var longer = shorter > room ? shorter : max(shorter, room &- shorter)
      if shorter &+ longer > room {
        shorter = room / 2
        longer = shorter &+ room % 2
      }
      let cut = first > second ? (longer, shorter) : (shorter, longer)
      return .success((min(first, cut.0), min(second, cut.1)))
    case .onlyFirst:
      guard first > excess else { return .failure(.notEnough(which: "first", count: first)) }
      return .success((first &- excess, second ?? 0))
    case .onlySecond:
      guard let second else { return .failure(.noSecond) }
      guard second > excess else { return .failure(.notEnough(which: "second", count: second)) }
      return .success((first, second &- excess))
    }
  }
}
