import Audio
import SystemPackage
import Testing

/// The two ways to start the real FFmpeg. Stand-ins are scripts, which cannot be forked.
enum Way: CaseIterable, Sendable {
  case forked, spawned

  /// An FFmpeg that fails the test when it is started in the other way.
  func ffmpeg(
    _ limits: ConversionLimits = ConversionLimits(), executable: String = "ffmpeg",
    environment: [String: String] = ["PATH": "/usr/local/bin:/usr/bin:/bin"]
  ) -> FFmpeg {
    FFmpeg(
      executable: executable, limits: limits, environment: environment,
      library: self == .forked ? LauncherLibrary.path : nil,
      onStart: { start in #expect((start == .forked) == (self == .forked), "\(start)") })
  }
}
