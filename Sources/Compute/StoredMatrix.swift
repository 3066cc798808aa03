// A matrix as a file stores it: the source of panels, and of single rows.

import CKernels
import Platform

/// Multipliers of a blockwise quantised matrix, one float32 per block of rows x columns; the blocks
/// at the lower and right edges may be smaller.
public struct BlockScales: Sendable {
  /// float32 [ceil(rows / blockRows), ceil(columns / blockColumns)].
  public let values: TensorView
  public let blockRows: Int
  public let blockColumns: Int

  /// A block's columns are a multiple of it.
  public static let columnGranule = 4

  /// - Parameter blockColumns: a multiple of `columnGranule`.
  public init(values: TensorView, blockRows: Int, blockColumns: Int) {
    precondition(values.format == .float32 && values.shape.count == 2, "scales are a matrix")
    precondition(blockRows > 0 && blockColumns > 0, "empty blocks")
    precondition(blockColumns.isMultiple(of: Self.columnGranule), "blocks cut a group")
    self.values = values
    self.blockRows = blockRows
    self.blockColumns = blockColumns
  }
}

/// `rows` x `columns` elements of a checkpoint, row by row, in any format. Safe to pass around
/// because its extent is checked when it is made; whoever made it keeps the memory alive.
@safe
public struct StoredMatrix: @unchecked Sendable {
  // Unchecked: the bytes are read-only for the lifetime of the view.
  /// How the elements are encoded.
  public let format: ElementFormat
  /// Outputs of a product y = W x.
  public let rows: Int
  /// Inputs of a product y = W x; whole blocks of the format.
  public let columns: Int
  private let bytes: UnsafeRawBufferPointer
  private let scales: BlockScales?
  /// Rows of the tensor before the first one here.
  private let firstRow: Int

  /// A whole stored tensor of two dimensions.
  /// - Parameter scales: exactly for float8.
  public init(_ tensor: TensorView, scales: BlockScales? = nil) {
    precondition(tensor.shape.count == 2, "a matrix has two dimensions")
    let (rows, columns) = (tensor.shape[0], tensor.shape[1])
    precondition(rows > 0 && columns > 0, "empty matrix")
    precondition(columns.isMultiple(of: tensor.format.blockLength), "rows cut a block")
    precondition((tensor.format == .float8E4M3) == (scales != nil), "scales go with float8")
    if let scales {
      let needed = [
        (rows + scales.blockRows - 1) / scales.blockRows,
        (columns + scales.blockColumns - 1) / scales.blockColumns,
      ]
      precondition(scales.values.shape == needed, "wrong number of scales")
    }
    unsafe self.init(
      format: tensor.format, rows: rows, columns: columns, bytes: tensor.bytes, scales: scales,
      firstRow: 0)
  }

  private init(
    format: ElementFormat, rows: Int, columns: Int, bytes: UnsafeRawBufferPointer,
    scales: BlockScales?, firstRow: Int
  ) {
    self.format = format
    self.rows = rows
    self.columns = columns
    unsafe self.bytes = bytes
    self.scales = scales
    self.firstRow = firstRow
  }

  /// Columns that share a factor of a float8 matrix; 0 for other formats.
  var scaleColumns: Int { scales?.blockColumns ?? 0 }

  /// Bytes as stored, without factors.
  public var byteCount: Int { rows * format.byteCount(of: columns) }

  /// Lets go of what is resident of the file that it is mapped from.
  public func release() { unsafe MappedFile.release(bytes) }

  /// Some of the rows.
  public func rows(_ range: Range<Int>) -> StoredMatrix {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows out of bounds")
    precondition(!range.isEmpty, "empty matrix")
    let size = format.byteCount(of: columns)
    return unsafe StoredMatrix(
      format: format, rows: range.count, columns: columns,
      bytes: UnsafeRawBufferPointer(
        rebasing: bytes[range.lowerBound * size..<range.upperBound * size]),
      scales: scales, firstRow: firstRow + range.lowerBound)
  }

  /// Row `row` as float32 into row `target` of `y`.
  public func decode(row: Int, into y: Rows, row target: Int) {
    precondition(row >= 0 && row < rows && y.width == columns, "shape")
    var source = unsafe raw(row..<row + 1)
    unsafe ck_decode_stored(format.panelFormat, &source, 0, y.pointer(row: target))
  }

  /// The first row as float32.
  func decodeFirst(into elements: UnsafeMutableBufferPointer<Float>) {
    precondition(elements.count == columns, "shape")
    var source = unsafe raw(0..<1)
    unsafe ck_decode_stored(format.panelFormat, &source, 0, elements.baseAddress)
  }

  /// Up to 16 rows as the kernels take them.
  func raw(_ range: Range<Int>) -> ck_stored_rows {
    let size = format.byteCount(of: columns)
    let first = firstRow + range.lowerBound
    let stride = scales?.values.shape[1] ?? 0
    let blockRows = scales?.blockRows ?? 1
    let factors = unsafe scales?.values.bytes.baseAddress?
      .advanced(by: first / blockRows * stride * MemoryLayout<Float>.stride)
    return unsafe ck_stored_rows(
      bytes: bytes.baseAddress?.advanced(by: range.lowerBound * size)
        .assumingMemoryBound(to: UInt8.self),
      row_bytes: Int64(size), rows: Int64(range.count), columns: Int64(columns),
      scales: factors?.assumingMemoryBound(to: Float.self), scale_stride: Int64(stride),
      scale_rows: Int64(blockRows), scale_skip: Int64(first % blockRows),
      scale_columns: Int64(scaleColumns))
  }
}
