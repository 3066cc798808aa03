// The checked entry to each kernel, on the calling thread. Shapes are verified here, so that the C
// below can trust its arguments.

import CKernels

/// An instruction-set tier of the kernels. All tiers return the same bits.
public enum KernelTier: String, Sendable, CaseIterable {
  case scalar
  case avx2
  case avx512
  case avx512BFloat16
  case neon

  var kernelTier: ck_tier {
    switch self {
    case .scalar: CK_SCALAR
    case .avx2: CK_AVX2
    case .avx512: CK_AVX512
    case .avx512BFloat16: CK_AVX512_BF16
    case .neon: CK_NEON
    }
  }
}

/// The operations of one tier. Each writes only the rows it is given.
@safe
public struct Kernels: @unchecked Sendable {
  // Unchecked: points to a constant table.
  private let table: UnsafePointer<ck_kernels>
  private let panels: UnsafePointer<ck_panel_kernels>
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

  /// The fastest tier of this processor, with inputs as they are.
  public static let best: Kernels = KernelTier.allCases.reversed().lazy
    .compactMap { Kernels(tier: $0) }.first!

  /// The fastest tier of this processor, with inputs quantised, and rounded where an instruction
  /// makes that faster.
  public static let fastest: Kernels =
    Kernels(tier: .avx512BFloat16, roundsInputs: true, quantisesInputs: true)
    ?? Kernels(tier: best.tier, quantisesInputs: true) ?? best

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
      x.outputs, Int64(x.width), y.encoding.kernelEncoding, format.panelFormat, y.raw)
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
    let outputs = unsafe y.columns(range.lowerBound * PackedMatrix.panelRows..<y.width).outputs
    let (first, count) = (Int64(range.lowerBound), Int64(range.count))
    switch x.encoding {
    case .float32: unsafe panels.pointee.product_float32(&raw, first, count, &inputs, outputs)
    case .bfloat16: unsafe panels.pointee.product_bfloat16(&raw, first, count, &inputs, outputs)
    case .int8By32: unsafe panels.pointee.product_int8_32(&raw, first, count, &inputs, outputs)
    case .int8By256: unsafe panels.pointee.product_int8_256(&raw, first, count, &inputs, outputs)
    }
  }

  /// y[r, i] = sum over k of x[r, k] * matrix[outputs[i], k], with x as it is.
  public func linear(_ matrix: MatrixView, outputs: Range<Int>, _ x: Rows, into y: Rows) {
    checkLinear(matrix, outputs, x, y)
    var raw = unsafe matrix.raw
    unsafe table.pointee.linear(
      &raw, Int64(outputs.lowerBound), Int64(outputs.count), x.raw, y.raw)
  }

  /// The product with stored weights or latents: `linear`, with x rounded if wanted and they are in
  /// bfloat16.
  public func project(_ weights: MatrixView, outputs: Range<Int>, _ x: Rows, into y: Rows) {
    guard roundsInputs, weights.format == .bfloat16, weights.columns <= CK_ROUNDED_COLUMNS else {
      return linear(weights, outputs: outputs, x, into: y)
    }
    checkLinear(weights, outputs, x, y)
    var raw = unsafe weights.raw
    unsafe table.pointee.linear_rounded(
      &raw, Int64(outputs.lowerBound), Int64(outputs.count), x.raw, y.raw)
  }

  private func checkLinear(_ matrix: MatrixView, _ outputs: Range<Int>, _ x: Rows, _ y: Rows) {
    precondition(outputs.lowerBound >= 0 && outputs.upperBound <= matrix.rows, "outputs")
    precondition(x.width == matrix.columns, "input width")
    precondition(y.width == outputs.count && y.count == x.count, "output shape")
  }

  /// y[r, k] = sum over i of x[r, i] * matrix[inputs[i], k], for all columns k.
  public func linearTransposed(
    _ matrix: MatrixView, inputs: Range<Int>, _ x: Rows, into y: Rows
  ) {
    checkTransposed(matrix, inputs, x, y)
    var raw = unsafe matrix.raw
    unsafe table.pointee.linear_transposed(
      &raw, Int64(inputs.lowerBound), Int64(inputs.count), x.raw, y.raw, nil)
  }

  /// y[r, k] = carry[r] * y[r, k] + sum over i of x[r, i] * matrix[inputs[i], k]. `carry` is one
  /// row.
  public func linearTransposed(
    _ matrix: MatrixView, inputs: Range<Int>, _ x: Rows, carry: Rows, into y: Rows
  ) {
    checkTransposed(matrix, inputs, x, y)
    precondition(carry.count == 1 && carry.width >= x.count, "carry")
    var raw = unsafe matrix.raw
    unsafe table.pointee.linear_transposed(
      &raw, Int64(inputs.lowerBound), Int64(inputs.count), x.raw, y.raw, carry.pointer(row: 0))
  }

  private func checkTransposed(
    _ matrix: MatrixView, _ inputs: Range<Int>, _ x: Rows, _ y: Rows
  ) {
    precondition(inputs.lowerBound >= 0 && inputs.upperBound <= matrix.rows, "inputs")
    precondition(x.width == inputs.count, "input width")
    precondition(y.width == matrix.columns && y.count == x.count, "output shape")
  }

  /// One step of a running softmax over the columns of `scores`, which become weights.
  /// `state` has three rows (maximum, sum, carry), a column per row of `scores`; start it with
  /// -infinity, 0 and anything.
  public func softmaxStep(_ scores: Rows, scale: Float, state: Rows) {
    precondition(state.count == 3 && state.width >= scores.count, "softmax state")
    unsafe table.pointee.softmax_step(
      scores.raw, Int64(scores.width), scale, state.pointer(row: 0), state.pointer(row: 1),
      state.pointer(row: 2))
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

  /// One row as stored latents: float32 as it is, or rounded to bfloat16 (to nearest even).
  /// `bytes` holds exactly the encoded row.
  public static func encode(
    _ x: Rows, row: Int, as format: ElementFormat, into bytes: UnsafeMutableRawBufferPointer
  ) {
    precondition(bytes.count == format.byteCount(of: x.width), "encoded size")
    let source = unsafe x.pointer(row: row)
    switch format {
    case .float32:
      unsafe bytes.copyMemory(from: UnsafeRawBufferPointer(start: source, count: bytes.count))
    case .bfloat16:
      unsafe ck_encode_bfloat16(
        source, Int64(x.width), bytes.baseAddress!.assumingMemoryBound(to: UInt16.self))
    default:
      preconditionFailure("latents are stored as float32 or bfloat16")
    }
  }
}
