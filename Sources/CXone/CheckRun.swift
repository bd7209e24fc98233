import HTTPTransport
import Model

/// Makes the checks of a source in order. What depends on a failed check is skipped.
struct CheckRun {
  private let source: SourceID
  private(set) var checks: [SourceCheck] = []
  private var hasFailed = false
  /// The hosts that have checks of their own.
  private var reached: Set<String> = []

  init(source: SourceID) { self.source = source }

  /// A check that sends requests. The first one that is sent to a host also decides two checks of the host: whether its
  /// name is known, and whether a connection is possible.
  ///
  /// - Parameters:
  ///   - address: the base URL of the host; nil where it has no checks of its own.
  ///   - setting: the setting with this address.
  ///   - isRequired: whether later checks depend on it.
  ///   - work: returns what was found, as part of a sentence.
  mutating func check(
    _ name: String, at address: String? = nil, from setting: String = "", remedy: String, isRequired: Bool = true,
    _ work: () async throws(TapedeckError) -> String?
  ) async {
    guard !hasFailed else { return add(SourceCheck(name, remedy: remedy, isSkipped: true)) }
    var check = SourceCheck(name, remedy: remedy)
    do throws(TapedeckError) { check.found = try await work() } catch { check.failure = error }
    if let host = address.flatMap({ PlatformAddress(base: $0) }), reached.insert(host.origin).inserted {
      addChecks(of: host, from: setting, after: check.failure)
      if check.failure?.connectionProblem != nil {
        check.failure = nil
        check.isSkipped = true
      }
    }
    if check.failure != nil, isRequired { hasFailed = true }
    add(check)
  }

  private mutating func addChecks(of host: PlatformAddress, from setting: String, after failure: TapedeckError?) {
    let isEncrypted = host.text.hasPrefix("https:")
    let remedy =
      "Check \(setting), and that this machine can reach the host: its name server, the firewall and the proxy."
    var name = SourceCheck("Name of the host \(host.host) (DNS)", remedy: remedy)
    var connection = SourceCheck("Connection to \(host.host) (\(isEncrypted ? "TLS" : "HTTP"))", remedy: remedy)
    if let failure, let problem = failure.connectionProblem {
      hasFailed = true
      // The message for jobs says that the request is sent again.
      let shown = TapedeckError(
        failure.code, problem.message(about: "'\(host.host)'"), detail: failure.detail, cause: failure.cause)
      if problem == .unknownHost {
        name.failure = shown
        connection.isSkipped = true
      } else {
        connection.failure = shown
      }
    }
    add(name)
    add(connection)
  }

  private mutating func add(_ check: SourceCheck) {
    var check = check
    check.name += " of source '\(source)'"
    checks.append(check)
  }
}
