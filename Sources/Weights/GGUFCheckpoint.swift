// A checkpoint in GGUF files: one, or the parts `NAME-00001-of-00003.gguf` of one, whose first part
// has the metadata.

import Compute
import JSON
import Platform

/// The mapped and checked files of one GGUF model.
public final class GGUFModel: Sendable {
  /// The metadata of the file, or of the first part.
  public let metadata: GGUFMetadata
  /// What to call the model: its `general.name`, else the file's name without its endings.
  public let name: String
  private let files: [(mapping: MappedFile, header: GGUFHeader)]

  /// Maps the file, and if it is a part all others; checks their heads. The tensors' bytes are not
  /// read.
  public init(path: String) throws(WeightsError) {
    let given = try Self.map(path)
    let metadata = given.header.metadata
    guard let count = try metadata.integer("split.count"), count != 1, count != 0 else {
      files = [given]
      self.metadata = metadata
      name = try Self.name(metadata, stem: GGUFPartName.stem(of: path))
      return
    }
    guard 2...WeightsLimits.files ~= count else {
      throw metadata.failure("split.count", "is \(count), not from 1 to \(WeightsLimits.files)")
    }
    guard let part = GGUFPartName(path), part.count == count else {
      throw metadata.failure(
        "split.count",
        "is \(count), but the name does not end in -NNNNN-of-\(GGUFPartName.padded(count)).gguf")
    }
    var files: [(mapping: MappedFile, header: GGUFHeader)] = []
    for number in 1...count {
      files.append(number == part.number ? given : try Self.map(part.path(number)))
    }
    try Self.check(files.map(\.header))
    self.files = files
    self.metadata = files[0].header.metadata
    name = try Self.name(self.metadata, stem: GGUFPartName.stem(of: path))
  }

  private static func map(
    _ path: String
  ) throws(WeightsError) -> (mapping: MappedFile, header: GGUFHeader) {
    let mapping: MappedFile
    do { mapping = try MappedFile(path: path) } catch { throw .platform(error) }
    let file = path.split(separator: "/").last.map(String.init) ?? path
    return (mapping, unsafe try GGUFHeader(mapping.bytes, file: file))
  }

  private static func name(
    _ metadata: GGUFMetadata, stem: String
  ) throws(WeightsError) -> String {
    guard let name = try metadata.string("general.name"), !name.isEmpty else { return stem }
    return name
  }

  /// Parts must say the same of the whole, and be in their places.
  private static func check(_ parts: [GGUFHeader]) throws(WeightsError) {
    let total = parts.reduce(0) { $0 + $1.entries.count }
    for (index, part) in parts.enumerated() {
      let metadata = part.metadata
      for (key, wanted) in [("split.no", index), ("split.count", parts.count)] {
        guard let found = try metadata.integer(key) else {
          throw metadata.failure(key, "is missing")
        }
        guard found == wanted else {
          throw metadata.failure(key, "is \(found) instead of \(wanted)")
        }
      }
      let key = "split.tensors.count"
      if let count = try metadata.integer(key), count != total {
        throw metadata.failure(key, "is \(count), but the parts have \(total) tensors")
      }
    }
  }

  /// The tensors under the names of the published layout, with the configuration in its words.
  public func checkpoint() throws(WeightsError) -> Checkpoint {
    var tensors: [StoredTensor] = []
    for (mapping, header) in files {
      for entry in header.entries {
        let found = try Self.tensors(entry, header.metadata.file, mapping)
        guard tensors.count + found.count <= WeightsLimits.tensors else {
          throw .malformedFile(
            file: header.metadata.file,
            reason: "more than \(WeightsLimits.tensors) tensors, experts counted one by one")
        }
        tensors.append(contentsOf: found)
      }
    }
    Self.dropJoinedUpProjections(&tensors)
    let configuration = GGUFConfiguration(metadata, tensors)
    return try Checkpoint(
      configuration: try configuration.json(), source: configuration.source,
      files: files.map(\.mapping), tensors: tensors)
  }

  /// What one tensor of the file is in the published layout.
  private static func tensors(
    _ entry: GGUFHeader.Entry, _ file: String, _ mapping: MappedFile
  ) throws(WeightsError) -> [StoredTensor] {
    func tensor(
      _ name: String, _ shape: [Int], _ range: Range<Int>, number: Int? = nil
    ) -> StoredTensor {
      StoredTensor(
        name: name, storedName: entry.name + (number.map { "[\($0)]" } ?? ""), file: file,
        formatName: entry.format.name, shape: shape, mapping: mapping,
        range: range)
    }
    switch GGUFTensorRole(entry.name) {
    case .ignored: return []
    case .same(let name): return [tensor(name, entry.shape, entry.range)]
    case .headMatrix(let name):
      guard entry.shape.count == 3 else { return [tensor(name, entry.shape, entry.range)] }
      // The product of all three does not overflow: the header has checked it.
      return [tensor(name, [entry.shape[0] * entry.shape[1], entry.shape[2]], entry.range)]
    case .experts(let prefix, let suffix):
      guard entry.shape.count == 3, 1...WeightsLimits.experts ~= entry.shape[0] else {
        throw .malformedTensor(
          file: file, tensor: entry.name,
          reason: "its shape \(entry.shape) is not that of 1 to \(WeightsLimits.experts) matrices")
      }
      let size = entry.range.count / entry.shape[0]
      return (0..<entry.shape[0]).map { expert in
        let start = entry.range.lowerBound + expert * size
        return tensor(
          "\(prefix)\(expert)\(suffix)", [entry.shape[1], entry.shape[2]],
          start..<start + size, number: expert)
      }
    }
  }

  /// Some files carry W_UK and W_UV both joined and apart, the latter as absorbed attention reads
  /// them; the joined form is then left alone.
  private static func dropJoinedUpProjections(_ tensors: inout [StoredTensor]) {
    let marks = ["k_b_proj.weight", "v_b_proj.weight"]
    var parts: [String: Int] = [:]
    for tensor in tensors {
      guard let mark = marks.first(where: { tensor.name.hasSuffix(".self_attn." + $0) }) else {
        continue
      }
      parts[String(tensor.name.dropLast(mark.count)), default: 0] += 1
    }
    let joined = Set(parts.filter { $0.value == marks.count }.map { $0.key + "kv_b_proj.weight" })
    tensors.removeAll { joined.contains($0.name) }
  }
}

extension Checkpoint {
  /// Opens a GGUF file, or all parts of the model that it is a part of.
  public static func open(gguf path: String) throws(WeightsError) -> Checkpoint {
    try GGUFModel(path: path).checkpoint()
  }
}
