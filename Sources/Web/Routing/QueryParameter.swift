package import Model

/// A query parameter that a route takes.
package struct QueryParameter: Sendable {
  package enum Kind: Sendable {
    case text
    case choice([String])
    case integer(ClosedRange<Int64>)
    /// The name of a source.
    case source
    /// The platform's ID of a recording.
    case recording
    /// The key of a recording as a path segment, which is how lists of recordings are continued.
    case recordingKey
    /// A day or a moment.
    case moment
    /// A day in the time zone of the source.
    case day
    /// Set by its presence.
    case flag
    /// Accepted and never used.
    case ignored
  }

  package let name: String
  package let kind: Kind
  package let isRequired: Bool
  package let description: String

  package init(_ name: String, _ kind: Kind, required: Bool = false, _ description: String) {
    self.name = name
    self.kind = kind
    isRequired = required
    self.description = description
  }

  static let source = QueryParameter("source", .source, "The name of a source.")
  static let cursor = QueryParameter(
    "cursor", .integer(0...Int64.max), "`nextCursor` of the previous page.")

  static func limit(_ maximum: Int64, default standard: Int64) -> QueryParameter {
    QueryParameter("limit", .integer(1...maximum), "Maximum number of items; default \(standard).")
  }

  static func choice<T: RawRepresentable<String> & CaseIterable>(
    _ name: String, _ type: T.Type, _ description: String
  ) -> QueryParameter {
    QueryParameter(name, .choice(T.allCases.map(\.rawValue)), description)
  }

  /// - Throws: `invalidRequest`, `invalidRecordingID`.
  func check(_ value: String) throws(TapedeckError) {
    switch kind {
    case .text, .flag, .ignored: break
    case .choice(let values): try require(values.contains(value), "one of \(values.joined(separator: ", "))")
    case .integer(let range):
      let isOpen = range.upperBound == .max
      try require(
        Int64(value).map(range.contains) ?? false,
        name == "cursor"
          ? "the cursor of an earlier response"
          : isOpen ? "a number" : "a number from \(range.lowerBound) to \(range.upperBound)")
    case .source: try require(SourceID(value) != nil, "the name of a source")
    case .recording: if RecordingID(value) == nil { throw TapedeckError(.invalidRecordingID) }
    case .recordingKey:
      try require((try? RecordingKey(pathSegment: value)) != nil, "the cursor of an earlier response")
    case .day:
      try require(CalendarDay(value, in: .utc) != nil, CalendarDay.expectedForm())
    case .moment:
      try require(
        Instant(dayOrTimestamp: value, in: .utc) != nil,
        CalendarDay.expectedForm(orTimestamp: true))
    }
  }

  private func require(_ condition: Bool, _ form: String) throws(TapedeckError) {
    guard condition else { throw TapedeckError(.invalidRequest, "'\(name)' must be \(form).") }
  }

  var schema: Schema {
    switch kind {
    case .text, .ignored, .flag, .recording, .recordingKey, .moment: .string
    case .choice(let values): .choice(values)
    case .integer(let range): .range(range)
    case .source: .source
    case .day: .day
    }
  }
}

