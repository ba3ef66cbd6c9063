/// `value` with a fixed number of digits after the point, rounded half away from zero.
///
/// - Parameter digits: 0 to 9. Values beyond 1e9, NaN and infinity are written as `description` has them.
func fixed(_ value: Double, digits: Int) -> String {
  var scale = 1.0
  for _ in 0..<digits { scale *= 10 }
  guard value.isFinite, abs(value) <= 1e9, digits >= 0, digits <= 9 else { return value.description }
  let scaled = Int64((abs(value) * scale).rounded())
  let unit = Int64(scale)
  let sign = value < 0 && scaled != 0 ? "-" : ""
  guard digits > 0 else { return sign + scaled.description }
  let fraction = (scaled % unit).description
  return sign + (scaled / unit).description + "." + String(repeating: "0", count: digits - fraction.utf8.count)
    + fraction
}

/// A whole number with a comma between groups of three digits.
func grouped(_ value: Int) -> String {
  let digits = value.magnitude.description
  var result = value < 0 ? "-" : ""
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index) % 3 == 0 { result.append(",") }
    result.append(digit)
  }
  return result
}

/// A measured value with two significant digits: 26,000, 360, 7.1, 0.53; as `fixed` has it beyond 1e9, and with nine
/// digits after the point below 1e-8.
func roughly(_ value: Double) -> String {
  var (unit, digits) = (1.0, 0)
  if value < 1e9 {
    while value / unit >= 99.5 { unit *= 10 }
    while digits < 9, value * unit < 9.95 { (unit, digits) = (unit * 10, digits + 1) }
  }
  return digits == 0 && value < 1e9 ? grouped(Int((value / unit).rounded() * unit)) : fixed(value, digits: digits)
}

/// A probability with six digits after the point; below 1e-6 with two significant digits and an exponent.
func probability(_ value: Float) -> String {
  guard value > 0, value < 0.000_001 else { return fixed(Double(value), digits: 6) }
  var mantissa = Double(value)
  var exponent = 0
  while mantissa < 1 {
    mantissa *= 10
    exponent += 1
  }
  // 9.96 would be rounded to 10.0.
  if mantissa >= 9.95 {
    mantissa /= 10
    exponent -= 1
  }
  return "\(fixed(mantissa, digits: 1))e-\(exponent < 10 ? "0" : "")\(exponent)"
}
