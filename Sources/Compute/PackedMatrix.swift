// Weights as the products read them: panels of 16 rows, so that a vector lane is an output row.

import CKernels

/// A matrix in panels. Where it lies, how large it is and what it holds are settled one after the
/// other: a plan adds up sizes, memory is taken once, and then panels are filled, by any thread.
@safe
public struct PackedMatrix: @unchecked Sendable {
  // Unchecked: panels are written before the engine starts, each by one thread, and only read
  // afterwards.
  let raw: ck_panels
  /// How the weights are encoded; quantised ones are never expanded.
  public let format: ElementFormat
  /// The panels to be filled; nil for a plan, and where they lie in a file.
  private let memory: UnsafeMutablePointer<UInt8>?

  /// Rows of a panel: output rows, one per vector lane.
  public static let panelRows = Int(CK_PANEL_ROWS)
  /// Panels begin at cache lines.
  public static let alignment = 64

  /// Outputs of a product y = W x.
  public var rows: Int { unsafe Int(raw.rows) }
  /// Inputs of a product y = W x.
  public var columns: Int { unsafe Int(raw.columns) }
  /// Panels, the last of which may hold fewer rows.
  public var panelCount: Int { (rows + Self.panelRows - 1) / Self.panelRows }
  /// Bytes of one panel.
  public var panelBytes: Int { unsafe Int(raw.panel_bytes) }
  /// Bytes of all panels.
  public var byteCount: Int { panelCount * panelBytes }
  /// Multiply-adds of a product with one row.
  public var multiplyAdds: Int { rows * columns }

  /// The place of a stored matrix's panels, to be filled.
  /// - Parameters:
  ///   - offset: into `memory`, a multiple of `alignment`.
  ///   - memory: nil for a plan.
  public init(_ source: StoredMatrix, at offset: Int, of memory: LargeMemory?) {
    self.init(
      format: source.format, rows: source.rows, columns: source.columns,
      scaleColumns: source.scaleColumns, at: offset, of: memory)
  }

  /// The same for its columns as rows, in bfloat16 if the elements are that already, else float32.
  /// - Parameter isRounded: whether quantised elements become bfloat16, too.
  public init(
    transposed source: StoredMatrix, isRounded: Bool, at offset: Int, of memory: LargeMemory?
  ) {
    let isBrief = source.format == .bfloat16 || (isRounded && source.format.blockLength > 1)
    self.init(
      format: isBrief ? .bfloat16 : .float32, rows: source.columns,
      columns: source.rows, scaleColumns: 0, at: offset, of: memory)
  }

  private init(
    format: ElementFormat, rows: Int, columns: Int, scaleColumns: Int, at offset: Int,
    of memory: LargeMemory?
  ) {
    precondition(rows > 0 && columns > 0, "empty matrix")
    precondition(columns.isMultiple(of: format.blockLength), "rows cut a block")
    let size = Int(ck_panel_bytes(format.panelFormat, Int64(columns), Int64(scaleColumns)))
    let panels = (rows + Self.panelRows - 1) / Self.panelRows
    let bytes = unsafe memory?.start(of: offset..<offset + panels * size)
    self.format = format
    unsafe self.memory =
      unsafe memory?.writableBytes == nil
      ? nil : UnsafeMutablePointer(mutating: bytes)
    unsafe raw = ck_panels(
      bytes: bytes, rows: Int64(rows), columns: Int64(columns), panel_bytes: Int64(size),
      scale_columns: Int64(scaleColumns), format: format.panelFormat)
  }

  /// Fills panel `panel` from rows of the same shape and format.
  public func pack(panel: Int, from source: StoredMatrix) {
    precondition(source.format == format, "format")
    precondition(source.rows == rows && source.columns == columns, "shape")
    let rows = rowRange(panel)
    unsafe ck_pack_panel(format.panelFormat, source.raw(rows), target(panel))
  }

  /// Fills panel `panel` with columns of the source as rows. The format is float32 or bfloat16.
  public func pack(panel: Int, fromTransposed source: StoredMatrix) {
    precondition(source.rows == columns && source.columns == rows, "shape")
    let range = rowRange(panel)
    let arena = ScratchArena()
    let row = arena.rows(1, width: source.columns)
    let block = arena.rows(range.count, width: columns)
    for column in 0..<columns {
      source.decode(row: column, into: row, row: 0)
      for index in range { block[index - range.lowerBound, column] = row[0, index] }
    }
    let size = format.byteCount(of: columns)
    unsafe withUnsafeTemporaryAllocation(byteCount: size * range.count, alignment: 4) { bytes in
      let start = unsafe bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
      for index in 0..<range.count {
        unsafe ck_store_row(
          format.panelFormat, block.pointer(row: index), Int64(columns), start + index * size)
      }
      let rows = unsafe ck_stored_rows(
        bytes: start, row_bytes: Int64(size), rows: Int64(range.count), columns: Int64(columns),
        scales: nil, scale_stride: 0, scale_rows: 1, scale_skip: 0, scale_columns: 0)
      unsafe ck_pack_panel(format.panelFormat, rows, target(panel))
    }
  }

  private func rowRange(_ panel: Int) -> Range<Int> {
    precondition(panel >= 0 && panel < panelCount, "panel out of bounds")
    return panel * Self.panelRows..<min((panel + 1) * Self.panelRows, rows)
  }

  private func target(_ panel: Int) -> UnsafeMutablePointer<UInt8> {
    guard let memory = unsafe memory else { preconditionFailure("no memory to be filled") }
    return unsafe memory + panel * panelBytes
  }
}
