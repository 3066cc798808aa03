// The recorded cases of Tests/Fixtures/parity and variants: tiny random checkpoints with the logits
// that an independent implementation computes for them. Read without the code under test.

import Foundation
import JSON

/// A tensor of a case's `expected.safetensors`, F32 or I32.
public struct ExpectedTensor: Sendable {
  public let shape: [Int]
  /// The elements of an F32 tensor.
  public let values: [Float]
  /// The elements of an I32 tensor.
  public let integers: [Int32]

  /// Row `row` of a matrix.
  public func row(_ row: Int) -> ArraySlice<Float> {
    values[row * shape[1]..<(row + 1) * shape[1]]
  }
}

/// One checkpoint with its expectations, described in the README of the parity fixtures.
public struct ParityCase: Sendable {
  /// Every case that has logits and a greedy continuation of 32 tokens.
  public static let names = [
    "parity/v2_greedy_lite", "parity/v3_fp8_block", "parity/v3_full_sharded", "parity/v3_mtp",
    "variants/v3_odd", "variants/v3_tied", "variants/v2_groups",
  ]
  public static let continuationCount = 32

  public let directory: String
  public let expected: [String: ExpectedTensor]

  /// - Parameter name: its folder below `Tests/Fixtures`.
  public init(_ name: String) throws {
    directory = Fixtures.path(name)
    expected = try Self.read(directory + "/expected.safetensors")
  }

  /// Prompt and continuation.
  public var tokens: [Int32] { expected["tokens"]!.integers }
  public var promptCount: Int { tokens.count - Self.continuationCount }

  private static func read(_ path: String) throws -> [String: ExpectedTensor] {
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
    let headerLength = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    let header = try JSONValue(parsing: Array(bytes[8..<8 + headerLength]))
    var tensors: [String: ExpectedTensor] = [:]
    for (name, entry) in header.objectValue!.members where name != "__metadata__" {
      let offsets = entry["data_offsets"]!.arrayValue!.map { $0.integerValue! + 8 + headerLength }
      let words = stride(from: offsets[0], to: offsets[1], by: 4).map { place in
        (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
      }
      let isFloat = entry["dtype"]!.stringValue == "F32"
      tensors[name] = ExpectedTensor(
        shape: entry["shape"]!.arrayValue!.map { $0.integerValue! },
        values: isFloat ? words.map { Float(bitPattern: $0) } : [],
        integers: isFloat ? [] : words.map { Int32(bitPattern: $0) })
    }
    return tensors
  }
}

/// Log-probabilities in double precision.
public func logSoftmax(_ logits: some Collection<Float>) -> [Double] {
  let highest = Double(logits.max()!)
  let sum = logits.reduce(0.0) { $0 + exp(Double($1) - highest) }
  return logits.map { Double($0) - highest - log(sum) }
}
