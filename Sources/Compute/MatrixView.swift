// What the kernels of attention read: latents in a page.

import CKernels

/// A row-major matrix of `rows` x `columns` float32 or bfloat16. Safe to pass around because its
/// extent is checked when it is made; whoever made it keeps the memory alive.
@safe
public struct MatrixView: @unchecked Sendable {
  // Unchecked: kernels only read through it. Latent pages are written by the engine thread before
  // the pool's threads read them.
  let raw: ck_matrix
  /// How the elements are encoded.
  public let format: ElementFormat

  /// Outputs of a product y = W x.
  public var rows: Int { unsafe Int(raw.rows) }
  /// Inputs of a product y = W x.
  public var columns: Int { unsafe Int(raw.columns) }

  /// - Parameters:
  ///   - bytes: at least `(rows - 1) * rowStride + columns` elements.
  ///   - rowStride: elements from one row to the next.
  public init(
    format: ElementFormat, rows: Int, columns: Int, rowStride: Int, bytes: UnsafeRawBufferPointer
  ) {
    precondition(rows > 0 && columns > 0 && rowStride >= columns, "empty or overlapping rows")
    precondition(
      bytes.count >= format.byteCount(of: (rows - 1) * rowStride + columns), "matrix out of bounds")
    precondition(format == .float32 || format == .bfloat16, "latents are float32 or bfloat16")
    self.format = format
    unsafe raw = ck_matrix(
      elements: bytes.baseAddress, scales: nil, rows: Int64(rows), columns: Int64(columns),
      row_stride: Int64(rowStride), scale_stride: 0, block_rows: 0, block_columns: 0,
      format: format == .float32 ? CK_FLOAT32 : CK_BFLOAT16)
  }
}
