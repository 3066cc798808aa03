// Where the recorded expectations lie, and how they are read.

import Foundation
import JSON
import Testing

enum Fixture {
  private static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures")
  /// Data that is too large to keep in the repository, next to the checkout where it is at hand.
  private static let shared = root.deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "shared")

  static func bytes(_ path: String) throws -> [UInt8] {
    try Array(Data(contentsOf: root.appending(path: path)))
  }

  static func sharedBytes(_ path: String) throws -> [UInt8] {
    try Array(Data(contentsOf: shared.appending(path: path)))
  }

  static func hasShared(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: shared.appending(path: path).path)
  }

  /// The objects of a file with one JSON value per line.
  static func lines(_ path: String) throws -> [JSONValue] {
    try bytes(path).split(separator: UInt8(ascii: "\n")).map { try JSONValue(parsing: Array($0)) }
  }
}

extension JSONValue {
  var tokens: [Int32] { (arrayValue ?? []).compactMap { $0.integerValue.map(Int32.init) } }
}
