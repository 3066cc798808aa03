// Where the rows of a tensor to be written come from: rows of the checkpoint's matrices, stacked,
// picked or transposed, as the layout of GGUF files wants them.

import Compute

/// Part of each head's rows in a matrix that holds heads one after another.
public struct HeadPart: Sendable {
  /// Rows of one head in the matrix.
  public let rowsPerHead: Int
  /// Those that are taken, counted from the head's first.
  public let rows: Range<Int>

  /// `rows` lie within a head.
  public init(rows: Range<Int>, of rowsPerHead: Int) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowsPerHead && !rows.isEmpty, "rows")
    self.rows = rows
    self.rowsPerHead = rowsPerHead
  }
}

/// The rows of one tensor, made as float32 in units of one or more.
public struct RowSource: Sendable {
  private enum Layout {
    case stacked
    case headRows(HeadPart)
    case headsTransposed(HeadPart)
  }

  private let matrices: [StoredMatrix]
  private let layout: Layout

  private init(_ matrices: [StoredMatrix], _ layout: Layout) {
    self.matrices = matrices
    self.layout = layout
  }

  /// Matrices of one shape [rows, columns], one behind the other: [matrices * rows, columns].
  public static func stacked(_ matrices: [StoredMatrix]) -> RowSource {
    precondition(!matrices.isEmpty, "no matrices")
    let (rows, columns) = (matrices[0].rows, matrices[0].columns)
    precondition(matrices.allSatisfy { $0.rows == rows && $0.columns == columns }, "shapes differ")
    return RowSource(matrices, .stacked)
  }

  /// The same part of every head of `matrix`: [heads * part, columns].
  public static func headRows(_ matrix: StoredMatrix, _ part: HeadPart) -> RowSource {
    precondition(matrix.rows.isMultiple(of: part.rowsPerHead), "heads")
    return RowSource([matrix], .headRows(part))
  }

  /// The same part of every head of `matrix`, transposed by itself: [heads * columns, part].
  public static func headsTransposed(_ matrix: StoredMatrix, _ part: HeadPart) -> RowSource {
    precondition(matrix.rows.isMultiple(of: part.rowsPerHead), "heads")
    return RowSource([matrix], .headsTransposed(part))
  }

  private var columns: Int { matrices[0].columns }

  /// Elements per row.
  var width: Int {
    if case .headsTransposed(let part) = layout { part.rows.count } else { columns }
  }

  /// Rows that are made together.
  var rowsPerUnit: Int {
    if case .headsTransposed = layout { columns } else { 1 }
  }

  var unitCount: Int {
    switch layout {
    case .stacked: matrices.count * matrices[0].rows
    case .headRows(let part): matrices[0].rows / part.rowsPerHead * part.rows.count
    case .headsTransposed(let part): matrices[0].rows / part.rowsPerHead
    }
  }

  var rowCount: Int { unitCount * rowsPerUnit }

  /// Rows of scratch, `columns` wide, that making a unit needs.
  private var scratchRows: Int {
    if case .headsTransposed(let part) = layout { part.rows.count } else { 1 }
  }

  /// Memory for making units on one thread.
  func makeScratch(_ arena: ScratchArena) -> (rows: Rows, scratch: Rows) {
    (arena.rows(rowsPerUnit, width: width), arena.rows(scratchRows, width: columns))
  }

  /// Makes the rows of one unit.
  /// - Parameters:
  ///   - rows, scratch: as `makeScratch` gave them.
  func make(unit: Int, into rows: Rows, scratch: Rows) {
    precondition(unit >= 0 && unit < unitCount, "unit")
    switch layout {
    case .stacked:
      let (matrix, row) = unit.quotientAndRemainder(dividingBy: matrices[0].rows)
      matrices[matrix].decode(row: row, into: rows, row: 0)
    case .headRows(let part):
      let (head, row) = unit.quotientAndRemainder(dividingBy: part.rows.count)
      let source = head * part.rowsPerHead + part.rows.lowerBound + row
      matrices[0].decode(row: source, into: rows, row: 0)
    case .headsTransposed(let part):
      let first = unit * part.rowsPerHead + part.rows.lowerBound
      for row in 0..<part.rows.count {
        matrices[0].decode(row: first + row, into: scratch, row: row)
      }
      transpose(scratch, into: rows)
    }
  }

  private func transpose(_ x: Rows, into y: Rows) {
    for row in 0..<y.count {
      y.withMutableRow(row) { span in
        for column in span.indices { span[column] = x[column, row] }
      }
    }
  }
}
