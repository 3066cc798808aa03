// Views of float32 activations and the arena that owns their memory.

import CKernels

/// `count` rows of `width` float32 activations, `stride` elements apart, in memory of a
/// `ScratchArena` (which must outlive the view). Copies of a view share the elements.
@safe
public struct Rows: @unchecked Sendable {
  // Unchecked: the tasks of one parallel operation write disjoint rows or columns, and operations
  // follow each other on the engine thread.
  let base: UnsafeMutablePointer<Float>
  /// How many rows there are.
  public let count: Int
  /// Elements per row.
  public let width: Int
  /// Elements from the start of one row to that of the next.
  public let stride: Int

  var raw: ck_rows { unsafe ck_rows(elements: base, count: Int64(count), stride: Int64(stride)) }

  init(base: UnsafeMutablePointer<Float>, count: Int, width: Int, stride: Int) {
    unsafe self.base = base
    self.count = count
    self.width = width
    self.stride = stride
  }

  /// Some of the rows.
  public func rows(_ range: Range<Int>) -> Rows {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "rows out of bounds")
    return unsafe Rows(
      base: base + range.lowerBound * stride, count: range.count, width: width, stride: stride)
  }

  /// Some of the columns of every row.
  public func columns(_ range: Range<Int>) -> Rows {
    precondition(range.lowerBound >= 0 && range.upperBound <= width, "columns out of bounds")
    return unsafe Rows(
      base: base + range.lowerBound, count: count, width: range.count, stride: stride)
  }

  /// Each row seen as `parts` rows of equal width, as the heads of a token are. The rows have no
  /// gaps between them.
  public func split(into parts: Int) -> Rows {
    precondition(parts > 0 && width.isMultiple(of: parts), "row does not split evenly")
    precondition(count <= 1 || stride == width, "gaps between rows")
    let part = width / parts
    return unsafe Rows(base: base, count: count * parts, width: part, stride: part)
  }

  /// One element; for tests and rare uses, since each access is checked.
  public subscript(row: Int, column: Int) -> Float {
    get { unsafe base[index(row, column)] }
    nonmutating set { unsafe base[index(row, column)] = newValue }
  }

  private func index(_ row: Int, _ column: Int) -> Int {
    precondition(row >= 0 && row < count, "row out of bounds")
    precondition(column >= 0 && column < width, "column out of bounds")
    return row * stride + column
  }

  /// Reads one row.
  public func withRow<Result>(_ row: Int, _ body: (Span<Float>) -> Result) -> Result {
    precondition(row >= 0 && row < count, "row out of bounds")
    return body(unsafe Span(_unsafeStart: base + row * stride, count: width))
  }

  /// Writes one row.
  public func withMutableRow(_ row: Int, _ body: (inout MutableSpan<Float>) -> Void) {
    precondition(row >= 0 && row < count, "row out of bounds")
    var span = unsafe MutableSpan(_unsafeStart: base + row * stride, count: width)
    body(&span)
  }

  /// The elements of a row, for the calls of this target's kernels.
  func pointer(row: Int) -> UnsafeMutablePointer<Float> {
    precondition(row >= 0 && row < count, "row out of bounds")
    return unsafe base + row * stride
  }

  /// Sets every element of every row.
  public func fill(_ value: Float) {
    for row in 0..<count {
      unsafe pointer(row: row).update(repeating: value, count: width)
    }
  }

  /// Copies rows of the same number and width.
  public func copy(from source: Rows) {
    precondition(source.count == count && source.width == width, "shapes differ")
    for row in 0..<count {
      unsafe pointer(row: row).update(from: source.pointer(row: row), count: width)
    }
  }
}

/// Memory for activations, taken once: every buffer of a forward pass comes from here, so that a
/// step allocates nothing.
@safe
public final class ScratchArena: @unchecked Sendable {
  // Unchecked: buffers are taken before the engine thread starts; afterwards only their elements
  // change.
  private var blocks: [UnsafeMutableRawPointer] = unsafe []
  /// What has been handed out so far, in bytes.
  public private(set) var byteCount = 0

  /// A cache line, and a whole AVX-512 register.
  private static let alignment = 64
  private let isAllocating: Bool

  /// - Parameter allocating: false to only add up what the buffers would take; they are empty then.
  public init(allocating: Bool = true) { isAllocating = allocating }

  deinit {
    while let block = unsafe blocks.popLast() { unsafe block.deallocate() }
  }

  /// A zeroed buffer of `count` rows of `width` float32.
  public func rows(_ count: Int, width: Int) -> Rows {
    precondition(count > 0 && width > 0, "empty buffer")
    let bytes = count * width * MemoryLayout<Float>.stride
    byteCount += bytes
    let taken = isAllocating ? count : 0
    let block = UnsafeMutableRawPointer.allocate(
      byteCount: isAllocating ? bytes : Self.alignment, alignment: Self.alignment)
    unsafe blocks.append(block)
    let elements = unsafe block.initializeMemory(
      as: Float.self, repeating: 0, count: taken * width)
    return unsafe Rows(base: elements, count: taken, width: width, stride: width)
  }
}
