// What a checkpoint hands out: tensors as they are stored, checked but not converted.

import Compute
import Platform

/// One tensor of a checkpoint.
public struct StoredTensor: Sendable {
  public let name: String
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
  @unsafe public var view: TensorView? {
    guard let format else { return nil }
    return unsafe TensorView(
      format: format, shape: shape, bytes: UnsafeRawBufferPointer(rebasing: mapping.bytes[range]))
  }
}

/// A weight matrix [rows, columns] (y = W x), 8-bit ones with their scales.
@unsafe public struct MatrixWeights: Sendable {
  /// [rows, columns]
  public let values: TensorView
  /// Present exactly when `values` is 8-bit.
  public let scales: BlockScales?

  public var rows: Int { unsafe values.shape[0] }
  public var columns: Int { unsafe values.shape[1] }
}

/// Factors of the blocks of an 8-bit matrix: W[i, j] = value[i, j] * scale[i / rows, j / columns].
/// Blocks at the lower and right edge are cut.
@unsafe public struct BlockScales: Sendable {
  /// F32 [ceil(matrix rows / blockRows), ceil(matrix columns / blockColumns)], all finite.
  public let values: TensorView
  public let blockRows: Int
  public let blockColumns: Int
}
