import HTTPTypes
import Model

extension RouteTable {
  /// The table of the routes for `docs/api.md`, in Markdown.
  package var markdown: String {
    var lines = ["| request | access | answer |", "| --- | --- | --- |"]
    for route in routes where route.kind == .api {
      var query = route.query.filter { if case .ignored = $0.kind { false } else { true } }.map { parameter in
        if case .flag = parameter.kind { parameter.name } else { "\(parameter.name)=" }
      }.joined(separator: "&")
      if !query.isEmpty { query = "?\(query)" }
      lines.append("| `\(route.method.rawValue) \(route.path)\(query)` | \(route.access.text) | \(route.summary) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }
}

extension Route.Access {
  fileprivate var text: String {
    switch self {
    case .open: "open"
    case .signedIn: "any identity"
    case .permission(let permission): permission.roles
    case .recording(.ingest): "may ingest the recording"
    case .recording(.hear): "may play the recording"
    case .recording(.inspect): "may see the recording"
    }
  }
}

extension Permission {
  /// The roles that have it.
  fileprivate var roles: String {
    Role.allCases.filter { role in
      Policy.allows(self, for: Identity(kind: .account, id: "", name: "", role: role))
    }.map(\.rawValue).joined(separator: ", ")
  }
}
