// The kinds of multiply-add that a processor has a rate for.

/// In what a product with some weights is computed.
public enum Arithmetic: String, Sendable, CaseIterable {
  /// int8 with int8, added up in int32.
  case int8
  /// Pairs of bfloat16, added up in float32.
  case bfloat16 = "bf16"
  /// float32 throughout.
  case float32 = "f32"
}

extension Kernels {
  /// The arithmetic of products with weights of a format.
  /// - Parameter exactly: with inputs as they are, whatever the format.
  public func arithmetic(for format: ElementFormat, exactly: Bool = false) -> Arithmetic {
    switch encoding(for: format, exactly: exactly) {
    case .float32: .float32
    case .bfloat16: .bfloat16
    case .int8By32, .int8By256: .int8
    }
  }

  /// The arithmetic of attention over latents of a format.
  public func arithmetic(for format: LatentFormat) -> Arithmetic {
    switch format {
    case .float32: .float32
    case .bfloat16: roundsInputs ? .bfloat16 : .float32
    case .int8: .int8
    }
  }
}

/// A number for each kind of arithmetic.
public struct ByArithmetic: Sendable, Equatable {
  private var values = SIMD4<Double>(repeating: 0)

  /// All zero.
  public init() {}

  /// The number of one kind.
  public subscript(_ arithmetic: Arithmetic) -> Double {
    get { values[Self.index(arithmetic)] }
    set { values[Self.index(arithmetic)] = newValue }
  }

  /// Of all kinds together.
  public var sum: Double { values.sum() }

  /// Kind by kind.
  public static func += (sum: inout ByArithmetic, next: ByArithmetic) { sum.values += next.values }

  private static func index(_ arithmetic: Arithmetic) -> Int {
    switch arithmetic {
    case .int8: 0
    case .bfloat16: 1
    case .float32: 2
    }
  }
}
