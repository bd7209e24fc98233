/// The form of a JSON value, as the OpenAPI document describes it. Each response has its schema beside it.
package indirect enum Schema: Sendable {
  case any
  case string
  case integer
  case number
  case boolean
  case choice([String])
  case range(ClosedRange<Int64>)
  /// A string with a format or pattern of JSON Schema.
  case format(String)
  case pattern(String)
  case list(Schema)
  /// An object with any keys.
  case map(Schema)
  /// A named object that a response holds. A name that ends in `?` is a member that may be absent.
  case object(String, KeyValuePairs<String, Schema>)
  /// A named object that a request holds; other members are ignored.
  case input(String, KeyValuePairs<String, Schema>)
  case either([Schema])

  static let moment = Schema.format("date-time")
  static let day = Schema.format("date")
  static let sha256 = Schema.pattern("^[0-9a-f]{64}$")
  static let source = Schema.pattern("^[a-z0-9_-]{1,40}$")

  static func choice<T: RawRepresentable<String> & CaseIterable>(of type: T.Type) -> Schema {
    .choice(T.allCases.map(\.rawValue))
  }

  /// The schema as a document writes it: named objects as references, which `components` collects.
  func json(_ components: inout [String: JSONValue]) -> JSONValue {
    switch self {
    case .any: [:]
    case .string: ["type": "string"]
    case .integer: ["type": "integer", "format": "int64"]
    case .number: ["type": "number"]
    case .boolean: ["type": "boolean"]
    case .choice(let values): ["type": "string", "enum": .array(values.map(JSONValue.string))]
    case .range(let range):
      [
        "type": "integer", "format": "int64", "minimum": .integer(range.lowerBound),
        "maximum": .integer(range.upperBound),
      ]
    case .format(let format): ["type": "string", "format": .string(format)]
    case .pattern(let pattern): ["type": "string", "pattern": .string(pattern)]
    case .list(let element): ["type": "array", "items": element.json(&components)]
    case .map(let value): ["type": "object", "additionalProperties": value.json(&components)]
    case .either(let schemas): ["anyOf": .array(schemas.map { $0.json(&components) })]
    case .object(let name, let members): reference(name, members, isClosed: true, &components)
    case .input(let name, let members): reference(name, members, isClosed: false, &components)
    }
  }

  private func reference(
    _ name: String, _ members: KeyValuePairs<String, Schema>, isClosed: Bool, _ components: inout [String: JSONValue]
  ) -> JSONValue {
    if components[name] == nil {
      var properties: [String: JSONValue] = [:]
      var required: [JSONValue] = []
      for (member, schema) in members {
        let plain = member.hasSuffix("?") ? String(member.dropLast()) : member
        properties[plain] = schema.json(&components)
        if plain == member { required.append(.string(member)) }
      }
      var object: [String: JSONValue] = ["type": "object", "properties": .object(properties)]
      if !required.isEmpty { object["required"] = .array(required) }
      if isClosed { object["additionalProperties"] = false }
      components[name] = .object(object)
    }
    return ["$ref": .string("#/components/schemas/\(name)")]
  }
}

/// A status that a route answers with, and the content of that response.
package struct ResponseDescription: Sendable {
  package enum Content: Sendable {
    case none
    case json(Schema)
    case other(type: String)
  }

  package let status: Int
  package let description: String
  package let content: Content

  package static func json(_ schema: Schema, status: Int = 200, _ description: String = "The answer.")
    -> ResponseDescription
  {
    ResponseDescription(status: status, description: description, content: .json(schema))
  }

  package static func other(_ type: String, status: Int = 200, _ description: String) -> ResponseDescription {
    ResponseDescription(status: status, description: description, content: .other(type: type))
  }

  package static func empty(_ status: Int, _ description: String) -> ResponseDescription {
    ResponseDescription(status: status, description: description, content: .none)
  }
}

/// Any JSON value.
indirect enum JSONValue: Encodable, Sendable, ExpressibleByStringLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral,
  ExpressibleByDictionaryLiteral
{
  case string(String)
  case integer(Int64)
  case boolean(Bool)
  case array([JSONValue])
  case object([String: JSONValue])

  init(stringLiteral value: String) { self = .string(value) }
  init(booleanLiteral value: Bool) { self = .boolean(value) }
  init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(Dictionary(elements) { $1 }) }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .string(let value): try container.encode(value)
    case .integer(let value): try container.encode(value)
    case .boolean(let value): try container.encode(value)
    case .array(let value): try container.encode(value)
    case .object(let value): try container.encode(value)
    }
  }
}
