import Foundation
import Glibc
package import Model

/// The file `.env`, as `tapedeck init` writes it: the settings of the platform, and every other line as it was.
package struct SettingsFile {
  /// The file that is written: where the path is a symbolic link, its target, which need not exist.
  package let path: String

  package init(path: String) {
    let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
    let folder = URL(filePath: path).deletingLastPathComponent()
    self.path = target.map { URL(filePath: $0, relativeTo: folder).absoluteURL.path(percentEncoded: false) } ?? path
  }

  /// Replaces the settings of the platform. A new file is readable by its owner only; an existing one keeps its owner,
  /// its group and their rights.
  ///
  /// - Throws: `configurationInvalid` for a value that the format cannot express; `storageFailed`.
  package func write(_ values: [(name: String, value: String)], replacing names: Set<String>) throws(TapedeckError) {
    let replaced = names.union(values.map(\.name))
    var lines = try text().split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    while lines.last?.isEmpty == true { lines.removeLast() }
    lines.removeAll { line in DotEnv.parse(line).keys.contains { replaced.contains($0) } }
    for (name, value) in values {
      guard let text = Self.quoted(value) else {
        throw TapedeckError(
          .configurationInvalid,
          "The value of \(name) has quotes of both kinds or a line break, which '.env' cannot express. For a secret, "
            + "write it into a file and set \(name)_FILE.")
      }
      lines.append("\(name)=\(text)")
    }
    try replace(lines.joined(separator: "\n") + "\n")
  }

  /// A value as both Tapedeck and systemd read it; nil when that is not possible.
  private static func quoted(_ value: String) -> String? {
    let plain = value.utf8.allSatisfy { byte in
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
        || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "_.,:/=+@%*-".utf8.contains(byte)
    }
    if plain { return value }
    if value.contains(where: \.isNewline) { return nil }
    if !value.contains("'") { return "'\(value)'" }
    // systemd reads these characters as escapes in double quotes.
    return value.contains { "\"\\$`".contains($0) } ? nil : "\"\(value)\""
  }

  private func text() throws(TapedeckError) -> String {
    guard access(path, F_OK) == 0 else { return "" }
    guard let text = try? RegularFile.text(at: path) else {
      throw TapedeckError(.configurationInvalid, "\(path) cannot be read. Check that this user may read it.")
    }
    return text
  }

  /// Writes a file beside it and renames that, so that a failure leaves the old one.
  private func replace(_ text: String) throws(TapedeckError) {
    let old = try? FileManager.default.attributesOfItem(atPath: path)
    let temporary = "\(path).new"
    unlink(temporary)
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    var isDone = descriptor >= 0
    if isDone {
      let bytes = Array(text.utf8)
      isDone = Glibc.write(descriptor, bytes, bytes.count) == bytes.count
      if let owner = old?[.ownerAccountID] as? NSNumber, let group = old?[.groupOwnerAccountID] as? NSNumber,
        let mode = old?[.posixPermissions] as? NSNumber
      {
        isDone = isDone && fchown(descriptor, owner.uint32Value, group.uint32Value) == 0
        isDone = isDone && fchmod(descriptor, mode.uint32Value & 0o060 | 0o600) == 0
      }
      isDone = isDone && fsync(descriptor) == 0
      close(descriptor)
      isDone = isDone && rename(temporary, path) == 0
    }
    guard isDone else {
      let reason = String(cString: strerror(errno))
      unlink(temporary)
      throw TapedeckError(.storageFailed, "The settings could not be written to \(path): \(reason).")
    }
  }
}
