import Hummingbird

/// `GET /api/v1/openapi.json`: the description of the API, made from the routes.
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
