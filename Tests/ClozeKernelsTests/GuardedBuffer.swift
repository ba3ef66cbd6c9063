import Glibc

/// Memory whose last byte is followed by a page that faults when touched, and whose first page is
/// preceded by another. What is not initialised is poison: bytes 0xcb, as a float -2.7e7.
final class GuardedBuffer<Element> {
  let pointer: UnsafeMutablePointer<Element>
  let count: Int
  private let mapping: UnsafeMutableRawPointer
  private let length: Int

  /// `alignment` above that of the element leaves a gap before the guard unless the size is a
  /// multiple.
  init(count: Int, alignment: Int = 1) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let bytes = roundedUp(count * MemoryLayout<Element>.stride, to: alignment)
    let usable = roundedUp(max(bytes, 1), to: page)
    length = usable + 2 * page
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let mapping = mmap(nil, length, PROT_NONE, flags, -1, 0), mapping != MAP_FAILED,
      mprotect(mapping + page, usable, PROT_READ | PROT_WRITE) == 0
    else { preconditionFailure("no memory") }
    self.mapping = mapping
    self.count = count
    memset(mapping + page, 0xcb, usable)
    pointer = (mapping + page + usable - bytes).bindMemory(to: Element.self, capacity: count)
  }

  convenience init(_ elements: [Element]) {
    self.init(count: elements.count)
    for (i, element) in elements.enumerated() { pointer[i] = element }
  }

  /// Rows of `width` elements, `stride` apart; between them poison, and nothing after the last.
  convenience init(_ elements: [Element], width: Int, stride: Int) {
    let rows = elements.count / width
    self.init(count: rows == 0 ? 0 : (rows - 1) * stride + width)
    for row in 0..<rows { for i in 0..<width { pointer[row * stride + i] = elements[row * width + i] } }
  }

  deinit { munmap(mapping, length) }

  var array: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  /// The elements without the gaps between rows, and whether the gaps hold poison still.
  func rows(_ rows: Int, width: Int, stride: Int) -> (elements: [Element], gapsUntouched: Bool) {
    var elements: [Element] = []
    elements.reserveCapacity(rows * width)
    var untouched = true
    for row in 0..<rows {
      let start = pointer + row * stride
      elements.append(contentsOf: UnsafeBufferPointer(start: start, count: width))
      if row + 1 < rows { untouched = isPoison(row * stride + width..<(row + 1) * stride) && untouched }
    }
    return (elements, untouched)
  }

  func isPoison(_ range: Range<Int>) -> Bool {
    let size = MemoryLayout<Element>.stride
    let bytes = UnsafeRawBufferPointer(start: pointer + range.lowerBound, count: range.count * size)
    return bytes.allSatisfy { $0 == 0xcb }
  }
}
