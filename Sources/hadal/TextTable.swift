// Tables for people.

/// Columns as wide as their widest cell; the first and the last one are flush left, the others,
/// which hold numbers, flush right.
struct TextTable {
  private var rows: [[String]]

  init(_ header: [String]) { rows = [header] }

  var isEmpty: Bool { rows.count == 1 }

  /// - Parameter row: one cell for each column.
  mutating func add(_ row: [String]) {
    precondition(row.count == rows[0].count, "a cell for each column")
    rows.append(row)
  }

  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      row.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        if column == row.count - 1 { return cell }
        return column == 0 ? cell + padding : padding + cell
      }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
