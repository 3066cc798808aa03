// Names of the server and origins of pages: pure rules, by table.

import HTTP
import OpenAIAPI
import Testing

@Suite("Hosts and origins")
struct AccessPolicyTests {
  @Test("on loopback only names that no page from elsewhere can have are taken")
  func localHosts() {
    let fine = [
      "localhost", "LocalHost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "server1:80",
      "192.168.1.4", "printer.local", "db.internal.", "app.localhost:1",
    ]
    let wrong = [
      "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example",
      "1.2.3", "1.2.3.4.5", "256.1.1.1", "evil.example.", "local.evil.example", "x.localhostess",
    ]
    for host in fine { #expect(AllowedHosts.local.allows(host), "\(host)") }
    for host in wrong {
      #expect(!AllowedHosts.local.allows(host), "\(host)")
      #expect(AllowedHosts.any.allows(host))
    }
    #expect(AllowedHosts.local.allows(nil))
  }

  @Test("a list takes its names, and names under a wildcard")
  func listedHosts() {
    let hosts = AllowedHosts.names(["api.example.com", "*.example.org"])
    for host in ["api.example.com", "API.example.com:443", "a.example.org", "a.b.example.org."] {
      #expect(hosts.allows(host), "\(host)")
    }
    for host in [
      "example.com", "x.api.example.com", "example.org", "aexample.org", "localhost", "127.0.0.1",
      "", "api.example.com.evil.example",
    ] {
      #expect(!hosts.allows(host), "\(host)")
    }
    #expect(!hosts.allows(nil))
  }

  private func value(_ name: String, _ fields: [(String, String)]) -> String? {
    fields.first { $0.0 == name }?.1
  }

  @Test("origins of the list are repeated, others get nothing, and caches are told")
  func origins() {
    let policy = CrossOrigin(origins: ["https://chat.example.com"])
    let fine = policy.fields(for: ["Origin": "https://chat.example.com"])
    #expect(value("Access-Control-Allow-Origin", fine) == "https://chat.example.com")
    #expect(value("Vary", fine) == "Origin")
    #expect(
      value("Access-Control-Expose-Headers", fine)?.contains("x-ratelimit-reset-tokens") == true)
    for headers: Headers in [["Origin": "https://evil.example"], [:], ["Origin": "null"]] {
      let fields = policy.fields(for: headers)
      #expect(value("Access-Control-Allow-Origin", fields) == nil)
      #expect(value("Vary", fields) == "Origin")
    }
    let all = CrossOrigin(origins: ["*"]).fields(for: ["Origin": "null"])
    #expect(value("Access-Control-Allow-Origin", all) == "*")
    #expect(value("Vary", all) == nil)
    #expect(CrossOrigin().fields(for: ["Origin": "null"]).isEmpty)
  }

  @Test("a preflight is answered for whom it is meant")
  func preflight() {
    let policy = CrossOrigin(origins: ["https://chat.example.com"])
    let asking: Headers = [
      "Origin": "https://chat.example.com", "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "authorization, x-stainless-os",
    ]
    #expect(policy.isPreflight(.options, asking))
    #expect(!policy.isPreflight(.post, asking))
    #expect(!policy.isPreflight(.options, ["Origin": "https://chat.example.com"]))
    #expect(!CrossOrigin().isPreflight(.options, asking))
    let answer = policy.preflight(asking)
    #expect(answer.status == 204)
    #expect(answer.headers["access-control-allow-headers"] == "authorization, x-stainless-os")
    #expect(answer.headers["access-control-allow-methods"]?.contains("POST") == true)
    let evil: Headers = [
      "Origin": "https://evil.example", "Access-Control-Request-Method": "POST",
    ]
    #expect(policy.preflight(evil).status == 403)
  }
}
