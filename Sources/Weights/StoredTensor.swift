// What a checkpoint hands out: tensors as they are stored, checked but not converted.

import Compute
import Platform

/// One tensor of a checkpoint.
public struct StoredTensor: Sendable {
  /// As the published layout names it.
  public let name: String
  /// As its file names it: what messages say. One of a stack has its number behind the name.
  public let storedName: String
  /// The file it lies in, as a name inside the checkpoint's directory.
  public let file: String
  /// The element format's name in the file, also of formats no kernel reads.
  public let formatName: String
  /// Rows first.
  public let shape: [Int]
  let mapping: MappedFile
  let range: Range<Int>

  /// Size as stored.
  public var byteCount: Int { range.count }

  /// The element format; nil when no kernel reads it.
  public var format: ElementFormat? { ElementFormat(rawValue: formatName) }

  /// The elements; nil when no kernel reads their format. Valid while the checkpoint lives.
  public var view: TensorView? {
    guard let format else { return nil }
    return unsafe TensorView(
      format: format, shape: shape, bytes: UnsafeRawBufferPointer(rebasing: mapping.bytes[range]))
  }
}
