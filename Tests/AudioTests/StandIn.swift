import Foundation
import SystemPackage
import Testing

/// A program in Python in place of the transcoder. It is ready at once; for each conversion it executes `behaviour`,
/// with `number`, `recording`, `mp3` and `report`. `send` sends a reply, `frame` makes a part of a report.
func withStandIn(
  _ behaviour: String, ready: String = "send(1, status=1, numbers=(6, 1), text=b'5.1')",
  _ body: (_ program: FilePath, _ folder: FilePath) async throws -> Void
) async throws {
  try await Scratch.with { folder in
    let (source, path) = (folder.appending("source").string, folder.appending("stand-in"))
    let script = """
      #!/usr/bin/env python3
      import errno, os, signal, socket, struct, sys

      tapedeck = socket.socket(fileno=0)

      def send(kind, status=0, number=0, numbers=(0, 0), text=b""):
          tapedeck.send(struct.pack("=IiQQQ32s", kind, status, number, *numbers, text))

      def frame(kind, content=b""):
          return struct.pack("<cI", kind, len(content)) + content

      def end(samples, mp3_bytes):
          return frame(b"Z", struct.pack("<4q", samples, samples, mp3_bytes, 0))

      def error(stage, code, text=b""):
          return frame(b"E", struct.pack("<ii", stage, code) + text)

      FACTS = frame(b"F", b"mp3_channels\\0001")
      with open("\(folder)/pid", "w") as file:
          file.write(str(os.getpid()))
      \(ready)
      while True:
          packet, descriptors, _, _ = socket.recv_fds(tapedeck, 64, 3)
          if not packet:
              sys.exit()
          kind, _, number = struct.unpack("=IIQ", packet[:16])
          if kind == 1:
              recording, mp3, report = descriptors
      \(behaviour.split(separator: "\n").map { "        \($0)" }.joined(separator: "\n"))
              for descriptor in descriptors:
                  os.close(descriptor)

      """
    try script.write(toFile: source, atomically: true, encoding: .utf8)
    // A newly written program is busy while a child of another test still has the files of this process open.
    try runTool("install", ["-m", "755", source, path.string])
    try await body(path, folder)
  }
}

/// The process of a stand-in.
func standIn(in folder: FilePath) throws -> RunningProcess {
  let text = try String(contentsOfFile: folder.appending("pid").string, encoding: .utf8)
  return RunningProcess(id: try #require(Int32(text)))
}
