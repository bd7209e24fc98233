import Foundation
import Model

/// The times of a page, in the time zone of its reader.
struct PageTimes: Sendable {
  let zone: CalendarZone

  /// The values of the template `time`, which shows UTC when the pointer is over the time.
  func values(_ instant: Instant) -> [String: String] {
    [
      "timeISO": instant.milliseconds % 1000 == 0 ? instant.iso8601 : instant.iso8601Milliseconds,
      "timeText": longTime(instant, in: zone), "timeUTC": "\(longTime(instant, in: .utc)) UTC",
    ]
  }
}

/// `12 Nov 2026, 14:03:22`.
func longTime(_ instant: Instant, in zone: CalendarZone) -> String {
  let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
  let text = (instant + .seconds(zone.offset(at: instant))).iso8601
  let parts = text.split { $0 == "-" || $0 == "T" || $0 == "Z" }
  guard parts.count == 4, let month = Int(parts[1]), months.indices.contains(month - 1), let day = Int(parts[2]) else {
    return text
  }
  return "\(day) \(months[month - 1]) \(parts[0]), \(parts[3])"
}

/// `4:12` or `1:00:00`; capped at about 3,000 years.
func clock(_ duration: Duration) -> String {
  let seconds = Int(min(max(duration.inSeconds, 0), 1e11).rounded())
  let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
  return hours > 0
    ? String(format: "%d:%02d:%02d", hours, minutes, seconds % 60) : String(format: "%d:%02d", minutes, seconds % 60)
}

/// `2.31 s`, `45 ms`.
func took(_ duration: Duration) -> String {
  let seconds = duration.inSeconds
  return seconds < 1 ? "\(Int((seconds * 1000).rounded())) ms" : String(format: "%.2f s", seconds)
}

/// `12.4 MiB`.
func mebibytes(_ bytes: Int64) -> String { "\(grouped(Double(bytes) / 1_048_576, decimals: 1)) MiB" }