/// The query of a request, parsed by the parameters of its route.
package struct Query: Sendable {
  /// The values as they were sent, without empty ones and without parameters that the route does not take.
  package private(set) var values: [String: String] = [:]
  private var flags: Set<String> = []
  /// The time zone of days: that of the reader on pages, UTC elsewhere.
  package let zone: CalendarZone

  /// Parses and checks a query. The last of several values of one parameter counts.
  ///
  /// - Parameter isStrict: whether a parameter that the route does not take is refused instead of ignored.
  /// - Throws: `invalidRequest`, `invalidRecordingID`.
  init(
    _ text: String?, for parameters: [QueryParameter], isStrict: Bool, zone: CalendarZone = .utc
  ) throws(TapedeckError) {
    self.zone = zone
    for (name, value) in formFields(text ?? "") {
      guard let parameter = parameters.first(where: { $0.name == name }) else {
        if isStrict { throw Self.unknown(name, among: parameters.map(\.name)) }
        continue
      }
      if case .ignored = parameter.kind { continue }
      if case .flag = parameter.kind { flags.insert(name) }
      values[name] = value.isEmpty ? nil : value
    }
    for parameter in parameters {
      if let value = values[parameter.name] {
        try parameter.check(value)
      } else if parameter.isRequired {
        throw TapedeckError(.invalidRequest, "The parameter '\(parameter.name)' is required.")
      }
    }
  }

  package subscript(name: String) -> String? { values[name] }

  /// Whether a flag is set.
  package func has(_ name: String) -> Bool { flags.contains(name) }

  package func integer(_ name: String) -> Int64? { values[name].flatMap { Int64($0) } }

  package func choice<T: RawRepresentable<String>>(_ name: String, as type: T.Type = T.self) -> T? {
    values[name].flatMap { T(rawValue: $0) }
  }

  package var source: SourceID? { values["source"].flatMap { SourceID($0) } }

  /// A moment; a day counts as its start, or as its end with `endOfDay`.
  package func moment(_ name: String, endOfDay: Bool = false) -> Instant? {
    values[name].flatMap { Instant(dayOrTimestamp: $0, endOfDay: endOfDay, in: zone) }
  }

  /// Refuses a period that ends before it starts.
  ///
  /// - Throws: `invalidRequest`.
  package func requirePeriod() throws(TapedeckError) {
    guard let from = moment("from"), let to = moment("to", endOfDay: true) else { return }
    // A day before that of `from` ends when that day begins.
    let isDay = moment("to") != to
    guard to < from || (isDay && to == from) else { return }
    throw TapedeckError(.invalidRequest, "'from' must not be after 'to'.")
  }

  /// Why a page shows no rows; nil for a period that does not end before it starts.
  var periodFailure: String? {
    do throws(TapedeckError) { try requirePeriod() } catch {
      return Self.reversedPeriod
    }
    return nil
  }

  static let reversedPeriod = "The date in “From” is after the date in “To”. Change one of them."

  private static func unknown(_ name: String, among names: [String]) -> TapedeckError {
    let shown = name.prefix(40)
    if let likely = nearest(to: String(shown), among: names) {
      return TapedeckError(.invalidRequest, "Unknown parameter '\(shown)'. Did you mean '\(likely)'?")
    }
    let known = names.isEmpty ? "This route takes none." : "Known parameters: \(names.joined(separator: ", "))."
    return TapedeckError(.invalidRequest, "Unknown parameter '\(shown)'. \(known)")
  }
}

/// The fields of a query or a form, as browsers encode them: `+` is a space, and a malformed escape is left as it is.
func formFields(_ text: String) -> [(name: String, value: String)] {
  text.split(separator: "&").map { pair in
    let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    return (formDecoded(parts[0]), parts.count == 2 ? formDecoded(parts[1]) : "")
  }
}

private func formDecoded(_ text: Substring) -> String {
  var out: [UInt8] = []
  var rest = text.utf8[...]
  while let byte = rest.popFirst() {
    if byte == UInt8(ascii: "+") {
      out.append(UInt8(ascii: " "))
    } else if byte == UInt8(ascii: "%"), let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
      rest.prefix(2).count == 2, rest.first != UInt8(ascii: "+"), rest.first != UInt8(ascii: "-")
    {
      out.append(value)
      rest = rest.dropFirst(2)
    } else {
      out.append(byte)
    }
  }
  return String(decoding: out, as: UTF8.self)
}

/// Text as it may be written in a query.
func queryEncoded(_ text: String) -> String {
  let digits = Array("0123456789ABCDEF".utf8)
  var out: [UInt8] = []
  for byte in text.utf8 {
    switch byte {
    case 0x41...0x5A, 0x61...0x7A, 0x30...0x39, 0x2D, 0x2E, 0x5F, 0x7E: out.append(byte)
    default: out += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
  }
  return String(decoding: out, as: UTF8.self)
}
