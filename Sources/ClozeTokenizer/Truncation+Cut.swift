/// Why a text or pair cannot be truncated to fit.
enum CutRefusal: Error {
  /// The truncation is `error`.
  case notAllowed
  /// There is no second text to truncate.
  case noSecond
  /// Truncating the only text that may be truncated is not enough.
  case notEnough(which: String, count: Int)

  /// The end of the message, after the numbers.
  var addition: String {
    switch self {
    case .notAllowed: ""
    case .noSecond: ", and there is no second text to cut"
    case .notEnough(let which, let count): ", and cutting the \(which) text alone (\(count) tokens) does not help"
    }
  }
}

/// The arithmetic of truncation.
extension Truncation {
  /// The numbers of tokens that are kept of each text, where both together have more than `room`.
  ///
  /// As in `tokenizers`. Quirks: with room 0 every strategy except `error` removes all tokens; with more, the
  /// text that `onlyFirst` or `onlySecond` truncates must keep a token; where both texts of a pair are longer
  /// than half of the room, the longer one, or the second, gets the odd token.
  func cut(first: Int, second: Int?, room: Int) -> Result<(first: Int, second: Int), CutRefusal> {
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
