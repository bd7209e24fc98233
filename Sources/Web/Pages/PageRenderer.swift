import Crypto
import Foundation
import Hummingbird
import Model
import Mustache
import NIOHTTP1

/// The templates and assets that are built into the program.
struct PageRenderer: Sendable {
  let assets = Assets.all
  private let library: MustacheLibrary

  /// Parsed once, since several listeners share them.
  private static let shared = Result {
    var templates: [String: MustacheTemplate] = [:]
    for (name, bytes) in templateFiles {
      templates[name] = try MustacheTemplate(string: PageText.pragma + String(decoding: bytes, as: UTF8.self))
    }
    return MustacheLibrary(templates: templates)
  }

  init() throws { library = try Self.shared.get() }

  /// Renders a page; keys that are nil are left out, as the templates expect.
  ///
  /// - Parameter context: nil on pages without an identity.
  func page(
    _ template: String, title: String, context: WebContext?, on section: Section? = nil, _ values: [String: Any?],
    csrf: String? = nil
  ) throws(TapedeckError) -> String {
    var all = values.compactMapValues { $0 }
    all["pageTitle"] = title
    all["assets"] = assets.version
    all["csrf"] = csrf ?? context?.session?.csrf ?? ""
    all["zoneName"] = context?.preferences.zone.name
    all["browserZone"] = context?.session?.browserZone ?? ""
    all["openNotices"] = context.flatMap { $0.openNotices > 0 ? "\($0.openNotices)" : nil }
    if let identity = context?.identity {
      all["user"] = ["userName": identity.name, "userRole": identity.role.title]
      all["hasOwnAccount"] = identity.kind == .account
    }
    for item in Section.allCases {
      let name = item.rawValue.capitalized
      all["on\(name)"] = section == item
      all["show\(name)"] = context?.permissions.contains(item.permission) ?? false
    }
    guard let text = library.render(all, withTemplate: template) else {
      throw TapedeckError(.internalError, detail: "there is no template '\(template)'")
    }
    // Names and IDs come from the platform; templates also isolate them with <bdi>.
    return text.showingControls
  }

  /// A section of the navigation, shown to readers with its permission.
  enum Section: String, CaseIterable {
    case recordings, coverage, quarantine, notices, platform, audit, accounts

    fileprivate var permission: Permission {
      switch self {
      case .recordings: .listRecordings
      case .coverage: .readCoverage
      case .quarantine: .manageJobs
      case .notices: .manageNotices
      case .platform: .readPlatform
      case .audit: .readAccessLog
      case .accounts: .administer
      }
    }
  }

  /// An error as a page; as plain text if even that cannot be rendered.
  func error(_ error: TapedeckError, context: WebContext) -> Response {
    let status = HTTPResponse.Status(code: error.code.httpStatus)
    let title =
      switch error.code {
      case .insufficientPermissions where error.isRestrictedRecording: "Restricted recording"
      case .insufficientPermissions: "Insufficient permissions"
      case .invalidRequest, .invalidRecordingID: "Invalid request"
      case .notFound, .unknownRecording, .audioNotReady: "Not found"
      default: HTTPResponseStatus(statusCode: error.code.httpStatus).reasonPhrase
      }
    let text = try? page(
      "error", title: title, context: context,
      [
        "errorTitle": title,
        "errorText": text(of: error),
        "requestID": context.requestID,
      ])
    var response = Response.html(text ?? title, status: status)
    if let retryAfter = error.retryAfter {
      response.headers[.retryAfter] = "\(Int(retryAfter.inSeconds.rounded(.up)))"
    }
    return response
  }

  private func text(of error: TapedeckError) -> String {
    guard error.code == .insufficientPermissions else { return Redactor.shared.redactSecrets(error.message) }
    let start = error.isRestrictedRecording ? "Insufficient permissions." : "Your role does not allow this."
    return "\(start) \(error.help ?? "Ask an admin.")"
  }
}

extension Role {
  /// The text on pages.
  var title: String {
    switch self {
    case .agent: "Agent"
    case .supervisor: "Supervisor"
    case .admin: "Admin"
    case .metrics: "Metrics"
    }
  }
}

private let templateFiles: [(String, [UInt8])] = [
  ("layout", PackageResources.layout_mustache),
  ("tag", PackageResources.tag_mustache),
  ("time", PackageResources.time_mustache),
  ("zone", PackageResources.zone_mustache),
  ("calls", PackageResources.calls_mustache),
  ("pager", PackageResources.pager_mustache),
  ("login", PackageResources.login_mustache),
  ("recordings", PackageResources.recordings_mustache),
  ("player", PackageResources.player_mustache),
  ("job", PackageResources.job_mustache),
  ("accounts", PackageResources.accounts_mustache),
  ("account_settings", PackageResources.account_settings_mustache),
  ("account", PackageResources.account_mustache),
  ("audit", PackageResources.audit_mustache),
  ("platform", PackageResources.platform_mustache),
  ("coverage", PackageResources.coverage_mustache),
  ("quarantine", PackageResources.quarantine_mustache),
  ("notices", PackageResources.notices_mustache),
  ("error", PackageResources.error_mustache),
]
