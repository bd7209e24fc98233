import Foundation
import HTTPTypes
import Testing
import Web

/// The OpenAPI document, against which the tests check every response of a documented route.
struct DocumentedResponses: Sendable {
  private let table: RouteTable
  /// Safe to share, since `JSONSerialization` without options makes immutable objects, which are not marked `Sendable`.
  nonisolated(unsafe) private let document: [String: Any]

  init(_ table: RouteTable) throws {
    self.table = table
    document = try #require(JSONSerialization.jsonObject(with: try table.openAPI()) as? [String: Any])
  }

  /// Records an issue for a response with a status, content type or body outside of the document.
  func check(_ answer: WebFixture.Answer, to method: HTTPRequest.Method, _ target: String) {
    let path = String(target.prefix { $0 != "?" })
    guard let route = table.route(method, path), route.kind == .api else { return }
    let name = "\(method) \(target): \(answer.status)"
    let responses = value(document, "paths", route.path, route.method.rawValue.lowercased(), "responses")
    guard let described = (responses as? [String: Any])?["\(answer.status)"] as? [String: Any] else {
      Issue.record("\(name) is not in the OpenAPI document")
      return
    }
    guard method != .head, !answer.body.isEmpty else { return }
    let type = String((answer.header("Content-Type") ?? "").prefix { $0 != ";" })
    let range = "\(type.prefix { $0 != "/" })/*"
    guard let content = (value(described, "content", type) ?? value(described, "content", range)) as? [String: Any]
    else {
      Issue.record("\(name) with \(type) is not in the OpenAPI document")
      return
    }
    guard type.hasSuffix("json"), let schema = content["schema"] as? [String: Any] else { return }
    let body = try? JSONSerialization.jsonObject(with: Data(answer.body))
    let problems = mismatches(body ?? NSNull(), schema, at: "$")
    #expect(problems.isEmpty, "\(name)")
  }

  private func value(_ object: Any, _ path: String...) -> Any? {
    path.reduce(object) { ($0 as? [String: Any])?[$1] }
  }

  /// Where a value differs from a schema.
  func mismatches(_ value: Any, _ schema: [String: Any], at path: String) -> [String] {
    if let reference = schema["$ref"] as? String {
      let name = reference.split(separator: "/").last.map(String.init) ?? ""
      guard let target = self.value(document, "components", "schemas", name) as? [String: Any] else {
        return ["\(path): no schema '\(name)'"]
      }
      return mismatches(value, target, at: path)
    }
    if let choices = schema["anyOf"] as? [[String: Any]] {
      let all = choices.map { mismatches(value, $0, at: path) }
      return all.contains(where: \.isEmpty) ? [] : all.flatMap { $0 }
    }
    switch schema["type"] as? String {
    case "object": return objectMismatches(value, schema, at: path)
    case "array":
      guard let values = value as? [Any] else { return ["\(path): no array"] }
      let items = schema["items"] as? [String: Any] ?? [:]
      return values.enumerated().flatMap { mismatches($1, items, at: "\(path)[\($0)]") }
    case "string":
      guard let text = value as? String else { return ["\(path): no string"] }
      if let choices = schema["enum"] as? [String], !choices.contains(text) { return ["\(path): '\(text)'"] }
      if let pattern = schema["pattern"] as? String, text.range(of: pattern, options: .regularExpression) == nil {
        return ["\(path): '\(text)' does not match \(pattern)"]
      }
      return []
    case "integer":
      guard let number = value as? Double, number.rounded() == number else { return ["\(path): no integer"] }
      return []
    case "number": return value is Double ? [] : ["\(path): no number"]
    case "boolean": return value is Bool ? [] : ["\(path): no boolean"]
    default: return []
    }
  }

  private func objectMismatches(_ value: Any, _ schema: [String: Any], at path: String) -> [String] {
    guard let object = value as? [String: Any] else { return ["\(path): no object"] }
    let properties = schema["properties"] as? [String: Any] ?? [:]
    var problems = (schema["required"] as? [String] ?? []).filter { object[$0] == nil }.map {
      "\(path).\($0) is absent"
    }
    for (name, member) in object {
      if let own = properties[name] as? [String: Any] {
        problems += mismatches(member, own, at: "\(path).\(name)")
      } else if let others = schema["additionalProperties"] as? [String: Any] {
        problems += mismatches(member, others, at: "\(path).\(name)")
      } else if schema["additionalProperties"] as? Bool == false {
        problems.append("\(path).\(name) is not in the schema")
      }
    }
    return problems
  }
}
