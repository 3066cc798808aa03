// Asks a server which model it serves.

import Dispatch
import HTTP
import JSON
import Platform

/// One request of `/v1/models` (platform.openai.com/docs/api-reference/models/list).
///
/// Unchecked because its state is touched on `queue` alone.
final class ModelQuery: @unchecked Sendable {
  private let request: HTTPClientRequest
  private let client: HTTPClient
  private let queue: DispatchQueue
  private let end = DispatchSemaphore(value: 0)
  private var status = 0
  private var body: [UInt8] = []
  private var failure: HTTPClientError?

  init(_ plan: LoadPlan, client: HTTPClient, queue: DispatchQueue) {
    request = HTTPClientRequest(
      method: .get, target: plan.basePath + "/models", headers: plan.traffic.headers)
    self.client = client
    self.queue = queue
  }

  /// The name of the first model; waits for it.
  func answer() throws(LoadTestError) -> String {
    queue.async { self.client.send(self.request) { self.receive($0) } }
    end.wait()
    let (status, body, failure) = queue.sync { (self.status, self.body, self.failure) }
    if let failure, case .certificate = failure { throw .untrusted(reason: "\(failure)") }
    if let failure { throw .noModel(reason: failure.description) }
    guard status == 200 else { throw .noModel(reason: "status \(status)") }
    let limits = JSONLimits(bytes: LoadLimits.answerBytes, depth: LoadLimits.jsonDepth)
    guard let value = try? JSONValue(parsing: body, limits: limits),
      let name = value["data"]?.arrayValue?.first?["id"]?.stringValue
    else { throw .noModel(reason: "the answer lists none") }
    // It will be shown on a terminal.
    guard name == name.printable(limit: LoadLimits.messageLength) else {
      throw .noModel(reason: "a name that cannot be shown")
    }
    return name
  }

  private func receive(_ event: ResponseEvent) {
    switch event {
    case .head(let head): status = head.status
    case .body(let bytes): body += bytes
    case .failed(let error):
      failure = error
      end.signal()
    case .end: end.signal()
    }
  }
}
