/// The platform gives a call that is transferred for the third time another master contact, and does not say which.
/// Such recordings are linked, never merged.
extension PlatformRecording {
  /// How far apart the end of a call and the start of the call in which it goes on may be.
  package static let transferGap = Duration.seconds(5)

  /// Whether this call goes on in another one: it was transferred, the other one begins when it ends, and the customer
  /// is the same.
  package func goesOn(in next: PlatformRecording) -> Bool {
    guard id != next.id, let end = endTime, let start = next.startTime, let customer,
      // What the platform writes in place of an erased number is the same for all customers.
      customer.contains(where: \.isNumber), customer == next.customer
    else { return false }
    let gap = max(start - end, end - start)
    return gap <= Self.transferGap && wasTransferred
  }

  /// The customer's phone number or other address: the called one, or the caller of an inbound call.
  package var customer: String? { direction == .inbound ? fromAddress : toAddress }

  /// Whether a row of one of its legs reports a transfer.
  private var wasTransferred: Bool {
    Self.legs(json).values.contains { row in
      guard let row = row as? [String: Any] else { return false }
      let texts = row.compactMap { name, value in (value as? String).map { (name.lowercased(), $0.lowercased()) } }
      return texts.contains { name, text in
        switch name {
        case "transferindicatorname": !text.isEmpty && text != "none"
        case "endreason": text.contains("transfer")
        default: false
        }
      }
    }
  }
}
