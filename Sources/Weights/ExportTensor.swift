// One tensor to be written, and how it is encoded on several threads.

import Compute
import Synchronization

/// A tensor of a file to be written.
public struct ExportTensor: Sendable {
  /// As the file names it.
  public let name: String
  /// Rows first; the last dimension is the width of a row.
  public let shape: [Int]
  public let format: ElementFormat
  let source: RowSource

  /// - Parameter shape: as many rows as the source has, of its width.
  public init(name: String, shape: [Int], format: ElementFormat, source: RowSource) {
    precondition(shape.last == source.width, "width of \(name)")
    precondition(shape.dropLast().reduce(1, *) == source.rowCount, "rows of \(name)")
    precondition(source.width.isMultiple(of: format.blockLength), "\(name) cuts a block")
    self.name = name
    self.shape = shape
    self.format = format
    self.source = source
  }

  /// Size in the file, without padding.
  public var byteCount: Int { source.rowCount * format.byteCount(of: source.width) }

  var bytesPerUnit: Int { source.rowsPerUnit * format.byteCount(of: source.width) }
}

/// Encodes neighbouring units of a tensor into a buffer, each task a part of them.
struct EncodingWork: ParallelWork {
  private let tensor: ExportTensor
  private let units: Range<Int>
  private let output: EncodingBuffer
  private let scratch: [(rows: Rows, scratch: Rows)]
  private let failure: FirstFailure

  /// - Parameters:
  ///   - output: room for all the units.
  ///   - scratch: of the tensor's source, one for each task.
  init(
    _ tensor: ExportTensor, units: Range<Int>, output: EncodingBuffer,
    scratch: [(rows: Rows, scratch: Rows)], failure: FirstFailure
  ) {
    precondition(units.count * tensor.bytesPerUnit <= output.count, "buffer")
    self.tensor = tensor
    self.units = units
    self.output = output
    self.scratch = scratch
    self.failure = failure
  }

  func perform(task: Int) {
    let part = Backend.share(of: units.count, task: task, of: scratch.count, granule: 1)
    let rowBytes = tensor.bytesPerUnit / tensor.source.rowsPerUnit
    for unit in part {
      let (rows, scratch) = scratch[task]
      tensor.source.make(unit: units.lowerBound + unit, into: rows, scratch: scratch)
      for row in 0..<rows.count {
        let start = unit * tensor.bytesPerUnit + row * rowBytes
        do throws(EncodingFailure) {
          try output.encode(rows, row: row, as: tensor.format, at: start..<start + rowBytes)
        } catch {
          return failure.note(error, row: (units.lowerBound + unit) * rows.count + row)
        }
      }
    }
  }
}

/// Bytes that tasks fill at places of their own.
@safe
final class EncodingBuffer: @unchecked Sendable {
  // Unchecked: tasks write disjoint ranges, and the writer reads after they have ended.
  private let bytes: UnsafeMutableRawBufferPointer

  init(count: Int) {
    unsafe bytes = .allocate(byteCount: max(count, 1), alignment: 64)
    unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit { unsafe bytes.deallocate() }

  var count: Int { unsafe bytes.count }

  func encode(
    _ x: Rows, row: Int, as format: ElementFormat, at range: Range<Int>
  ) throws(EncodingFailure) {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "out of bounds")
    try unsafe Quantiser.encode(
      x, row: row, as: format, into: UnsafeMutableRawBufferPointer(rebasing: bytes[range]))
  }

  /// The first bytes.
  func withPrefix<Failure: Error>(
    _ length: Int, _ body: (RawSpan) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(length <= count, "out of bounds")
    let prefix = unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(rebasing: bytes[..<length]))
    try body(prefix)
  }
}

/// What the tasks of an operation could not encode: of several rows the first one.
final class FirstFailure: Sendable {
  private let state = Mutex<(row: Int, failure: EncodingFailure)?>(nil)

  var value: (row: Int, failure: EncodingFailure)? { state.withLock { $0 } }

  func note(_ failure: EncodingFailure, row: Int) {
    state.withLock { state in
      if state.map({ row < $0.row }) ?? true { state = (row, failure) }
    }
  }
}
