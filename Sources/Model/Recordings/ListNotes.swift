/// What a page of the platform's list says about the list as a whole.
package struct ListNotes: Codable, Sendable, Equatable {
  /// The number of rows on all pages.
  package var rows: Int?
  /// The number of pages.
  package var pages: Int?
  /// Whether the list continues, although the page has no cursor for the next one.
  package var continues = false
  /// The names of members next to the list that are not understood and may say that the list is incomplete.
  package var unknown: [String] = []

  package init(rows: Int? = nil, pages: Int? = nil, continues: Bool = false, unknown: [String] = []) {
    self.rows = rows
    self.pages = pages
    self.continues = continues
    self.unknown = unknown
  }
}
