// Accepting with errors between, as a list of what the system says.

import Glibc
import HTTP
import Platform
import Testing

@Suite("Accepting")
struct AcceptPassTests {
  private enum Step {
    case client(Int)
    case failure(Int32)
  }

  /// Who was admitted, how often the system was asked, and how it ended.
  private func pass(
    _ steps: [Step], repeatsLast: Bool = false, room: Int = .max
  ) -> (admitted: [Int], calls: Int, ending: AcceptPass.Ending) {
    var (admitted, calls) = ([Int](), 0)
    let ending = AcceptPass.run(
      failures: 4,
      next: { () throws(PlatformError) -> Int? in
        defer { calls += 1 }
        let step = calls < steps.count ? steps[calls] : repeatsLast ? steps.last : nil
        switch step {
        case .client(let number): return number
        case .failure(let code):
          throw .systemCall(name: "accept", errno: code, subject: nil)
        case nil: return nil
        }
      },
      admit: { client in
        guard admitted.count < room else { return false }
        admitted.append(client)
        return true
      })
    return (admitted, calls, ending)
  }

  @Test("who waits behind a client that came and went is let in")
  func trouble() {
    for code in [ECONNABORTED, EPROTO, EPERM, ENETDOWN, EHOSTUNREACH, EINVAL] {
      let pass = pass([.client(1), .failure(code), .client(2), .failure(code), .client(3)])
      #expect(pass.admitted == [1, 2, 3] && pass.ending == .over)
    }
  }

  @Test("a listener that fails for good ends the pass")
  func persistent() {
    let pass = pass([.client(1), .failure(EBADF)], repeatsLast: true)
    #expect(pass.admitted == [1] && pass.ending == .over && pass.calls == 6)
  }

  @Test("without descriptors or memory the client stays where it is, at once")
  func exhausted() {
    for code in [EMFILE, ENFILE, ENOBUFS, ENOMEM] {
      let pass = pass([.client(1), .failure(code), .client(2)])
      #expect(pass.admitted == [1] && pass.calls == 2 && pass.ending == .outOfResources)
    }
    let full = pass([.client(1), .client(2), .client(3)], room: 1)
    #expect(full.admitted == [1] && full.calls == 2 && full.ending == .outOfResources)
  }
}
