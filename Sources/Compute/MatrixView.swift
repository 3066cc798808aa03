// What the matrix kernels read: weights in a checkpoint or latents in a page.

import CKernels

/// Multipliers of a blockwise quantised matrix, one float32 per block of rows x columns; the blocks
/// at the lower and right edges may be smaller.
public struct BlockScales: Sendable {
  /// float32 [ceil(rows / blockRows), ceil(columns / blockColumns)].
  public let values: TensorView
  public let blockRows: Int
  public let blockColumns: Int

  /// The width of the kernels' lanes: a block's columns are a multiple of it.
  public static let columnGranule = 16

  /// - Parameter blockColumns: a multiple of `columnGranule`.
  public init(values: TensorView, blockRows: Int, blockColumns: Int) {
    precondition(values.format == .float32 && values.shape.count == 2, "scales are a matrix")
    precondition(blockRows > 0 && blockColumns > 0, "empty blocks")
    precondition(blockColumns.isMultiple(of: Self.columnGranule), "blocks cut a vector")
    self.values = values
    self.blockRows = blockRows
    self.blockColumns = blockColumns
  }
}

/// A row-major matrix of `rows` x `columns` in any element format. Safe to pass around because its
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
  ///   - scales: exactly for float8.
  public init(
    format: ElementFormat, rows: Int, columns: Int, rowStride: Int, bytes: UnsafeRawBufferPointer,
    scales: BlockScales? = nil
  ) {
    precondition(rows > 0 && columns > 0 && rowStride >= columns, "empty or overlapping rows")
    precondition(
      bytes.count >= format.byteCount(of: (rows - 1) * rowStride + columns), "matrix out of bounds")
    precondition((format == .float8E4M3) == (scales != nil), "scales go with float8")
    if let scales {
      let needed = [
        (rows + scales.blockRows - 1) / scales.blockRows,
        (columns + scales.blockColumns - 1) / scales.blockColumns,
      ]
      precondition(scales.values.shape == needed, "wrong number of scales")
    }
    self.format = format
    unsafe raw = ck_matrix(
      elements: bytes.baseAddress, scales: scales?.values.bytes.baseAddress, rows: Int64(rows),
      columns: Int64(columns), row_stride: Int64(rowStride),
      scale_stride: Int64(scales?.values.shape[1] ?? 0),
      block_rows: Int32(clamping: scales?.blockRows ?? 0),
      block_columns: Int32(clamping: scales?.blockColumns ?? 0), format: Self.kernelFormat(format))
  }

  /// A whole stored tensor of two dimensions.
  public init(_ tensor: TensorView, scales: BlockScales? = nil) {
    precondition(tensor.shape.count == 2, "a matrix has two dimensions")
    unsafe self.init(
      format: tensor.format, rows: tensor.shape[0], columns: tensor.shape[1],
      rowStride: tensor.shape[1], bytes: tensor.bytes, scales: scales)
  }

  private static func kernelFormat(_ format: ElementFormat) -> ck_format {
    switch format {
    case .float32: CK_FLOAT32
    case .float16: CK_FLOAT16
    case .bfloat16: CK_BFLOAT16
    case .float8E4M3: CK_FLOAT8_E4M3
    default: preconditionFailure("blocks of \(format.rawValue) are multiplied in panels only")
    }
  }
}
