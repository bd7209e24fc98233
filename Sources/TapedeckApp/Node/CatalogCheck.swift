import Catalog
import Foundation
import Logging
import Model
import ServiceLifecycle
import SystemPackage

/// Checks an SQLite catalog for damage every day, and soon after the start when its file is large; also checks often
/// whether its file is in place.
///
/// The database remembers damage, and `Readiness` reports both.
struct CatalogCheck: Service {
  /// A file that SQLite checks in about a second.
  private static let quickBytes: Int64 = 128 << 20
  private static let interval: Duration = .seconds(86_400)
  private static let displacementInterval: Duration = .seconds(10)

  let catalog: Catalog
  let path: FilePath
  let system: SystemServices
  let logger: Logger

  /// Whether a check would delay the start.
  static func takesLong(_ path: FilePath) -> Bool {
    let size = try? FileManager.default.attributesOfItem(atPath: path.string)[.size] as? Int64
    return (size ?? 0) > quickBytes
  }

  func run() async throws {
    await cancelWhenGracefulShutdown {
      async let watching: Void = reportDisplacement()
      await checkDaily()
      await watching
    }
  }

  /// Logs once when the file is not in place any more.
  private func reportDisplacement() async {
    var isReported = false
    while (try? await system.sleep(Self.displacementInterval)) != nil {
      let displacement = catalog.database.displacement
      if let displacement, !isReported {
        logger.critical(
          "the catalog cannot be written", metadata: ["path": "\(path)", "reason": "\(displacement.message)"])
      }
      isReported = displacement != nil
    }
  }

  private func checkDaily() async {
    if !Self.takesLong(path) { try? await system.sleep(Self.interval) }
    while !Task.isCancelled {
      do throws(TapedeckError) { try await catalog.database.check() } catch {
        if error.code == .interrupted { return }
        logger.critical(
          "the catalog failed its check",
          metadata: ["path": "\(path)", "reason": "\(error.message)", "detail": "\(error.detail ?? "")"])
      }
      guard (try? await system.sleep(Self.interval)) != nil else { return }
    }
  }
}
