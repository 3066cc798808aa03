// A cursor over the bytes of a GGUF file's head. Every read is checked against what is left, and
// what is left is at most the limit of a head, so that no count in the file can ask for more memory
// than a small multiple of bytes that are really there.

/// Why reading stopped; the header adds where.
struct GGUFReadError: Error {
  let reason: String
}

/// Reads little-endian values one behind the other.
@safe struct GGUFReader {
  // The bytes belong to the caller, who keeps them in place while the reader lives.
  private let bytes: UnsafeRawBufferPointer
  /// Where the next read begins.
  private(set) var position = 0
  /// Elements of arrays that may still be read.
  private var elementsLeft = WeightsLimits.ggufElements

  init(_ bytes: UnsafeRawBufferPointer) {
    let limit = min(bytes.count, WeightsLimits.ggufHeaderBytes)
    unsafe self.bytes = UnsafeRawBufferPointer(rebasing: bytes[..<limit])
  }

  private var remaining: Int { unsafe bytes.count - position }

  private func ended() -> GGUFReadError {
    unsafe GGUFReadError(
      reason: bytes.count < WeightsLimits.ggufHeaderBytes
        ? "the file ends inside its header"
        : "the header is longer than \(WeightsLimits.ggufHeaderBytes) bytes")
  }

  mutating func integer<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type
  ) throws(GGUFReadError) -> Value {
    let size = MemoryLayout<Value>.size
    guard remaining >= size else { throw ended() }
    let value = unsafe bytes.loadUnaligned(fromByteOffset: position, as: Value.self)
    position += size
    return Value(littleEndian: value)
  }

  /// A count or a length.
  mutating func count(limit: Int, of what: String) throws(GGUFReadError) -> Int {
    let value = try integer(UInt64.self)
    guard let count = Int(exactly: value), count <= limit else {
      throw GGUFReadError(reason: "\(value) \(what), above the limit of \(limit)")
    }
    return count
  }

  mutating func string() throws(GGUFReadError) -> String {
    let length = try integer(UInt64.self)
    guard length <= UInt64(remaining) else { throw ended() }
    let end = position + Int(length)
    // A buffer of its own, because a slice would be read byte by byte.
    let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[position..<end])
    let text = unsafe String(validating: part.assumingMemoryBound(to: UInt8.self), as: UTF8.self)
    guard let text else { throw GGUFReadError(reason: "a string is not UTF-8") }
    position = end
    return text
  }

  mutating func bool() throws(GGUFReadError) -> Bool {
    switch try integer(UInt8.self) {
    case 0: return false
    case 1: return true
    case let value: throw GGUFReadError(reason: "a boolean is \(value)")
    }
  }

  private mutating func valueType() throws(GGUFReadError) -> GGUFValueType {
    let number = try integer(UInt32.self)
    guard let type = GGUFValueType(rawValue: number) else {
      throw GGUFReadError(reason: "the value type \(number) is unknown")
    }
    return type
  }

  /// A value with its type in front.
  mutating func value() throws(GGUFReadError) -> GGUFValue {
    switch try valueType() {
    case .bool: return .bool(try bool())
    case .string: return .string(try string())
    case .array: return try array()
    case .float32: return GGUFValue(Float(bitPattern: try integer(UInt32.self)))
    case .float64: return .number(Double(bitPattern: try integer(UInt64.self)))
    case .uint64:
      let value = try integer(UInt64.self)
      return Int(exactly: value).map { .integer($0) } ?? .large(value)
    case let type: return .integer(try narrow(type))
    }
  }

  /// An integer of a type that `Int` holds.
  private mutating func narrow(_ type: GGUFValueType) throws(GGUFReadError) -> Int {
    switch type {
    case .uint8: return Int(try integer(UInt8.self))
    case .int8: return Int(try integer(Int8.self))
    case .uint16: return Int(try integer(UInt16.self))
    case .int16: return Int(try integer(Int16.self))
    case .uint32: return Int(try integer(UInt32.self))
    case .int32: return Int(try integer(Int32.self))
    case .int64: return Int(try integer(Int64.self))
    default:
      let value = try integer(UInt64.self)
      guard let number = Int(exactly: value) else {
        throw GGUFReadError(reason: "the integer \(value) is above \(Int.max)")
      }
      return number
    }
  }

  private mutating func array() throws(GGUFReadError) -> GGUFValue {
    let type = try valueType()
    let count = try count(limit: elementsLeft, of: "array elements")
    // Each element takes at least a byte, a string eight: a count beyond that ends the file, and
    // must not reserve memory before it does.
    guard count <= remaining else { throw ended() }
    elementsLeft -= count
    switch type {
    case .array: throw GGUFReadError(reason: "an array in an array")
    case .string:
      return .strings(try list(count) { reader throws(GGUFReadError) in try reader.string() })
    case .bool: return .bools(try list(count) { reader throws(GGUFReadError) in try reader.bool() })
    case .float32:
      return .numbers(
        try list(count) { reader throws(GGUFReadError) in
          Double(Float(bitPattern: try reader.integer(UInt32.self)))
        })
    case .float64:
      return .numbers(
        try list(count) { reader throws(GGUFReadError) in
          Double(bitPattern: try reader.integer(UInt64.self))
        })
    default:
      return .integers(
        try list(count) { reader throws(GGUFReadError) in try reader.narrow(type) })
    }
  }

  private mutating func list<Element>(
    _ count: Int, _ next: (inout GGUFReader) throws(GGUFReadError) -> Element
  ) throws(GGUFReadError) -> [Element] {
    var list: [Element] = []
    list.reserveCapacity(count)
    for _ in 0..<count { list.append(try next(&self)) }
    return list
  }
}
