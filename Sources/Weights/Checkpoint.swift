// A model's files as named tensors. Opening maps and checks every file; asking for a tensor
// checks its shape and format and notes that it is used; `finish` refuses what nobody asked for.
// How a file is laid out stays in its own source (SafetensorsHeader).

import Compute
import JSON
import Platform
import Synchronization

/// The weights and configuration of one model. It owns the mapping: views it hands out are valid
/// while it lives.
public final class Checkpoint: Sendable {
  /// The parsed `config.json`, or what another file says in its words.
  public let configuration: JSONValue
  /// Where that stands.
  public let configurationSource: ConfigurationSource
  /// All tensors in the order of files and of bytes within a file.
  public let tensors: [StoredTensor]

  private let files: [MappedFile]
  private let positions: [String: Int]
  private let block: (rows: Int, columns: Int)?
  private let used: Mutex<Set<String>>

  /// Suffix that turns the name of an 8-bit matrix into that of its block scales.
  static let scaleSuffix = "_scale_inv"

  init(
    configuration: JSONValue, source: ConfigurationSource, files: [MappedFile],
    tensors: [StoredTensor]
  ) throws(WeightsError) {
    var positions: [String: Int] = [:]
    for (position, tensor) in tensors.enumerated() {
      if let first = positions.updateValue(position, forKey: tensor.name) {
        throw .malformedTensor(
          file: tensor.file, tensor: tensor.storedName, reason: "also in \(tensors[first].file)")
      }
    }
    self.configuration = configuration
    configurationSource = source
    self.files = files
    self.tensors = tensors
    self.positions = positions
    block = try Self.blockSize(configuration)
    used = Mutex([])
  }

  /// Bytes of all files together.
  public var byteCount: Int { files.reduce(0) { $0 + $1.count } }

  /// Elements of all tensors but block scales.
  public var parameterCount: Int {
    tensors.reduce(0) { sum, tensor in
      // No product overflows: the headers have checked them against the files' sizes.
      tensor.name.hasSuffix(Self.scaleSuffix) ? sum : sum + tensor.shape.reduce(1, *)
    }
  }

  /// Which files these are: names, sizes and times of their last change.
  var identity: String {
    files.map { "\($0.path.split(separator: "/").last ?? "") \($0.count) \($0.modified)" }
      .joined(separator: "\n")
  }

  /// The tensor of that name, without marking it as used.
  public func tensor(named name: String) -> StoredTensor? {
    positions[name].map { tensors[$0] }
  }

  /// The tensor of that name, which must have exactly this shape and one of these formats.
  /// Marks it as used.
  public func require(
    _ name: String, shape: [Int], formats: [ElementFormat] = [.float32, .bfloat16, .float16]
  ) throws(WeightsError) -> TensorView {
    guard let tensor = tensor(named: name) else {
      throw .missingTensor(configurationSource.tensorName(of: name))
    }
    guard tensor.shape == shape else {
      throw .wrongShape(
        file: tensor.file, tensor: tensor.storedName, found: tensor.shape, expected: shape)
    }
    guard let view = tensor.view, formats.contains(view.format) else {
      throw .wrongFormat(
        file: tensor.file, tensor: tensor.storedName, found: tensor.formatName, expected: formats)
    }
    used.withLock { _ = $0.insert(name) }
    return view
  }

  /// The matrix [rows, columns] of that name (y = W x) in any format, 8-bit with its block scales:
  /// W[i, j] = value[i, j] * scale[i / block rows, j / block columns]. Marks both as used.
  public func requireMatrix(
    _ name: String, rows: Int, columns: Int
  ) throws(WeightsError) -> StoredMatrix {
    let values = try require(
      name, shape: [rows, columns], formats: ElementFormat.allCases)
    guard columns.isMultiple(of: values.format.blockLength) else {
      throw .malformedTensor(
        file: tensor(named: name)?.file ?? "", tensor: configurationSource.tensorName(of: name),
        reason: "rows of \(columns) elements are no whole blocks of \(values.format.rawValue)")
    }
    let scale = tensor(named: name + Self.scaleSuffix)
    guard values.format == .float8E4M3 else {
      if let scale { throw .unexpectedScale(file: scale.file, scale: scale.name) }
      return StoredMatrix(values)
    }
    guard let scale else {
      throw .missingScale(
        file: tensor(named: name)?.file ?? "", tensor: name, scale: name + Self.scaleSuffix)
    }
    guard let block else {
      throw .badConfiguration(
        key: "quantization_config.weight_block_size", reason: "missing, but \(name) is 8-bit")
    }
    let shape = [
      (rows + block.rows - 1) / block.rows, (columns + block.columns - 1) / block.columns,
    ]
    let scales = try require(scale.name, shape: shape, formats: [.float32])
    try checkFinite(scales, of: scale)
    return StoredMatrix(
      values,
      scales: BlockScales(values: scales, blockRows: block.rows, blockColumns: block.columns))
  }

  /// The vector of that name as float32. Marks it as used.
  public func requireVector(_ name: String, count: Int) throws(WeightsError) -> Vector {
    Vector(try require(name, shape: [count]))
  }

  /// The tensors nobody has asked for yet.
  public var unusedTensors: [StoredTensor] {
    let used = used.withLock { $0 }
    return tensors.filter { !used.contains($0.name) }
  }

  /// To be called when the model has taken what it needs: every tensor left over must be one of
  /// the known extras that `isKnownExtra` accepts by name.
  public func finish(ignoring isKnownExtra: (String) -> Bool) throws(WeightsError) {
    let unused = unusedTensors.filter { !isKnownExtra($0.name) }
    guard let first = unused.first else { return }
    throw .unusedTensor(file: first.file, tensor: first.storedName, others: unused.count - 1)
  }

  /// A single scale that is not finite would spoil every output of its block.
  private func checkFinite(_ scales: TensorView, of tensor: StoredTensor) throws(WeightsError) {
    for index in 0..<scales.count {
      let bits = unsafe scales.bytes.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
      guard Float(bitPattern: UInt32(littleEndian: bits)).isFinite else {
        throw .nonFiniteScale(file: tensor.file, scale: tensor.name, index: index)
      }
    }
  }

  /// `weight_block_size` of the configuration; nil when it has none.
  private static func blockSize(
    _ configuration: JSONValue
  ) throws(WeightsError) -> (rows: Int, columns: Int)? {
    guard let value = configuration["quantization_config"]?["weight_block_size"], !value.isNull
    else { return nil }
    let sides = (value.arrayValue ?? []).compactMap(\.integerValue)
    guard value.arrayValue?.count == 2, sides.count == 2,
      sides.allSatisfy({ 1...WeightsLimits.blockSide ~= $0 }),
      sides[1].isMultiple(of: BlockScales.columnGranule)
    else {
      throw .badConfiguration(
        key: "quantization_config.weight_block_size",
        reason: "not a pair of numbers from 1 to \(WeightsLimits.blockSide), "
          + "the second a multiple of \(BlockScales.columnGranule)")
    }
    return (sides[0], sides[1])
  }
}
