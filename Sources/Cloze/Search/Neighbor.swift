/// A vector that a search found.
public struct Neighbor: Hashable, Sendable {
  /// Its row, counted from 0.
  public let index: Int
  /// Its dot product with the query.
  public let score: Float

  /// Whether this one comes before another: the higher score, of equal ones the lower index.
  static func < (a: Neighbor, b: Neighbor) -> Bool { a.score > b.score || a.score == b.score && a.index < b.index }
}

/// Two vectors of one index that are near each other.
public struct NeighborPair: Hashable, Sendable {
  /// The row that comes first, counted from 0.
  public let first: Int
  /// The other row.
  public let second: Int
  /// Their dot product.
  public let score: Float
}

/// The best neighbors so far, at most `capacity`: a binary heap with the worst at its root.
struct BestNeighbors {
  let capacity: Int
  private var heap: [Neighbor] = []

  init(capacity: Int) { self.capacity = capacity }

  /// The score below which nothing is taken.
  var threshold: Float { heap.count < capacity ? -.infinity : heap[0].score }

  mutating func add(_ neighbor: Neighbor) {
    if heap.count < capacity {
      heap.append(neighbor)
      var child = heap.count - 1
      while child > 0 {
        let parent = (child - 1) / 2
        guard heap[parent] < heap[child] else { return }
        heap.swapAt(parent, child)
        child = parent
      }
    } else if capacity > 0, neighbor < heap[0] {
      heap[0] = neighbor
      var parent = 0
      while true {
        var worst = parent
        for child in (2 * parent + 1)...(2 * parent + 2) where child < heap.count && heap[worst] < heap[child] {
          worst = child
        }
        if worst == parent { return }
        heap.swapAt(parent, worst)
        parent = worst
      }
    }
  }

  /// In no order.
  var neighbors: [Neighbor] { heap }
}
