// The blocks of GGUF files in double precision, field by field as ggml-common.h lays them out, and
// simple encoders to compare with.

import Compute

/// What the bytes of one block mean.
enum BlockDefinition {
  /// Where the float16 units of a block lie.
  static func units(_ format: ElementFormat) -> [Int] {
    switch format {
    case .q4_K, .q5_K: [0, 2]
    case .q6_K: [208]
    default: [0]
    }
  }

  private static func half(_ bytes: [UInt8], _ offset: Int) -> Double {
    let bits = UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8
    let exponent = Int(bits >> 10 & 31)
    let mantissa = Double(bits & 1023)
    let size =
      exponent == 0
      ? mantissa * 0x1p-24
      : (1024 + mantissa) * Double(sign: .plus, exponent: exponent - 25, significand: 1)
    return bits & 0x8000 == 0 ? size : -size
  }

  /// The 96 bits of 6-bit numbers: the first four pairs lie in the low bits of eight bytes, the
  /// others in four bytes of nibbles and the high bits of the eight.
  private static func scale(_ bytes: [UInt8], _ part: Int) -> (factor: Double, offset: Double) {
    let packed = Array(bytes[4..<16])
    if part < 4 { return (Double(packed[part] & 63), Double(packed[part + 4] & 63)) }
    let low = packed[part + 4]
    return (
      Double(low & 15 | (packed[part - 4] >> 6) << 4), Double(low >> 4 | (packed[part] >> 6) << 4)
    )
  }

  /// Factor and offset of the sub-block of an element, and the levels there are: y = factor * level
  /// + offset.
  private static func line(
    _ bytes: [UInt8], _ format: ElementFormat, element: Int
  ) -> (factor: Float, offset: Float, levels: ClosedRange<Int>) {
    // Products are rounded to float32 where readers do.
    func f(_ value: Double) -> Float { Float(value) }
    switch format {
    case .q8_0: return (f(half(bytes, 0)), 0, -127...127)
    case .q5_0: return (f(half(bytes, 0)), 0, -16...15)
    case .q6_K:
      let factor = Double(Int8(bitPattern: bytes[192 + element / 16]))
      return (f(half(bytes, 208) * factor), 0, -32...31)
    default:
      let (factor, offset) = scale(bytes, element / 32)
      return (
        f(half(bytes, 0) * factor), -f(half(bytes, 2) * offset), 0...(format == .q4_K ? 15 : 31)
      )
    }
  }

  private static func level(_ bytes: [UInt8], _ format: ElementFormat, element: Int) -> Int {
    /// Bit `index` of the bytes from `start`.
    func bit(_ start: Int, _ index: Int) -> Int { Int(bytes[start + index / 8] >> (index % 8)) & 1 }
    let (group, column) = (element / 64, element % 32)
    let upper = element % 64 >= 32
    switch format {
    case .q8_0: return Int(Int8(bitPattern: bytes[2 + element]))
    case .q5_0:
      let byte = bytes[6 + element % 16]
      return Int(element < 16 ? byte & 15 : byte >> 4) + 16 * bit(2, element) - 16
    case .q4_K:
      let byte = bytes[16 + 32 * group + column]
      return Int(upper ? byte >> 4 : byte & 15)
    case .q5_K:
      let byte = bytes[48 + 32 * group + column]
      return Int(upper ? byte >> 4 : byte & 15) + 16 * Int(bytes[16 + column] >> (element / 32) & 1)
    default:
      // Halves of 128: the low nibbles of 64 bytes are quarters 0 and 1, the high ones 2 and 3; the
      // four bit pairs of 32 bytes are quarters 0 to 3.
      let (start, quarter) = (element / 128, element % 128 / 32)
      let byte = bytes[64 * start + (quarter & 1) * 32 + column]
      let pair = bytes[128 + 32 * start + column] >> (2 * quarter) & 3
      return Int(quarter < 2 ? byte & 15 : byte >> 4) + 16 * Int(pair) - 32
    }
  }

  static func decode(_ bytes: [UInt8], _ format: ElementFormat) -> [Double] {
    (0..<format.blockLength).map { element in
      let line = line(bytes, format, element: element)
      let product = line.factor * Float(level(bytes, format, element: element))
      return Double(product + line.offset)
    }
  }

  /// Every value that the element could have had with the block's factors.
  static func levels(_ bytes: [UInt8], _ format: ElementFormat, element: Int) -> [Double] {
    let line = line(bytes, format, element: element)
    return line.levels.map { Double(line.factor) * Double($0) + Double(line.offset) }
  }
}

/// Encoders that spread levels evenly over what a block holds and round to the nearest.
enum EvenLevels {
  /// Independent of the processor's conversion: by the distance of neighbours.
  static func float16(_ x: Float) -> Float {
    let exponent = max(x.isZero ? -14 : Int(x.exponent), -14)
    let unit = Float(sign: .plus, exponent: exponent - 10, significand: 1)
    let rounded = (x / unit).rounded(.toNearestOrEven) * unit
    return rounded.isZero ? Float(sign: x.sign, exponent: 0, significand: 0) : rounded
  }

  static func rounded(_ x: [Float], _ format: ElementFormat) -> [Float] {
    stride(from: 0, to: x.count, by: format.blockLength).flatMap { start in
      block(Array(x[start..<start + format.blockLength]), format)
    }
  }

  private static func block(_ x: [Float], _ format: ElementFormat) -> [Float] {
    switch format {
    case .q8_0:
      return symmetric(x, float16(largest(x).magnitude / 127), -127...127)
    case .q5_0:
      return symmetric(x, float16(largest(x) / -16), -16...15)
    case .q6_K:
      let parts = split(x, 16)
      let steps = parts.map { largest($0) / -32 }
      let unit = float16(largest(steps) / -128)
      return zip(parts, steps).flatMap { part, step in
        let factor = unit == 0 ? 0 : min(max((step / unit).rounded(), -128), 127)
        return symmetric(part, unit * factor, -32...31)
      }
    default:
      let parts = split(x, 32)
      let top: Float = format == .q4_K ? 15 : 31
      let lows = parts.map { min($0.min() ?? 0, 0) }
      let steps = zip(parts, lows).map { (($0.max() ?? 0) - $1) / top }
      let unit = float16((steps.max() ?? 0) / 63)
      let offsetUnit = float16(-(lows.min() ?? 0) / 63)
      return parts.indices.flatMap { index in
        let step = unit == 0 ? 0 : (steps[index] / unit).rounded() * unit
        let low = offsetUnit == 0 ? 0 : (lows[index] / offsetUnit).rounded() * offsetUnit
        return parts[index].map { x in
          guard step > 0 else { return low }
          return step * min(max(((x - low) / step).rounded(), 0), top) + low
        }
      }
    }
  }

  private static func split(_ x: [Float], _ length: Int) -> [[Float]] {
    stride(from: 0, to: x.count, by: length).map { Array(x[$0..<$0 + length]) }
  }

  private static func largest(_ x: [Float]) -> Float {
    x.max { abs($0) < abs($1) } ?? 0
  }

  private static func symmetric(
    _ x: [Float], _ step: Float, _ levels: ClosedRange<Float>
  ) -> [Float] {
    x.map { x in
      guard step != 0 else { return 0 }
      return step * min(max((x / step).rounded(), levels.lowerBound), levels.upperBound)
    }
  }
}
