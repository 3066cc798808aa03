// API keys from where operators keep them, read again when they change.

import Dispatch
import Foundation
import Logging
import OpenAIAPI
import Platform

/// The keys of the environment and the options, and those of a file, which may change.
///
/// Unchecked because everything that changes does so on `queue` alone.
final class KeySource: @unchecked Sendable {
  /// At the start.
  let keys: APIKeys
  private let fixed: APIKeys
  private let path: String?
  private let log: Logger
  private let queue = DispatchQueue(label: "hadal.keys")
  private var status: FileStatus?
  private var timer: (any DispatchSourceTimer)?
  private var replace: (APIKeys) -> Void = { _ in }

  /// Throws when the keys cannot be read.
  init(_ options: AccessOptions, _ log: Logger) throws {
    let listed = ProcessInfo.processInfo.environment["HADAL_API_KEYS"].map { [$0] } ?? []
    do {
      fixed = try APIKeys(list: listed + options.apiKey)
    } catch {
      throw CommandError("API keys (HADAL_API_KEYS and --api-key): \(error)")
    }
    path = options.apiKeyFile
    self.log = log
    status = path.flatMap { try? FileStatus(path: $0) }
    keys = try Self.read(path, fixed, log)
  }

  private static func read(_ path: String?, _ fixed: APIKeys, _ log: Logger) throws -> APIKeys {
    guard let path else { return fixed }
    do {
      let bytes = try FileReader.read(path, limit: APILimits.apiKeyFileBytes)
      if try FileStatus(path: path).isWorldReadable {
        log.warning(
          "every user of this machine can read the API keys", metadata: ["file": "\(path)"])
      }
      return try fixed.adding(APIKeys(file: bytes))
    } catch let error as APIKeyError {
      throw CommandError("\(path): \(error)")
    }
  }

  /// Seconds between looks at the file.
  private static let interval = 1.0

  /// Watches the file from now on.
  /// - Parameter replace: called with the new keys.
  func watch(_ replace: @escaping @Sendable (APIKeys) -> Void) {
    guard path != nil else { return }
    queue.sync {
      self.replace = replace
      let timer = DispatchSource.makeTimerSource(queue: queue)
      timer.schedule(deadline: .now() + Self.interval, repeating: Self.interval)
      timer.setEventHandler { [weak self] in self?.look() }
      timer.activate()
      self.timer = timer
    }
  }

  /// Reads the file again, whether it seems changed or not.
  func reload() { queue.async { self.read() } }

  private func look() {
    // A file that is being replaced may be away for a moment.
    guard let path, let now = try? FileStatus(path: path), now != status else { return }
    read()
  }

  private func read() {
    guard let path else { return }
    // Taken before: a change while reading is seen the next time.
    status = try? FileStatus(path: path)
    do {
      let keys = try Self.read(path, fixed, log)
      replace(keys)
      log.info("API keys reloaded", metadata: ["keys": "\(keys.keys.count)"])
    } catch {
      log.error("API keys not reloaded, the former ones stay", metadata: ["reason": "\(error)"])
    }
  }
}
