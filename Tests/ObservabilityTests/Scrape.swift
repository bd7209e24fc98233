import Testing

/// A strict parser for Prometheus' text format 0.0.4: it refuses anything that the format does not allow.
struct Scrape {
  struct Sample: Equatable {
    var name: String
    var labels: [String: String]
    var value: Double
  }

  struct Broken: Error, CustomStringConvertible {
    var description: String
  }

  var types: [String: String] = [:]
  var help: [String: String] = [:]
  var samples: [Sample] = []

  init(_ text: String) throws {
    guard text.hasSuffix("\n") else { throw Broken(description: "no line feed at the end") }
    var family = ""
    for line in text.unicodeScalars.dropLast().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    {
      if line.hasPrefix("# HELP ") {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
        guard words.count == 4, help.updateValue(words[3], forKey: words[2]) == nil, types[words[2]] == nil else {
          throw Broken(description: line)
        }
      } else if line.hasPrefix("# TYPE ") {
        let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard words.count == 4, ["counter", "gauge", "histogram"].contains(words[3]), words[2] > family,
          types.updateValue(words[3], forKey: words[2]) == nil
        else { throw Broken(description: line) }
        family = words[2]
      } else {
        let sample = try Self.sample(line)
        let allowed =
          types[family] == "histogram" ? ["_bucket", "_sum", "_count"].map { family + $0 } : [family]
        guard allowed.contains(sample.name) else { throw Broken(description: "\(line) under \(family)") }
        guard !samples.contains(where: { $0.name == sample.name && $0.labels == sample.labels }) else {
          throw Broken(description: "twice: \(line)")
        }
        samples.append(sample)
      }
    }
    try checkHistograms()
  }

  func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    samples.first { $0.name == name && $0.labels == labels }?.value
  }

  private static func sample(_ line: String) throws -> Sample {
    var rest = line.unicodeScalars[...]
    func name() throws -> String {
      let text = String(
        rest.prefix { $0.isASCII && ($0.properties.isAlphabetic || ("0"..."9").contains($0) || $0 == "_") })
      guard let first = text.unicodeScalars.first, !("0"..."9").contains(first) else { throw Broken(description: line) }
      rest = rest.dropFirst(text.unicodeScalars.count)
      return text
    }
    func expect(_ scalar: Unicode.Scalar) throws {
      guard rest.popFirst() == scalar else { throw Broken(description: "\(line): '\(scalar)' is missing") }
    }
    let metric = try name()
    var labels: [String: String] = [:]
    if rest.first == "{" {
      try expect("{")
      while rest.first != "}" {
        if !labels.isEmpty { try expect(",") }
        let label = try name()
        try expect("=")
        try expect("\"")
        var value = String.UnicodeScalarView()
        while let next = rest.popFirst(), next != "\"" {
          guard next == "\\" else {
            value.append(next)
            continue
          }
          switch rest.popFirst() {
          case "\\": value.append("\\")
          case "\"": value.append("\"")
          case "n": value.append("\n")
          default: throw Broken(description: "\(line): an unknown escape")
          }
        }
        guard labels.updateValue(String(value), forKey: label) == nil else {
          throw Broken(description: "\(line): a label twice")
        }
      }
      try expect("}")
    }
    try expect(" ")
    guard let value = Double(String(rest)) else { throw Broken(description: "\(line): no number") }
    return Sample(name: metric, labels: labels, value: value)
  }

  private func checkHistograms() throws {
    for (family, type) in types where type == "histogram" {
      let buckets = samples.filter { $0.name == family + "_bucket" }
      let groups = Dictionary(grouping: buckets) { $0.labels.filter { $0.key != "le" } }
      for (labels, members) in groups {
        let bounds = members.compactMap { $0.labels["le"].flatMap(Double.init) }
        guard bounds == bounds.sorted(), bounds.count == members.count, bounds.last == .infinity,
          members.map(\.value) == members.map(\.value).sorted(),
          value(family + "_count", labels) == members.last?.value, value(family + "_sum", labels) != nil
        else { throw Broken(description: "the histogram \(family) \(labels) is inconsistent") }
      }
    }
  }
}
