/// A number with its thousands grouped, for pages and text output: `3,091,456`. JSON, CSV and identifiers have plain
/// digits.
package func grouped(_ number: some BinaryInteger) -> String {
  let digits = String(number.magnitude)
  var out = ""
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index) % 3 == 0 { out.append(",") }
    out.append(digit)
  }
  return number < 0 ? "-\(out)" : out
}

/// A number with its thousands grouped and some decimals: `12,345.6`; capped at 10^15.
package func grouped(_ number: Double, decimals: Int) -> String {
  let scale = (0..<decimals).reduce(Int64(1)) { all, _ in all * 10 }
  let scaled = Int64((min(max(number.isNaN ? 0 : number, -1e15), 1e15) * Double(scale)).rounded())
  let fraction = String(scaled.magnitude % UInt64(scale))
  let sign = scaled < 0 ? "-" : ""
  let whole = sign + grouped(scaled.magnitude / UInt64(scale))
  guard decimals > 0 else { return whole }
  return "\(whole).\(String(repeating: "0", count: decimals - fraction.count))\(fraction)"
}

/// A number with its noun, such as `1 recording` or `1,204 recordings`.
package func counted(_ number: some BinaryInteger, _ noun: String, plural: String? = nil) -> String {
  "\(grouped(number)) \(number == 1 ? noun : plural ?? "\(noun)s")"
}
