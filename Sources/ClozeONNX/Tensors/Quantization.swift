internal import ClozeIO

/// The real numbers that the integers of a tensor represent: real = scale (integer - zero point), with one scale
/// and zero point for all, or one per index of an axis. A matrix may also have a factor per index of the other
/// axis, by which activations are multiplied before they are quantized.
public final class Quantization: Sendable {
  /// One, or one per index of `axis`; finite and positive.
  public let scales: [Float]
  /// As many as scales.
  public let zeroPoints: [Int32]
  /// nil where there is one scale.
  public let axis: Int?
  /// One per index of `factorAxis`; nil: 1.
  let factors: [Float]?
  let factorAxis: Int

  package init(scales: [Float], zeroPoints: [Int32], axis: Int?, factors: [Float]? = nil, factorAxis: Int = 0) {
    self.scales = scales
    self.zeroPoints = zeroPoints
    self.axis = scales.count == 1 ? nil : axis
    self.factors = factors
    self.factorAxis = factorAxis
  }

  /// Whether every element has the same scale and zero point.
  public var isUniform: Bool { axis == nil }

  /// "per channel, zero point 0"
  var label: String {
    let first = zeroPoints.first ?? 0
    let point = zeroPoints.allSatisfy { $0 == first } ? "zero point \(first)" : "zero points"
    return (isUniform ? "per tensor, " : "per channel, ") + point
  }

  func moved(to axis: Int) -> Quantization? {
    axis < 0 || factors != nil ? nil : Quantization(scales: scales, zeroPoints: zeroPoints, axis: axis)
  }

  /// The quantization of indices `range` of an axis.
  func part(_ range: Range<Int>, axis: Int) -> Quantization { joined([range], axis: axis) }

  /// Dequantizes elements `range` of a tensor, given as floats, in place.
  func apply(to elements: UnsafeMutablePointer<Float>, _ range: Range<Int>, _ shape: [Int]) {
    defer { multiply(elements, range, shape) }
    guard let axis, axis < shape.count else {
      let (scale, zero) = (scales.first ?? 1, Float(zeroPoints.first ?? 0))
      for i in 0..<range.count { elements[i] = (elements[i] - zero) * scale }
      return
    }
    let inner = Swift.max(shape[(axis + 1)...].reduce(1, &*), 1)
    let channels = scales.count
    var channel = range.lowerBound / inner % channels
    var left = inner - range.lowerBound % inner
    for i in 0..<range.count {
      elements[i] = (elements[i] - Float(zeroPoints[channel])) * scales[channel]
      left &-= 1
      if left == 0 {
        left = inner
        channel = channel &+ 1 == channels ? 0 : channel &+ 1
      }
    }
  }

  private func multiply(_ elements: UnsafeMutablePointer<Float>, _ range: Range<Int>, _ shape: [Int]) {
    guard let factors, shape.count == 2, shape[factorAxis] == factors.count else { return }
    let columns = shape[1]
    for i in 0..<range.count {
      let (row, column) = (range.lowerBound &+ i).quotientAndRemainder(dividingBy: columns)
      elements[i] *= factors[factorAxis == 0 ? row : column]
    }
  }
}

/// Quantized tensors.
extension Tensor {
  /// The bits that quantized bytes use, without zero points: 7 where a quantizer left one free for CPUs whose
  /// 8-bit products saturate. nil for other elements.
  func bitsUsed() throws(ClozeError) -> Int? {
    guard let quantization, quantization.isUniform || quantization.zeroPoints.allSatisfy({ $0 == 0 }),
      elementType == .int8 || elementType == .uint8
    else { return nil }
    let zero = Int(quantization.zeroPoints.first ?? 0)
    // Usually decided by the first few bytes.
    for byte in try bytes() {
      let value = (elementType == .int8 ? Int(Int8(bitPattern: byte)) : Int(byte)) - zero
      if value > 64 || value < -64 { return 8 }
    }
    return 7
  }

  /// The matrix with a factor per index of an axis.
  func multiplied(by factors: [Float], axis: Int) -> Tensor? {
    guard let quantization, quantization.factors == nil, shape.count == 2, axis == 0 || axis == 1,
      shape[axis] == factors.count, quantization.axis != axis
    else { return nil }
    return Tensor(
      name: name, elementType: elementType, shape: shape, place: place,
      quantization: Quantization(
        scales: quantization.scales, zeroPoints: quantization.zeroPoints, axis: quantization.axis, factors: factors,
        factorAxis: axis), file: file, owner: owner)
  }

  /// This tensor of integers with a quantization.
  ///
  /// - Parameter axis: the axis of several scales.
  /// - Throws: `.damaged`, naming the tensor, for invalid scales or zero points.
  func quantized(scale: Tensor, zeroPoint: Tensor?, axis: Int) throws(ClozeError) -> Tensor {
    func refuse(_ reason: String) -> ClozeError { ClozeError(.damaged, "\(label): \(reason)") }
    guard [.int8, .uint8, .int16, .uint16, .int32].contains(elementType) else {
      throw refuse("quantized weights must be int8 or uint8")
    }
    guard scale.elementType.isFloat, scale.count > 0 else {
      throw refuse("its scale \(scale.label) is not floating-point")
    }
    let channels = scale.count
    if channels > 1 {
      guard axis >= 0, axis < shape.count, shape[axis] == channels else {
        throw refuse("its \(channels) scales \"\(scale.name)\" match no axis")
      }
    }
    var scales = [Float](repeating: 0, count: channels)
    try scales.withUnsafeMutableBufferPointer { buffer throws(ClozeError) in try scale.copyFloat32(to: buffer) }
    for (i, value) in scales.enumerated() where !(value > 0 && value.isFinite) {
      throw refuse("element \(i) of its scale \"\(scale.name)\" is \(value)")
    }
    var points = [Int32](repeating: 0, count: channels)
    if let zeroPoint {
      guard zeroPoint.elementType == elementType else {
        throw refuse("its zero point \(zeroPoint.label) is of another type")
      }
      guard zeroPoint.count == channels || zeroPoint.count == 1 else {
        throw refuse("it has \(channels) scales and \(zeroPoint.count) zero points")
      }
      var values = [Float](repeating: 0, count: zeroPoint.count)
      try values.withUnsafeMutableBufferPointer { buffer throws(ClozeError) in try zeroPoint.copyFloat32(to: buffer) }
      for i in points.indices { points[i] = Int32(clamping: Int(values[values.count == 1 ? 0 : i])) }
    }
    return Tensor(
      name: name, elementType: elementType, shape: shape, place: place,
      quantization: Quantization(scales: scales, zeroPoints: points, axis: axis), file: file, owner: owner)
  }
}
