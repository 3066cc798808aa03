// The checked entry to each kernel, on the calling thread. Shapes are verified here, so that the C
// below can trust its arguments.

import CKernels

/// An instruction-set tier of the kernels. All tiers return the same bits.
public enum KernelTier: String, Sendable, CaseIterable {
  case scalar
  case avx2
  case avx512
  case avx512BFloat16
  case amx
  case neon

  /// Whether an instruction multiplies inputs that are rounded to bfloat16.
  public var roundsInputs: Bool { self == .avx512BFloat16 || self == .amx }

  var kernelTier: ck_tier {
    switch self {
    case .scalar: CK_SCALAR
    case .avx2: CK_AVX2
    case .avx512: CK_AVX512
    case .avx512BFloat16: CK_AVX512_BF16
    case .amx: CK_AMX
    case .neon: CK_NEON
    }
  }
}

/// The operations of one tier. Each writes only the rows it is given.
@safe
public struct Kernels: @unchecked Sendable {
  // Unchecked: points to a constant table.
  private let table: UnsafePointer<ck_kernels>
  private var panels: UnsafePointer<ck_panel_kernels>
  /// The tier that was asked for.
  public let tier: KernelTier
  /// Whether inputs are rounded to bfloat16 where they meet bfloat16 weights, as the published
  /// models do: a product then takes half the time.
  public let roundsInputs: Bool
  /// Whether inputs become int8 where they meet quantised weights: then products are of integers.
  public let quantisesInputs: Bool

  /// Nil when this processor does not have the tier.
  public init?(tier: KernelTier, roundsInputs: Bool = false, quantisesInputs: Bool = false) {
    guard let table = unsafe ck_kernels_of(tier.kernelTier),
      let panels = unsafe ck_panel_kernels_of(tier.kernelTier)
    else { return nil }
    unsafe self.table = unsafe table
    unsafe self.panels = unsafe panels
    self.tier = tier
    self.roundsInputs = roundsInputs
    self.quantisesInputs = quantisesInputs
  }

  /// The same with products of a table of one's own, for tests.
  package init(
    tier: KernelTier, panels: UnsafePointer<ck_panel_kernels>, roundsInputs: Bool = false,
    quantisesInputs: Bool = false
  ) {
    guard
      let kernels = Kernels(
        tier: tier, roundsInputs: roundsInputs, quantisesInputs: quantisesInputs)
    else { preconditionFailure("this processor does not have the tier") }
    self = kernels
    unsafe self.panels = unsafe panels
  }

  /// How products with weights of a format take their inputs.
  /// - Parameter exactly: as they are, whatever the format.
  public func encoding(for format: ElementFormat, exactly: Bool) -> InputEncoding {
    let takes = InputEncoding(for: format, roundsInputs: roundsInputs)
    if exactly || (format.isQuantised && !quantisesInputs) { return .float32 }
    return takes
  }

  /// Encodes `x` into rows of the same shape that are not float32.
  func encode(_ x: Rows, into y: EncodedRows) {
    precondition(x.count == y.count && x.width == y.width, "shape")
    let format: ElementFormat =
      switch y.encoding {
      case .float32: preconditionFailure("float32 rows stay where they are")
      case .bfloat16: .bfloat16
      case .int8By32(zero: 128): ElementFormat.q8_0
      case .int8By32(zero: 8): .q4_0
      case .int8By32: .q5_0
      case .int8By256: .q4_K
      }
    unsafe panels.pointee.encode(
      x.raw, Int64(x.width), y.encoding.kernelEncoding, format.panelFormat, y.raw)
  }

