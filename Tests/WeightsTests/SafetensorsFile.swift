// Safetensors files made by hand, right and wrong, and directories around them.

import Foundation
import TestSupport
import Weights

/// A header text in front of data, as the format wants them.
func safetensors(_ header: String, _ data: [UInt8]) -> [UInt8] {
  let text = Array(header.utf8)
  return littleEndian(UInt64(text.count)) + text + data
}

func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  unsafe withUnsafeBytes(of: value.littleEndian) { unsafe Array($0) }
}

func littleEndian(_ values: [Float]) -> [UInt8] {
  values.flatMap { littleEndian($0.bitPattern) }
}

/// A tensor to be written: name, format's name, shape, bytes.
struct Tensor {
  let name: String
  let format: String
  let shape: [Int]
  let bytes: [UInt8]

  init(_ name: String, _ format: String, _ shape: [Int], _ bytes: [UInt8]) {
    self.name = name
    self.format = format
    self.shape = shape
    self.bytes = bytes
  }

  /// 32-bit numbers.
  init(_ name: String, _ shape: [Int], _ values: [Float]) {
    self.init(name, "F32", shape, littleEndian(values))
  }
}

/// A file of these tensors, one behind the other.
func safetensors(_ tensors: [Tensor]) -> [UInt8] {
  var data: [UInt8] = []
  var members: [String] = []
  for tensor in tensors {
    let end = data.count + tensor.bytes.count
    members.append(
      """
      "\(tensor.name)":{"dtype":"\(tensor.format)","shape":\(tensor.shape),\
      "data_offsets":[\(data.count),\(end)]}
      """)
    data += tensor.bytes
  }
  return safetensors("{\(members.joined(separator: ","))}", data)
}

extension TemporaryDirectory {
  /// A checkpoint in one file.
  convenience init(configuration: String = "{}", model: [UInt8]) throws {
    try self.init()
    try write("config.json", configuration)
    try write("model.safetensors", model)
  }

  /// A checkpoint in shards with this `weight_map`.
  convenience init(
    configuration: String = "{}", map: [String: String], shards: [String: [Tensor]]
  ) throws {
    try self.init()
    try write("config.json", configuration)
    let text = try JSONEncoder().encode(["weight_map": map])
    try write("model.safetensors.index.json", Array(text))
    for (name, tensors) in shards { try write(name, safetensors(tensors)) }
  }

  func open() throws -> Checkpoint { try Checkpoint.open(directory: path) }
}
