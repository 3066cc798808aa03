// A checkpoint as Hugging Face lays it out: config.json beside model.safetensors, or beside
// shards that model.safetensors.index.json assigns the tensors to.

import JSON
import Platform

extension Checkpoint {
  /// Opens a directory: parses its configuration, maps its weights, checks their headers. The
  /// tensors' bytes are not read.
  public static func open(directory: String) throws(WeightsError) -> Checkpoint {
    let configuration = try readJSON(
      "config.json", in: directory, limit: WeightsLimits.configurationBytes)
    guard configuration.objectValue != nil else {
      throw .malformedFile(file: "config.json", reason: "not an object")
    }
    // A whole file wins over shards, as in the transformers library.
    let whole = "model.safetensors"
    let index = "model.safetensors.index.json"
    if FileReader.exists("\(directory)/\(whole)") || !FileReader.exists("\(directory)/\(index)") {
      let (file, tensors) = try mapSafetensors(whole, in: directory)
      return try Checkpoint(
        configuration: configuration, source: .directory, files: [file], tensors: tensors)
    }
    let shards = try ShardIndex(
      readJSON(index, in: directory, limit: WeightsLimits.indexBytes), file: index)
    var files: [MappedFile] = []
    var tensors: [StoredTensor] = []
    for shard in shards.files {
      let (file, found) = try mapSafetensors(shard, in: directory)
      files.append(file)
      tensors.append(contentsOf: found)
    }
    let checkpoint = try Checkpoint(
      configuration: configuration, source: .directory, files: files, tensors: tensors)
    for (name, file) in shards.assignments where checkpoint.tensor(named: name)?.file != file {
      throw .malformedTensor(file: index, tensor: name, reason: "is not in \(file)")
    }
    return checkpoint
  }

  private static func readJSON(
    _ name: String, in directory: String, limit: Int
  ) throws(WeightsError) -> JSONValue {
    let bytes: [UInt8]
    do { bytes = try FileReader.read("\(directory)/\(name)", limit: limit) } catch {
      throw .platform(error)
    }
    do { return try JSONValue(parsing: bytes) } catch { throw .malformedJSON(file: name, error) }
  }

  private static func mapSafetensors(
    _ name: String, in directory: String
  ) throws(WeightsError) -> (MappedFile, [StoredTensor]) {
    let file: MappedFile
    do { file = try MappedFile(path: "\(directory)/\(name)") } catch { throw .platform(error) }
    let prefix = file.copy(0..<min(SafetensorsHeader.prefixBytes, file.count))
    let length = try SafetensorsHeader.textLength(
      prefix: prefix, fileSize: file.count, file: name)
    let start = SafetensorsHeader.prefixBytes
    let header = try SafetensorsHeader(
      text: file.copy(start..<start + length), fileSize: file.count, file: name)
    let tensors = header.entries.map { entry in
      StoredTensor(
        name: entry.name, storedName: entry.name, file: name, formatName: entry.format,
        shape: entry.shape,
        mapping: file, range: entry.range)
    }
    return (file, tensors)
  }
}

/// The `weight_map` of `model.safetensors.index.json`.
struct ShardIndex {
  /// Tensor and the file it must be in, in the index's order.
  let assignments: [(tensor: String, file: String)]
  /// The files, each once, sorted.
  let files: [String]

  init(_ json: JSONValue, file: String) throws(WeightsError) {
    guard let map = json["weight_map"]?.objectValue else {
      throw .malformedFile(file: file, reason: "weight_map is missing or not an object")
    }
    var assignments: [(tensor: String, file: String)] = []
    for (tensor, value) in map.members {
      guard let shard = value.stringValue, Self.isPlainName(shard) else {
        throw .malformedTensor(
          file: file, tensor: tensor, reason: "its file is not a plain file name")
      }
      assignments.append((tensor, shard))
    }
    self.assignments = assignments
    files = Set(assignments.map(\.file)).sorted()
    guard files.count <= WeightsLimits.files else {
      throw .malformedFile(file: file, reason: "more than \(WeightsLimits.files) files")
    }
  }

  /// A name that cannot lead out of the checkpoint's directory.
  private static func isPlainName(_ name: String) -> Bool {
    name.hasSuffix(".safetensors") && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
  }
}