  /// y[r, i] = sum over k of x[r, k] * matrix[i, k], for the rows i of some panels. `y` has all of
  /// them.
  public func product(
    _ matrix: PackedMatrix, panels range: Range<Int>, _ x: EncodedRows, into y: Rows
  ) {
    precondition(range.lowerBound >= 0 && range.upperBound <= matrix.panelCount, "panels")
    precondition(x.width == matrix.columns, "input width")
    precondition(y.width == matrix.rows && y.count == x.count, "output shape")
    let takes = InputEncoding(for: matrix.format, roundsInputs: true)
    precondition(x.encoding == .float32 || x.encoding == takes, "inputs of another format")
    var raw = unsafe matrix.raw
    var inputs = unsafe x.raw
    let outputs = unsafe y.columns(range.lowerBound * PackedMatrix.panelRows..<y.width).raw
    let (first, count) = (Int64(range.lowerBound), Int64(range.count))
    switch x.encoding {
    case .float32: unsafe panels.pointee.product_float32(&raw, first, count, &inputs, outputs)
    case .bfloat16: unsafe panels.pointee.product_bfloat16(&raw, first, count, &inputs, outputs)
    case .int8By32: unsafe panels.pointee.product_int8_32(&raw, first, count, &inputs, outputs)
    case .int8By256: unsafe panels.pointee.product_int8_256(&raw, first, count, &inputs, outputs)
    }
  }

  /// y = weight * x / sqrt(mean(x^2) + epsilon), row by row; `y` may be `x`.
  public func rmsNorm(_ x: Rows, weight: Vector, epsilon: Float, into y: Rows) {
    precondition(x.width == weight.count && y.width == x.width && y.count == x.count, "shape")
    unsafe weight.withElements {
      unsafe table.pointee.rms_norm(x.raw, Int64(x.width), $0, epsilon, y.raw)
    }
  }

  /// y = silu(gate) * up, elementwise; `y` may be one of them.
  public func gatedUnit(gate: Rows, up: Rows, into y: Rows) {
    precondition(gate.width == up.width && gate.width == y.width, "width")
    precondition(gate.count == up.count && gate.count == y.count, "count")
    unsafe table.pointee.gated_unit(gate.raw, up.raw, Int64(gate.width), y.raw)
  }
}

/// A small float32 vector held in memory: a norm's weight, a bias.
public struct Vector: Sendable {
  private let elements: [Float]

  /// The elements, in memory of its own.
  public init(_ elements: [Float]) { self.elements = elements }

  /// A stored vector, converted.
  public init(_ tensor: TensorView) {
    let count = tensor.count
    let row = unsafe StoredMatrix(
      TensorView(format: tensor.format, shape: [1, count], bytes: tensor.bytes))
    elements = unsafe [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      unsafe row.decodeFirst(into: buffer)
      initialized = count
    }
  }

  /// The number of elements.
  public var count: Int { elements.count }
  /// One element.
  public subscript(index: Int) -> Float { elements[index] }

  func withElements(_ body: (UnsafePointer<Float>) -> Void) {
    unsafe elements.withUnsafeBufferPointer { unsafe body($0.baseAddress!) }
  }
}

/// Operations that every tier shares.
public enum Elementwise {
  /// e^x with the bits that all kernels use.
  public static func exp(_ x: Float) -> Float { ck_exp(x) }

  /// y += factor * x for one row each.
  public static func addScaled(_ x: Rows, row: Int, factor: Float, to y: Rows, row target: Int) {
    precondition(x.width == y.width, "width")
    unsafe ck_add_scaled(x.pointer(row: row), factor, Int64(x.width), y.pointer(row: target))
  }

  /// One row times a factor, in place.
  public static func scale(_ x: Rows, row: Int, by factor: Float) {
    x.withMutableRow(row) { span in
      for index in span.indices { span[index] *= factor }
    }
  }

  /// y += x, all rows.
  public static func add(_ x: Rows, to y: Rows) {
    precondition(x.count == y.count, "count")
    for row in 0..<x.count { addScaled(x, row: row, factor: 1, to: y, row: row) }
  }

  /// y += vector, on every row.
  public static func add(_ vector: Vector, to y: Rows) {
    precondition(vector.count == y.width, "width")
    unsafe vector.withElements { elements in
      for row in 0..<y.count {
        unsafe ck_add_scaled(elements, 1, Int64(y.width), y.pointer(row: row))
      }
    }
  }
}
