/// What a page says about the length of the whole list.
package struct ListExtent: Codable, Sendable, Equatable {
  /// The number of rows on all pages.
  package var rows: Int?
  /// The number of pages.
  package var pages: Int?
  /// The number of this page; some platforms count from 0.
  package var page: Int?

  package init(rows: Int? = nil, pages: Int? = nil, page: Int? = nil) {
    self.rows = rows
    self.pages = pages
    self.page = page
  }
}
