import Foundation
import Logging
import Model
import Observability
import Synchronization
import Testing

/// A sink that keeps its lines.
private final class Lines: Sendable {
  private let kept = Mutex<[String]>([])
  var all: [String] { kept.withLock { $0 } }
  var sink: LogSink { { line in self.kept.withLock { $0.append(line) } } }
}

private struct Failure: Error, CustomStringConvertible {
  var description: String
}

struct LogHandlerTests {
  private let lines = Lines()
  private let redactor = Redactor()

  private var json: Logger {
    var logger = Logger(label: "tapedeck") { [self] in
      JSONLogHandler(label: $0, redactor: redactor, sink: lines.sink)
    }
    logger.logLevel = .debug
    return logger
  }

  private var text: Logger {
    Logger(label: "tapedeck") { [self] in TextLogHandler(label: $0, redactor: redactor, sink: lines.sink) }
  }

  private func object(_ line: String) throws -> [String: Any] {
    #expect(line.hasSuffix("}\n"))
    #expect(line.utf8.count { $0 == 0x0A } == 1)
    return try #require(JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
  }

  @Test func `each line is a JSON object with metadata under its own keys`() throws {
    var logger = json
    logger[metadataKey: "request_id"] = "r-1"
    logger.info("recording archived", metadata: ["bytes": "\(12)", "tags": ["a", "b"], "more": ["inner": "x\"y"]])
    let object = try object(try #require(lines.all.first))
    #expect(object["level"] as? String == "info")
    #expect(object["message"] as? String == "recording archived")
    #expect(object["logger"] as? String == "tapedeck")
    #expect(object["request_id"] as? String == "r-1")
    #expect(object["bytes"] as? String == "12")
    #expect(object["tags"] as? [String] == ["a", "b"])
    #expect(object["more"] as? [String: String] == ["inner": "x\"y"])
    let time = try #require(object["time"] as? String)
    #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)
  }

  @Test func `metadata cannot replace the standard keys`() throws {
    json.error("real", metadata: ["message": "forged", "level": "debug"])
    let object = try object(try #require(lines.all.first))
    #expect(object["message"] as? String == "real")
    #expect(object["level"] as? String == "error")
    #expect(object["message_"] as? String == "forged")
  }

  @Test(arguments: [
    "a\nb", "a\r\nb", "\u{0}\u{1B}[31m\u{7F}", "\"\\\u{301}\"\u{301}", "\u{2028}",
    "\u{85}\u{2029}\u{202E}\u{200B}\u{E0041}", "emoji 🎧",
  ])
  func `any text stays on one line`(text content: String) throws {
    json.info("\(content)", metadata: ["key": "\(content)"])
    let object = try object(try #require(lines.all.first))
    #expect(object["message"] as? String == content)
    #expect(object["key"] as? String == content)
    #expect(lines.all.first?.split(whereSeparator: \.isNewline).count == 1)
    text.info("\(content)", metadata: ["key": "\(content)"])
    let line = try #require(lines.all.last)
    #expect(line.unicodeScalars.count(where: \.misleadsInLine) == 1)
    #expect(line.hasSuffix("\n"))
  }

  @Test func `the text format has time, level, message and metadata`() throws {
    text.warning("slow", metadata: ["seconds": "5", "list": ["a", "b"], "map": ["k": "v"]])
    let line = try #require(lines.all.first)
    #expect(
      line.wholeMatch(of: /\d\d:\d\d:\d\d\.\d{3}Z warning: slow list="\[a, b\]" map="\[k: v\]" seconds=5\n/) != nil)
  }

  @Test(arguments: [
    (#"x" code=ok recording=other"#, #""x\" code=ok recording=other""#), ("a b", #""a b""#), ("a=b", #""a=b""#),
    (#"a"b"#, #""a\"b""#), (#"a\"#, #""a\\""#), (#"\" x="#, #""\\\" x=""#), ("", "\"\""),
    ("a\u{A0}b", "\"a\u{A0}b\""),
    ("a\u{2028}b", #""a\\u{2028}b""#), ("call-1", "call-1"), ("größe:1,2", "größe:1,2"), ("a\nb", #""a\\nb""#),
  ])
  func `a value adds no field to a line of text`(value: String, written: String) throws {
    text.info("m", metadata: ["id": "\(value)"])
    #expect(try #require(lines.all.first).hasSuffix(" info: m id=\(written)\n"))
  }

  @Test func `the name of a field adds no field to a line of text`() throws {
    text.info("m", metadata: ["a b=c": "d"])
    #expect(try #require(lines.all.first).hasSuffix(" info: m \"a b=c\"=d\n"))
  }

  @Test func `the error of an event is written`() throws {
    json.error("it failed", error: Failure(description: "the reason"))
    let object = try object(try #require(lines.all.first))
    #expect(object["error"] as? String == "the reason")
  }

  @Test func `an added secret is redacted wherever it appears`() throws {
    let canary = "s3cr\"et/\\canary+value"
    redactor.add(canary)
    for logger in [json, text] {
      logger.error(
        "with \(canary) inside \(canary)", error: Failure(description: "because of \(canary)"),
        metadata: [
          "plain": "\(canary)", "nested": ["deep": ["list": ["x", "\(canary)"]]], "\(canary)": "as a key",
          "form": "client_secret=s3cr%22et%2F%5Ccanary%2Bvalue&x=1",
        ])
    }
    #expect(lines.all.count == 2)
    for line in lines.all {
      #expect(!line.contains("canary"))
      #expect(line.components(separatedBy: "[redacted]").count == 8)
    }
  }

  @Test func `tokens are recognized by their prefix`() throws {
    let secrets = [
      "Authorization: Bearer eyJhbGciOi.J9.canary_-~", "authorization: bearer canary12345", "tdk_canaryCANARY0123",
      "whsec_Y2FuYXJ5Y2FuYXJ5/+==", "Basic Y2FuYXJ5OmNhbmFyeQ==", "BEARER canarycanary", "x=tdk_canary1,tdk_canary2;",
      "tdk_canary1\u{301}",
    ]
    for secret in secrets {
      json.info("\(secret)")
      text.info("\(secret)")
    }
    for line in lines.all {
      #expect(!line.contains("canary") && !line.contains("Y2Fu"))
      #expect(line.contains("[redacted"))
    }
    #expect(redactor.redact("x=tdk_canary1,tdk_canary2;") == "x=tdk_[redacted],tdk_[redacted];")
  }

  @Test func `secrets are found however often they are percent-encoded`() {
    redactor.add("canary/1234")
    for text in [
      "/x/tdk%5Fcanary12", "/x/tdk%255Fcanary12", "/x/%2574dk_canary12?a", "q=tdks%25255Fcanary12", "canary%2F1234",
      "canary%252F1234&b", "c%61nary/1234", "tdk%5fcanary12%FF",
    ] {
      #expect(!redactor.redactSecrets(text).lowercased().contains("anary"), "\(text)")
      #expect(redactor.redactSecrets(text).contains("[redacted]"), "\(text)")
    }
    for text in ["/x/a%5Fb%255Fc", "100 %", "%zz", "tdk%5F"] { #expect(redactor.redactSecrets(text) == text) }
  }

  @Test func `similar words are not redacted`() {
    for phrase in ["a bearer of news", "whsec_ is a prefix", "basic idea", "tdk_", "nothing to hide 🎧"] {
      #expect(redactor.redact(phrase) == phrase)
    }
    redactor.add("short")
    #expect(redactor.redact("a short word") == "a short word")
  }

  @Test func `a secret that contains another is redacted completely`() {
    redactor.add("abcdef")
    redactor.add("abcdefghijkl")
    redactor.add("redacted")
    #expect(redactor.redact("1 abcdefghijkl 2 abcdef 3").contains("ghijkl") == false)
  }

  @Test func `the last two values of a secret that is renewed are redacted`() {
    for number in 0..<1000 { redactor.renew("token", "token-value-\(number)!") }
    for _ in 0..<5 { redactor.renew("token", "token-value-999!") }
    redactor.renew("other", "another")
    #expect(
      redactor.redact("token-value-998! token-value-999! token-value-999%21") == "[redacted] [redacted] [redacted]")
    #expect(redactor.redact("token-value-997! another") == "token-value-997! [redacted]")
  }

  @Test func `events below the log level are not written`() {
    text.debug("quiet")
    #expect(lines.all.isEmpty)
  }
}
