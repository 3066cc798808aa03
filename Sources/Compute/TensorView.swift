// A tensor where it is stored: format, shape and place, nothing copied.

/// A row-major tensor in memory that somebody else owns and never changes. The owner must outlive
/// every view; a checkpoint keeps its mappings alive for as long as the model that uses them.
@safe
public struct TensorView: @unchecked Sendable {
  // Unchecked: the bytes are read-only for the lifetime of the view, so no thread can race.
  /// How each element is encoded.
  public let format: ElementFormat
  /// Elements per dimension, rows first.
  public let shape: [Int]
  /// Exactly the elements; may be unaligned for the format.
  public let bytes: UnsafeRawBufferPointer

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// - Parameter bytes: exactly as many as format and shape say.
  public init(format: ElementFormat, shape: [Int], bytes: UnsafeRawBufferPointer) {
    precondition(
      bytes.count == format.byteCount(of: shape.reduce(1, *)), "bytes do not match format and shape"
    )
    self.format = format
    self.shape = shape
    unsafe self.bytes = bytes
  }
}
