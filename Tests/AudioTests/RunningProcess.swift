import Audio
import Foundation
import Glibc
import SystemPackage
import Testing

/// A process as the system reports it.
struct RunningProcess: Equatable {
  var id: Int32

  private func text(_ name: String) throws -> String {
    let file = try FileHandle(forReadingFrom: URL(filePath: "/proc/\(id)/\(name)"))
    return String(decoding: try file.readToEnd() ?? Data(), as: UTF8.self)
  }

  var name: String { get throws { try text("comm").trimmingCharacters(in: .whitespacesAndNewlines) } }

  /// Lines such as `SigBlk: 0000000000000000`, by their names.
  var status: [String: String] {
    get throws {
      let lines = try text("status").split(separator: "\n").map { $0.split(separator: ":", maxSplits: 1) }
      return Dictionary(lines.map { (String($0[0]), $0.last?.trimmingCharacters(in: .whitespaces) ?? "") }) { $1 }
    }
  }

  /// The target of each open descriptor.
  var descriptors: [Int: String] {
    get throws {
      let folder = "/proc/\(id)/fd"
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      return Dictionary(
        uniqueKeysWithValues: try names.map {
          (try #require(Int($0)), try FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)"))
        })
    }
  }

  var parent: RunningProcess { get throws { RunningProcess(id: try #require(Int32(try status["PPid"] ?? ""))) } }

  /// Whether it is neither running nor a zombie.
  var isGone: Bool { Glibc.kill(id, 0) == -1 && errno == ESRCH }

  func kill(_ signal: Int32) { _ = Glibc.kill(id, signal) }
}

/// Repeats a query until it has a result. For other processes, which send no signal.
func eventually<Value>(_ answer: () async throws -> Value?) async throws -> Value {
  while true {
    if let value = try await answer() { return value }
    try await Task.sleep(for: .milliseconds(20))  // Between two questions to the kernel.
  }
}

/// The conversion that writes a file, once there is one. Its transcoder must be dumpable, because other processes of
/// the user may not look at it otherwise.
func writer(of path: FilePath) async throws -> RunningProcess {
  let real = try #require(realpath(path.removingLastComponent().string, nil))
  defer { free(real) }
  let wanted = FilePath(String(cString: real)).appending(try #require(path.lastComponent)).string
  return try await eventually {
    let all = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap(Int32.init)
    return all.lazy.map(RunningProcess.init).first { process in
      (try? process.name.hasPrefix("tapedeck-trans") && process.parent.name.hasPrefix("tapedeck-trans")
        && process.descriptors.values.contains(wanted)) == true
    }
  }
}

/// A recording that is still arriving: the conversion has its first half and waits for the second.
struct HalfRecording {
  let bytes: [UInt8]
  let input: AsyncStream<ArraySlice<UInt8>>
  private let more: AsyncStream<ArraySlice<UInt8>>.Continuation

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    (input, more) = AsyncStream<ArraySlice<UInt8>>.makeStream()
    more.yield(bytes[..<(bytes.count / 2)])
  }

  func finish() {
    more.yield(bytes[(bytes.count / 2)...])
    more.finish()
  }
}
