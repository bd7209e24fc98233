package import Foundation
import HTTPTypes
import Model
import NIOHTTP1

/// The OpenAPI 3.1 document of the routes for programs.
struct OpenAPI {
  private var components: [String: JSONValue] = [:]
  private var paths: [String: [String: JSONValue]] = [:]
  private static let problem = Schema.object(
    "Problem",
    [
      "type": .string, "title": .string, "status": .integer, "code": .choice(of: TapedeckError.Code.self),
      "detail": .string, "help?": .string, "requestId": .string,
    ])

  init(_ routes: [Route]) {
    for route in routes where route.kind == .api {
      let operation = operation(route)
      paths[route.path, default: [:]][route.method.rawValue.lowercased()] = operation
    }
  }

  var document: JSONValue {
    [
      "openapi": "3.1.0",
      "info": [
        "title": "Tapedeck", "version": "1",
        "description": "Archives call recordings from NICE CXone, finds them and plays them.",
        "license": ["name": "See LICENSE", "url": "https://www.apache.org/licenses/LICENSE-2.0"],
      ],
      "servers": [["url": "/"]],
      "security": [["bearer": []], ["session": []]],
      "paths": .object(paths.mapValues(JSONValue.object)),
      "components": [
        "schemas": .object(components),
        "securitySchemes": [
          "bearer": ["type": "http", "scheme": "bearer", "description": "An API token, `tdk_…`."],
          "session": [
            "type": "apiKey", "in": "cookie", "name": .string(AuthenticationMiddleware.cookie),
            "description": "The session of a signed-in browser.",
          ],
        ],
      ],
    ]
  }

  private mutating func operation(_ route: Route) -> JSONValue {
    let words = route.path.split { !$0.isLetter && !$0.isNumber }
    var operation: [String: JSONValue] = [
      "operationId": .string(([route.method.rawValue.lowercased()] + words.map(String.init)).joined(separator: "_")),
      "summary": .string(String(route.summary.prefix { $0 != "." })), "description": .string(route.summary),
      "responses": responses(of: route),
    ]
    let parameters = pathParameters(of: route) + route.query.map { queryParameter($0) }
    if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
    if case .json(let schema) = route.body {
      operation["requestBody"] = [
        "required": true, "content": ["application/json": ["schema": schema.json(&components)]],
      ]
    }
    if route.access == .open { operation["security"] = [] }
    return .object(operation)
  }

  private func pathParameters(of route: Route) -> [JSONValue] {
    route.pathParameters.map { name in
      let schema: JSONValue =
        name == "job" ? ["type": "integer", "format": "int64"] : ["type": "string", "minLength": .integer(1)]
      return ["name": .string(name), "in": "path", "required": true, "schema": schema]
    }
  }

  private mutating func queryParameter(_ parameter: QueryParameter) -> JSONValue {
    var value: [String: JSONValue] = [
      "name": .string(parameter.name), "in": "query", "required": .boolean(parameter.isRequired),
      "description": .string(parameter.description), "schema": parameter.schema.json(&components),
    ]
    if case .flag = parameter.kind { value["allowEmptyValue"] = true }
    return .object(value)
  }

  private mutating func responses(of route: Route) -> JSONValue {
    var all: [String: JSONValue] = [:]
    for status in route.errorStatuses {
      all["\(status)"] = [
        "description": .string(HTTPResponseStatus(statusCode: status).reasonPhrase),
        "content": ["application/problem+json": ["schema": Self.problem.json(&components)]],
      ]
    }
    for response in route.responses {
      var value: [String: JSONValue] = ["description": .string(response.description)]
      var content: [String: JSONValue] = [:]
      // A status may be a problem as well, such as 503.
      if case .object(let known)? = all["\(response.status)"], case .object(let kept)? = known["content"] {
        content = kept
      }
      switch response.content {
      case .none: break
      case .json(let schema): content["application/json"] = ["schema": schema.json(&components)]
      case .other(let type): content[type] = .object([:])
      }
      if !content.isEmpty { value["content"] = .object(content) }
      all["\(response.status)"] = .object(value)
    }
    return .object(all)
  }
}

extension RouteTable {
  /// The OpenAPI document of the routes for programs, as JSON.
  package func openAPI() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(OpenAPI(routes).document)
  }
}

extension Route {
  var pathParameters: [String] {
    path.split(separator: "/").compactMap { segment in
      guard segment.hasPrefix("{"), let end = segment.lastIndex(of: "}") else { return nil }
      return String(segment[segment.index(after: segment.startIndex)..<end])
    }
  }

  /// The statuses of all errors that a route may answer with.
  package var errorStatuses: [Int] {
    var statuses: Set<Int> = [400, 500, 503]
    statuses.formUnion(errors)
    if access != .open { statuses.formUnion([401, 403, 429]) }
    if !pathParameters.isEmpty { statuses.insert(404) }
    if body != nil { statuses.insert(413) }
    return statuses.sorted()
  }
}

/// `GET /api/v1/openapi.json`: the description of the API, generated from the routes.
struct OpenAPIController {
  private let document: JSONValue

  private static let path = "/api/v1/openapi.json"

  init(describing routes: [Route]) { document = OpenAPI(routes + [Self.route(nil)]).document }

  var route: Route { Self.route(document) }

  private static func route(_ document: JSONValue?) -> Route {
    .admitted(
      .get, path, .api, permission: nil, log: .denials, "The OpenAPI 3.1 document of this API.",
      responses: [.json(.map(.any), "The document.")]
    ) { _ in Reply(.json(document)) }
  }
}
