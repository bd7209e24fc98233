import ArgumentParser
import AsyncHTTPClient
import CXone
import HTTPTransport
import Model

/// `tapedeck doctor`: checks the settings and everything they refer to.
struct DoctorCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Check settings, platform access, conversions, disk, catalog, bucket and webhook receiver.",
    discussion: """
      Rejects the settings that 'tapedeck serve' rejects. Each failed check names its
      remedy; checks that depend on a failed one are skipped. Changes nothing, and
      works while the server runs. Exits with 1 when a check fails.
      """)

  @OptionGroup(title: "General options") var options: GlobalOptions

  @Flag(help: .jsonLines) var json = false

  func run() async throws {
    var report = DoctorReport(json: json)
    var settings: Settings?
    var failure: TapedeckError?
    do throws(TapedeckError) {
      settings = try await options.settings(needsPlatform: true)
      try settings?.requireStartable()
    } catch {
      failure = error
      if settings == nil { settings = try? await options.settings(needsPlatform: false) }
    }
    let areValid = try report.add(
      "Settings", failure,
      remedy: "Correct the setting where it is set: the environment, .env or tapedeck.yaml in this folder. "
        + "docs/configuration.md describes every setting.",
      warnings: settings?.warnings ?? [])
    if let settings {
      try await check(settings, areValid: areValid, &report)
    } else {
      try report.skip("All other checks")
    }
    if report.failures > 0 {
      throw TapedeckError(.checkFailed, "\(report.failures) of \(counted(report.count, "check")) failed.")
    }
  }

  private func check(_ settings: Settings, areValid: Bool, _ report: inout DoctorReport) async throws {
    var configuration: HTTPClient.Configuration? = .platform
    do { _ = try HTTPClient.Configuration.platform.adapted() } catch {
      configuration = nil
      try report.add(
        "Certificates", error, remedy: "Set SSL_CERT_FILE to a readable file of certificates in PEM, or unset it.")
    }
    do { _ = try ProxyRules() } catch {
      configuration = nil
      try report.add("Proxy", error, remedy: "Correct the variable in the environment, or unset it.")
    }
    let cause = report.lastFailure
    let logger = options.commandLogger(settings)
    if settings.sources.isEmpty || configuration == nil {
      try report.skip("Platform access")
    } else if let configuration {
      try await report.checkPlatform(settings, configuration, logger: logger)
    }
    try await report.checkTranscoder(settings)
    try report.checkDisk(settings)
    try await report.checkCommandSocket(settings)
    if areValid { try await report.checkAddresses(settings) } else { try report.skip("Addresses", after: cause) }
    try await report.checkCatalog(settings)
    guard let configuration else {
      if settings.deployment.storage != nil { try report.skip("Bucket", after: cause) }
      if settings.webhookURL != nil { try report.skip("Webhook receiver", after: cause) }
      return
    }
    try await report.checkBucket(settings, configuration)
    if let url = settings.webhookURL {
      if areValid {
        try await report.checkWebhook(url, configuration)
      } else {
        try report.skip("Webhook receiver", after: cause)
      }
    }
  }
}
