import Model
import ObjectStorage
import Testing

@Suite struct S3SettingsTests {
  @Test(arguments: [
    ("s3://recordings?region=eu-central-1", "https://recordings.s3.eu-central-1.amazonaws.com", "/k"),
    ("s3://recordings/?region=cn-north-1", "https://recordings.s3.cn-north-1.amazonaws.com.cn", "/k"),
    ("s3://my.recordings?region=eu-central-1", "https://s3.eu-central-1.amazonaws.com", "/my.recordings/k"),
    ("s3://recordings?region=us-east-1&addressing=path", "https://s3.us-east-1.amazonaws.com", "/recordings/k"),
    ("s3://recordings?endpoint=https://minio.example.com", "https://minio.example.com", "/recordings/k"),
    ("s3://recordings?endpoint=https://minio.example.com:443/", "https://minio.example.com", "/recordings/k"),
    (
      "s3://recordings?endpoint=https%3A%2F%2FMINIO.example.com:9000", "https://minio.example.com:9000", "/recordings/k"
    ),
    (
      "s3://recordings?endpoint=https://s.example.com&addressing=virtual", "https://recordings.s.example.com", "/k"
    ),
    ("s3://recordings?endpoint=http://127.0.0.1:9000", "http://127.0.0.1:9000", "/recordings/k"),
    ("s3://recordings?endpoint=http://localhost:80", "http://localhost", "/recordings/k"),
    ("s3://recordings?endpoint=http://%5B::1%5D:9000", "http://[::1]:9000", "/recordings/k"),
    ("s3://recordings?endpoint=http://10.0.0.7:9000&insecure=1", "http://10.0.0.7:9000", "/recordings/k"),
  ])
  func `the address determines the URL of requests`(url: String, origin: String, path: String) throws {
    let place = try S3Settings(url: url).place(of: "k")
    #expect(place.origin == origin)
    #expect(origin.hasSuffix("://\(place.host)"))
    #expect(place.path == path)
  }

  @Test(arguments: [
    ("s3://recordings", ""), ("s3://recordings/", ""), ("s3://recordings/a", "a"), ("s3://recordings/a/b/", "a/b"),
    ("s3://recordings/a%20b/%C3%BC", "a b/ü"), ("s3://recordings/a+b", "a+b"), ("s3://recordings/100%25", "100%"),
  ])
  func `the path behind the bucket is the prefix`(url: String, prefix: String) throws {
    #expect(try S3Settings(url: url, region: "us-east-1").prefix == prefix)
  }

  @Test func `the region comes from the address, then from AWS_REGION, then from the endpoint`() throws {
    #expect(try S3Settings(url: "s3://recordings?region=eu-west-1", region: "us-west-2").region == "eu-west-1")
    #expect(try S3Settings(url: "s3://recordings", region: "us-west-2").region == "us-west-2")
    #expect(try S3Settings(url: "s3://recordings?endpoint=https://s.example.com").region == "us-east-1")
  }

  @Test(arguments: [
    "", "recordings", "/data/objects", "s3:", "s3://", "s3:///prefix", "S4://recordings", "https://recordings",
    "s3://canary:canary@recordings", "s3://canary@recordings", "s3://recordings:9000", "s3://recordings#canary",
    "s3://re", "s3://Recordings", "s3://rec_ordings", "s3://-recordings", "s3://recordings-", "s3://rec..ordings",
    "s3://.recordings", "s3://\(String(repeating: "a", count: 64))", "s3://räcordings",
    "s3://recordings//a", "s3://recordings/a//b", "s3://recordings/../a", "s3://recordings/a/./b",
    "s3://recordings/a/..", "s3://recordings/a%00", "s3://recordings/a%0Ab", "s3://recordings/a b",
    "s3://recordings/\(String(repeating: "a", count: 513))",
    "s3://recordings?canary=1", "s3://recordings?region=a&region=b", "s3://recordings?region=",
    "s3://recordings?region=a/b",
    "s3://recordings?region=\(String(repeating: "a", count: 65))", "s3://recordings?addressing=canary",
    "s3://recordings?insecure=0", "s3://recordings?insecure", "s3://recordings?endpoint=",
    "s3://recordings?endpoint=minio.example.com", "s3://recordings?endpoint=http://minio.example.com",
    "s3://recordings?endpoint=http://127.0.0.1.example.com", "s3://recordings?endpoint=http://10.0.0.7",
    "s3://recordings?endpoint=https://canary:canary@minio.example.com",
    "s3://recordings?endpoint=https://minio.example.com/path", "s3://recordings?endpoint=https://minio.example.com?a=b",
    "s3://recordings?endpoint=ftp://minio.example.com", "s3://recordings?endpoint=https://minio.example.com:0",
    "s3://recordings?endpoint=https://minio.example.com:65536",
    "s3://recordings?endpoint=https://minio.example.com:99999999999999999999", "s3://recordings?endpoint=https://",
    "s3://recordings?aws_secret_access_key=canary",
  ])
  func `a malformed address is rejected with the setting's name but not its value`(url: String) throws {
    let error = #expect(throws: TapedeckError.self) { try S3Settings(url: url, region: "us-east-1") }
    #expect(error?.code == .configurationInvalid)
    #expect(error?.message.hasPrefix("TAPEDECK_STORAGE_URL ") == true)
    #expect(error.map { "\($0.message) \($0.detail ?? "")" }?.contains("canary") == false)
  }

  @Test func `Amazon needs a region`() {
    let error = #expect(throws: TapedeckError.self) { try S3Settings(url: "s3://recordings") }
    #expect(error?.message.contains("AWS_REGION") == true)
  }

  @Test func `a malformed access key is rejected with the setting's name but not its value`() {
    for (id, secret, token, setting) in [
      ("", "s", nil, "AWS_ACCESS_KEY_ID"), ("canary\n", "s", nil, "AWS_ACCESS_KEY_ID"),
      ("i", "", nil, "AWS_SECRET_ACCESS_KEY"), ("i", "canary ", nil, "AWS_SECRET_ACCESS_KEY"),
      ("i", "s", "", "AWS_SESSION_TOKEN"), ("i", "s", "canary\r\nx: y", "AWS_SESSION_TOKEN"),
    ] as [(String, String, String?, String)] {
      let error = #expect(throws: TapedeckError.self) {
        try S3Credentials(accessKeyID: id, secretAccessKey: secret, sessionToken: token)
      }
      #expect(error?.code == .configurationInvalid)
      #expect(error?.message.hasPrefix(setting) == true)
      #expect(error?.message.contains("canary") == false)
    }
  }

  @Test func `the description of an access key hides its values`() throws {
    let credentials = try S3Credentials(accessKeyID: "canary1", secretAccessKey: "canary2", sessionToken: "canary3")
    var dumped = ""
    dump(credentials, to: &dumped)
    #expect(!("\(credentials)" + String(reflecting: credentials) + dumped).contains("canary"))
  }
}
