import Foundation
import Synchronization
import SystemPackage
import Testing

/// A shell script in place of FFmpeg. `$here` is its folder; `ready` reports that it runs, and keeps a pipe open whose
/// end shows that it and all its children have ended.
func withStandIn(
  _ script: String, _ body: (_ executable: String, _ folder: FilePath) async throws -> Void
) async throws {
  try await Scratch.with { folder in
    let (source, path) = (folder.appending("source").string, folder.appending("ffmpeg").string)
    try
      "#!/bin/sh\nhere='\(folder.string)'\necho $$ > $here/pid\nready() { exec 9>$here/ready; echo >&9; }\n\(script)\n"
      .write(toFile: source, atomically: true, encoding: .utf8)
    try #require(mkfifo(folder.appending("ready").string, 0o600) == 0)
    // A newly written program is busy while a child of another test still has the files of this process open.
    try runTool("install", ["-m", "755", source, path])
    try await body(path, folder)
  }
}

/// Whether the process whose ID a stand-in has written is neither running nor a zombie.
func isGone(in folder: FilePath) throws -> Bool {
  let text = try String(contentsOfFile: folder.appending("pid").string, encoding: .utf8)
  let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
  return kill(pid, 0) == -1 && errno == ESRCH
}

/// The pipe through which a stand-in reports that it is ready and, by its end, that it has ended.
final class Lifeline: Sendable {
  private let path: FilePath
  private let pipe = Mutex<FileDescriptor?>(nil)

  init(_ folder: FilePath) { path = folder.appending("ready") }

  /// Waits until the stand-in has called `ready`.
  func ready() async throws {
    let pipe = try await blocking { [path] in
      // Opening a named pipe blocks until its other end is opened.
      let pipe = try FileDescriptor.open(path, .readOnly)
      _ = try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { try pipe.read(into: $0) }
      return pipe
    }
    self.pipe.withLock { $0 = pipe }
  }

  /// Waits until no process has the pipe open; never returns if one is left.
  func ended() async throws {
    let pipe = try #require(pipe.withLock { $0 })
    try await blocking {
      try pipe.closeAfter {
        try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { while try pipe.read(into: $0) > 0 {} }
      }
    }
  }

  private func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
  }
}
