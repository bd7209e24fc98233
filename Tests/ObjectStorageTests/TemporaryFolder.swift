import Foundation
import SystemPackage

/// A folder for one test, deleted with the last reference.
final class TemporaryFolder: Sendable {
  let path: FilePath

  /// - Parameter parent: nil for the system's temporary folder.
  init(in parent: String? = nil) throws {
    let url = (parent.map { URL(fileURLWithPath: $0) } ?? FileManager.default.temporaryDirectory).appending(
      path: "tapedeck-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
    path = FilePath(url.path())
  }

  deinit { try? FileManager.default.removeItem(atPath: path.string) }

  /// Writes a file that is to be stored.
  func file(_ bytes: [UInt8], named name: String = UUID().uuidString) throws -> FilePath {
    let file = path.appending(name)
    try Data(bytes).write(to: URL(fileURLWithPath: file.string))
    return file
  }

  func exists(_ path: FilePath) -> Bool { FileManager.default.fileExists(atPath: path.string) }

  /// Every file below a path, without folders.
  static func files(below path: FilePath) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: path.string).filter { name in
      var isFolder: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: path.appending(name).string, isDirectory: &isFolder)
      return !isFolder.boolValue
    }
  }

  static func mode(of path: FilePath) throws -> Int {
    try FileManager.default.attributesOfItem(atPath: path.string)[.posixPermissions] as? Int ?? -1
  }
}
