package import NIOCore

/// How many connections a listener keeps open, and how long it waits for a slow client.
package struct ConnectionLimits: Sendable {
  /// The open connections of all clients.
  package var total: Int
  /// The open connections of one address that is not a trusted proxy.
  package var perAddress: Int
  /// The connections of all clients that may send the body of a request at the same time. Each of them takes twice the
  /// memory of one that waits.
  package var receiving = 512
  /// How long a connection may stay without a request.
  package var idle = TimeAmount.seconds(60)
  /// How long a request body may take. Bodies have at most 64 KiB, so this is also their minimum rate.
  package var body = TimeAmount.seconds(30)
  /// How long a client may leave a response unread.
  package var write = TimeAmount.seconds(60)

  package init(total: Int, perAddress: Int) {
    self.total = total
    self.perAddress = perAddress
  }
}
