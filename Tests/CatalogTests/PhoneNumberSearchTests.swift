import Catalog
import Model
import TestKit
import Testing

/// Phone numbers in the search text.
@Suite(.serialized) struct PhoneNumberSearchTests {
  static let numberSearches: [(text: String, all: [String], masked: [String])] = [
    ("0195", ["a", "order"], ["order"]), ("2125550195", ["a"], []), ("(212) 555-0195", ["a"], []),
    ("+1 (212) 555-0195", ["a"], []), ("1-212-555-0195", ["a"], []), ("212.555.0195", ["a"], []),
    ("555 0195", ["a"], []), ("5550", ["a", "b"], []), ("12125550195", ["a"], []), ("550", ["a", "b"], []),
    ("212 555 0100", [], []), ("79460958", ["c"], []), ("20 7946 0958", ["c"], []), ("٢١٢ ٥٥٥ ٠١٩٥", ["a"], []),
    ("7777", [], []), ("chloe 0195", ["a"], []), ("chloe (212) 555-0195", ["a"], []), ("anna 0195", [], []),
    ("112", ["d"], []), ("4711", ["sip"], []), ("95", ["c"], []),
    // A number of the contact and one of an address.
    ("4608 0195", ["a"], []), ("0195 4608", ["a"], []), ("4608 (212) 555-0195", ["a"], []),
    ("(212) 555-0195 4608", ["a"], []), ("4608 5550195", ["a"], []), ("460812 0142", [], []),
    ("46 0195", [], []), ("4608 212 0100", [], []), ("chloe 4608 0195", ["a"], []), ("anna 4608 0195", [], []),
    ("chloe 212 555 0100", [], []), ("0195 7", ["order"], ["order"]), ("4608 7 0195", [], []),
    ("A1B2 0195", ["a"], []), ("a1b2 212 555 0195", ["a"], []), ("a1b2 212 0100", [], []), ("a1b 5550", ["a"], []),
    ("b2 0195", [], []),
  ]

  @Test(arguments: DatabaseKind.allCases)
  func `a phone number is found by any of its digits, by those who may see it`(kind: DatabaseKind) async throws {
    let test = try await TestCatalog(kind)
    let calls: [(name: String, agent: String, from: String, to: String)] = [
      ("a", "Chloé Marchand", "+12125550195", "+18005550100"), ("b", "Anna", "+17185550142", "+18005550100"),
      ("c", "Anna", "020 7946-0958", "x"), ("d", "Anna", "112", "y"), ("sip", "Anna", "sip:204711@pbx", "z"),
    ]
    for (index, call) in calls.enumerated() {
      try await test.observe(call.name) {
        $0.agentName = call.agent
        if call.name == "a" { ($0.contactID, $0.disposition) = ("460812", "A1B2") }
        $0.fromAddress = call.from
        $0.toAddress = call.to
        $0.startTime = test.clock.now + .seconds(-index)
      }
    }
    try await test.observe("order") {
      $0.contactID = "0195-7"
      $0.startTime = test.clock.now + .seconds(-10)
    }
    var masked = Visibility.everything
    masked.showsAddresses = false
    for (text, all, open) in Self.numberSearches {
      #expect(try await test.list { $0.text = text } == all, "\(text)")
      #expect(try await test.list(visibleTo: masked) { $0.text = text } == open, "\(text)")
    }
  }
}
