/// What a head reads of two texts that are encoded apart.
///
///     [u, v, |u - v|, u v]        element by element, u and v of length 1
///
/// Source: InferSent (Conneau et al. 2017, section 3.1), whose vectors are not scaled.
package enum PairFeatures {
  /// Features of each element of a vector.
  package static let count = 4

  /// target [4 D] = the features of vectors [2, D].
  package static func write(_ vectors: UnsafePointer<Float>, _ width: Int, to target: UnsafeMutablePointer<Float>) {
    for i in 0..<width {
      let (u, v) = (vectors[i], vectors[width &+ i])
      target[i] = u
      target[width &+ i] = v
      target[2 &* width &+ i] = abs(u - v)
      target[3 &* width &+ i] = u * v
    }
  }
}
