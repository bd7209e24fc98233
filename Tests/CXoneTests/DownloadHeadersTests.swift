import CXone
import Model
import NIOHTTP1
import Testing

@Suite struct DownloadHeadersTests {
  @Test(arguments: [
    ("bytes 0-99/100", ContentRange.bytes(first: 0, last: 99, total: 100)),
    ("Bytes 5-5 / 6", .bytes(first: 5, last: 5, total: 6)),
    ("bytes */100", .unsatisfied(total: 100)),
    ("bytes 0-9223372036854775806/9223372036854775807", .bytes(first: 0, last: .max - 1, total: .max)),
    ("bytes 0-99/*", .broken),
    ("bytes 0-100/100", .broken),
    ("bytes 9-8/100", .broken),
    ("bytes -1-8/100", .broken),
    ("bytes 0-99999999999999999999/99999999999999999999999", .broken),
    ("bytes 0-9/99999999999999999999999", .broken),
    ("bytes +1-9/10", .broken),
    ("bytes 0x1-9/10", .broken),
    ("items 0-9/10", .broken),
    ("bytes 0-9", .broken),
    ("bytes 0-9/10/11", .broken),
    ("bytes", .broken),
    ("", .broken),
  ])
  func `Content-Range is validated`(field: String, expected: ContentRange) {
    #expect(ContentRange([field]) == expected)
  }

  @Test func `several Content-Range fields must be equal`() {
    #expect(ContentRange([]) == .missing)
    #expect(ContentRange(["bytes 0-9/10", "bytes 0-9/10"]) == .bytes(first: 0, last: 9, total: 10))
    #expect(ContentRange(["bytes 0-9/10", "bytes 0-8/10"]) == .broken)
  }

  @Test(arguments: [
    ("\"abc\"", DownloadAnswer.Tag.strong("\"abc\"")), ("W/\"abc\"", .weak), ("abc", .weak), ("\"", .weak),
    ("\"a\"b\"", .weak), ("\"a b\"", .weak), ("\"\"", .weak),
  ])
  func `only a well-formed strong tag is strong`(field: String, expected: DownloadAnswer.Tag) {
    #expect(DownloadAnswer.Tag([field]) == expected)
  }

  @Test func `tags that contradict each other prove nothing`() {
    #expect(DownloadAnswer.Tag([]) == .missing)
    #expect(DownloadAnswer.Tag(["\"a\"", "\"a\""]) == .strong("\"a\""))
    #expect(DownloadAnswer.Tag(["\"a\"", "\"b\""]) == .weak)
    let headers: HTTPHeaders = ["ETag": "\"a\"", "ETag": "\"b\"", "Last-Modified": "x", "Last-Modified": "y"]
    #expect(DownloadAnswer(status: 206, headers: headers).validators == WeakValidators())
  }

  @Test func `weak validators are the tag, weak or not, and the modification date`() {
    let weak: HTTPHeaders = ["ETag": "W/\"a\"", "Last-Modified": "Mon, 02 Mar 2026 10:00:00 GMT"]
    let validators = WeakValidators(tag: "\"a\"", modified: "Mon, 02 Mar 2026 10:00:00 GMT")
    #expect(DownloadAnswer(status: 206, headers: weak).validators == validators)
    #expect(!validators.contradicts(WeakValidators(tag: "\"a\"")))
    #expect(!validators.contradicts(WeakValidators()))
    #expect(validators.contradicts(WeakValidators(tag: "\"b\"")))
    #expect(validators.contradicts(WeakValidators(tag: "\"a\"", modified: "Mon, 02 Mar 2026 10:00:01 GMT")))
  }

  @Test func `a body whose length contradicts its range has no usable range`() {
    let headers: HTTPHeaders = ["Content-Range": "bytes 0-99/100", "Content-Length": "99"]
    #expect(DownloadAnswer(status: 206, headers: headers).contentRange == .broken)
  }

  @Test func `encoded and multipart bodies are recognized`() {
    #expect(DownloadAnswer(status: 206, headers: ["Content-Encoding": "gzip"]).coding == .foreign)
    #expect(DownloadAnswer(status: 206, headers: ["Content-Encoding": "identity"]).coding == .plain)
    #expect(DownloadAnswer(status: 206, headers: ["Transfer-Encoding": "chunked"]).coding == .plain)
    #expect(DownloadAnswer(status: 206, headers: ["Transfer-Encoding": "gzip, chunked"]).coding == .foreign)
    #expect(
      DownloadAnswer(status: 206, headers: ["Content-Type": "multipart/byteranges; boundary=x"]).coding == .foreign)
  }

  @Test(arguments: ["aws-chunked", "none", "UTF-8", "binary", "utf8", "8bit", "None"])
  func `a content coding that does not exist is ignored`(name: String) {
    let answer = DownloadAnswer(status: 206, headers: ["Content-Encoding": name])
    #expect(answer.coding == .plain)
    #expect(answer.ignoredCoding == name.lowercased())
  }

  @Test(arguments: ["gzip", "deflate", "br", "zstd", "x-gzip", "compress", "none, gzip"])
  func `a real content coding is recognized`(name: String) {
    let answer = DownloadAnswer(status: 206, headers: ["Content-Encoding": name])
    #expect(answer.coding == .foreign)
  }

  @Test(arguments: [
    ([("Content-Length", "100")], true), ([("Transfer-Encoding", "chunked")], true), ([], false),
    ([("Connection", "close")], false),
    ([("Content-Length", "100"), ("Content-Range", "bytes 0-99/100")], true),
    ([("Content-Length", "100"), ("Content-Range", "bytes 0-98/99")], false),
    ([("Content-Length", "100"), ("Content-Range", "bytes */100")], true),
    ([("Content-Length", "100"), ("Content-Range", "bytes */101")], false),
    ([("Content-Length", "100"), ("Content-Range", "bytes 0-99/*")], false),
  ])
  func `a body proves its end by its framing, unless a range contradicts it`(
    headers: [(String, String)], isProved: Bool
  ) {
    #expect(DownloadAnswer(status: 200, headers: HTTPHeaders(headers)).provesItsEnd == isProved)
  }
}
