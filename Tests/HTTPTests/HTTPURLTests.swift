// URLs of a client.

import HTTP
import Testing

@Suite("URLs")
struct HTTPURLTests {
  @Test(
    "what a URL names",
    arguments: [
      ("http://h", "h", 80, "", "h"), ("http://h/", "h", 80, "", "h"),
      ("HTTP://h:8080/v1/", "h", 8080, "/v1", "h:8080"), ("http://h:/a/b", "h", 80, "/a/b", "h"),
      ("http://127.0.0.1:1", "127.0.0.1", 1, "", "127.0.0.1:1"),
      ("http://[::1]:8080/v1", "::1", 8080, "/v1", "[::1]:8080"),
      ("http://[::1]", "::1", 80, "", "[::1]"), ("https://h/v1", "h", 443, "/v1", "h"),
      ("HTTPS://h:80", "h", 80, "", "h:80"), ("http://h:443", "h", 443, "", "h:443"),
      ("https://[::1]:443", "::1", 443, "", "[::1]"),
    ] as [(String, String, UInt16, String, String)])
  func parts(_ text: String, host: String, port: UInt16, path: String, authority: String) throws {
    let url = try HTTPURL(text)
    #expect(url.host == host)
    #expect(url.port == port)
    #expect(url.path == path)
    #expect(url.authority == authority)
    #expect(url.isSecure == text.lowercased().hasPrefix("https"))
    #expect(try HTTPURL(url.description) == url)
  }

  @Test(
    "what is none",
    arguments: [
      "", "h", "h:80", "//h", "http:/h", "http://", "http:///v1", "http://:80", "ftp://h",
      "http://h:0", "http://h:65536", "http://h:x", "http://h:123456", "http://u@h",
      "http://u:p@h", "http://h?q", "http://h/a#f", "http://h/a b", "http://h\r\nX: y",
      "http://h/\u{E9}", "http://h/%zz", "http://[::1", "http://[]", "http://h]:80", "http://a:b:c",
    ])
  func refused(_ text: String) {
    #expect(throws: HTTPClientError.self) { try HTTPURL(text) }
  }
}
