import Model
import Synchronization

/// Where the bytes of a part are.
enum MediaAddress: Sendable, Equatable {
  /// A signed address on a media host.
  case signed(String)
  /// A file of the ACD with this name.
  case file(String)
}

/// The addresses of media that was located and is not completely downloaded yet.
///
/// Only in memory: a signed address permits access by itself, and lapses soon. A download that another process
/// continues locates its media again.
final class MediaAddresses: Sendable {
  /// The maximum number of recordings whose addresses are kept; those that were located first are dropped.
  private static let limit = 2000

  private struct State {
    var addresses: [RecordingID: [Int: MediaAddress]] = [:]
    var order: [RecordingID] = []
  }

  private let state = Mutex(State())

  /// Replaces the addresses of a recording by those of its parts.
  func keep(_ addresses: [Int: MediaAddress], of id: RecordingID) {
    state.withLock { state in
      if state.addresses.updateValue(addresses, forKey: id) == nil { state.order.append(id) }
      while state.order.count > Self.limit { state.addresses[state.order.removeFirst()] = nil }
    }
  }

  /// The numbers of the parts of a recording whose addresses are known.
  func parts(of id: RecordingID) -> [Int] { state.withLock { ($0.addresses[id] ?? [:]).keys.sorted() } }

  func address(of part: PartLocator) -> MediaAddress? { state.withLock { $0.addresses[part.recording]?[part.part] } }

  /// Drops an address that is not needed any more, or has lapsed.
  func drop(_ part: PartLocator) {
    state.withLock { state in
      state.addresses[part.recording]?[part.part] = nil
      guard state.addresses[part.recording]?.isEmpty == true else { return }
      state.addresses[part.recording] = nil
      state.order.removeAll { $0 == part.recording }
    }
  }
}
