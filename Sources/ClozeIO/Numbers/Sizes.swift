/// The product of sizes read from a file, where it fits an `Int`. Takes no array, which would be allocated.
///
/// - Throws: `.outOfMemory` where a size is negative or the product overflows.
package func bytes(_ first: Int, _ second: Int, _ third: Int = 1) throws(ClozeError) -> Int {
  let (two, overflow) = first.multipliedReportingOverflow(by: second)
  let (three, again) = two.multipliedReportingOverflow(by: third)
  guard first >= 0, second >= 0, third >= 0, !overflow, !again else {
    throw ClozeError(.outOfMemory, "a size beyond the address space was asked for")
  }
  return three
}

/// Rounding of sizes.
extension Int {
  /// The next multiple of `step`, which is positive.
  package func roundedUp(to step: Int) -> Int { (self &+ step &- 1) / step &* step }
}
