import Foundation
package import Model

extension FaultRule {
  /// Reads JSON; `*` as recording or endpoint matches all.
  package init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(try values.decode(Fault.self, forKey: .fault))
    recording = try values.decodeIfPresent(String.self, forKey: .recording).flatMap { $0 == "*" ? nil : $0 }
    if let name = try values.decodeIfPresent(String.self, forKey: .endpoint), name != "*" {
      guard let known = Endpoint(rawValue: name) else {
        throw DecodingError.dataCorruptedError(
          forKey: .endpoint, in: values, debugDescription: "endpoint must be token, search, metadata, download or *")
      }
      endpoint = known
    }
    times = try values.decodeIfPresent(Int.self, forKey: .times)
    lasts = try values.decodeIfPresent(Double.self, forKey: .lasts)
    every = try values.decodeIfPresent(Double.self, forKey: .every)
    afterBytes = try values.decodeIfPresent(Int.self, forKey: .afterBytes)
    retryAfter = try values.decodeIfPresent(String.self, forKey: .retryAfter)
    status = try values.decodeIfPresent(Int.self, forKey: .status)
    delay = try values.decodeIfPresent(Double.self, forKey: .delay)
    bytesPerSecond = try values.decodeIfPresent(Int.self, forKey: .bytesPerSecond)
    variant = try values.decodeIfPresent(String.self, forKey: .variant)
    if let problem {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: problem))
    }
  }

  /// Reads the command-line form `cut`, `cut,recording=bench-3min-01,times=1,afterBytes=1000`, or JSON.
  ///
  /// - Throws: `usage` for an unknown fault or key, or a malformed value.
  package init(argument: String) throws(TapedeckError) {
    do {
      if argument.hasPrefix("{") {
        self = try JSONDecoder().decode(FaultRule.self, from: Data(argument.utf8))
        return
      }
    } catch {
      throw TapedeckError(.usage, "The fault is not a valid rule.", cause: error)
    }
    let parts = argument.split(separator: ",")
    guard let name = parts.first, let fault = Fault(rawValue: String(name)) else {
      let names = Fault.allCases.map(\.rawValue).joined(separator: ", ")
      throw TapedeckError(.usage, "Unknown fault '\(parts.first ?? "")'. The sandbox supports: \(names).")
    }
    self.init(fault)
    for part in parts.dropFirst() {
      let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
      guard pair.count == 2, set(pair[0], to: pair[1]) else {
        throw TapedeckError(
          .usage, "'\(part)' is not a valid part of a fault. Write for example times=1 or afterBytes=1000.")
      }
    }
    if let problem { throw TapedeckError(.usage, "The fault is invalid: \(problem).") }
  }

  private mutating func set(_ key: String, to text: String) -> Bool {
    switch CodingKeys(rawValue: key) {
    case .recording:
      recording = text == "*" ? nil : text
      return true
    case .endpoint:
      endpoint = Endpoint(rawValue: text)
      return endpoint != nil || text == "*"
    case .times:
      times = Int(text)
      return times != nil
    case .lasts:
      lasts = Double(text)
      return lasts != nil
    case .every:
      every = Double(text)
      return every != nil
    case .afterBytes:
      afterBytes = Int(text)
      return afterBytes != nil
    case .retryAfter:
      retryAfter = text
      return true
    case .status:
      status = Int(text)
      return status != nil
    case .delay:
      delay = Double(text)
      return delay != nil
    case .bytesPerSecond:
      bytesPerSecond = Int(text)
      return bytesPerSecond != nil
    case .variant:
      variant = text
      return true
    case .fault, nil:
      return false
    }
  }
}
