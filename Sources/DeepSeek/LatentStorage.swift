// Bytes and pages of the latent cache. Which page belongs to whom is the allocator's business.

import Compute

/// Number of one page of the latent pool.
public struct PageIndex: Hashable, Sendable {
  /// From 0 to the number of pages less 1.
  public let rawValue: Int

  /// The page of that number.
  public init(_ rawValue: Int) { self.rawValue = rawValue }
}

/// What one token leaves behind: per layer (MTP layers included) the normed latent followed by the
/// rotated rope key, `latentRank + ropeWidth` elements (DeepSeek-V2 paper, section 2.1.2). A page
/// keeps one hidden state besides.
public struct LatentShape: Equatable, Sendable {
  /// Main layers followed by MTP modules.
  public let layerCount: Int
  /// Elements of the latent, and of the rope key behind it.
  public let latentRank: Int
  public let ropeWidth: Int
  /// float32 or bfloat16.
  public let format: ElementFormat
  /// Elements of the hidden state that each page keeps for the MTP modules; 0 where there are none.
  public let hiddenWidth: Int

  /// The shape of a model with these dimensions.
  public init(
    layerCount: Int, latentRank: Int, ropeWidth: Int, format: ElementFormat, hiddenWidth: Int = 0
  ) {
    self.layerCount = layerCount
    self.latentRank = latentRank
    self.ropeWidth = ropeWidth
    self.format = format
    self.hiddenWidth = hiddenWidth
  }

  /// What the tokens of a model leave behind.
  public init(_ configuration: ModelConfiguration, format: ElementFormat) {
    self.init(
      layerCount: configuration.layerCount + configuration.mtpLayerCount,
      latentRank: configuration.latentRank, ropeWidth: configuration.ropeWidth, format: format,
      hiddenWidth: configuration.mtpLayerCount > 0 ? configuration.hiddenSize : 0)
  }

  /// Elements per token and layer.
  public var width: Int { latentRank + ropeWidth }
  public var bytesPerToken: Int { layerCount * format.byteCount(of: width) }
  /// The latents of one layer in a page.
  var layerBytes: Int { format.byteCount(of: LatentStorage.tokensPerPage * width) }
  public var bytesPerPage: Int {
    layerCount * layerBytes + hiddenWidth * MemoryLayout<Float>.stride
  }
}

/// One allocation of `pageCount` pages; a page holds the latents of 64 consecutive positions of one
/// sequence, layer after layer: [layers, 64, width]; then the float32 hidden state of the position
/// that was computed last in this page, [hidden].
@safe
public final class LatentStorage: @unchecked Sendable {
  // Unchecked: the engine thread writes rows before the pool's threads read them in the same step.
  /// Positions per page.
  public static let tokensPerPage = 64

  /// What each token leaves behind.
  public let shape: LatentShape
  /// Pages of the one allocation.
  public let pageCount: Int
  private let bytes: UnsafeMutableRawPointer

  /// The system hands out the memory page by page as it is first written.
  public init(shape: LatentShape, pageCount: Int) {
    precondition(pageCount > 0, "an empty pool serves nobody")
    precondition(shape.format == .float32 || shape.format == .bfloat16, "latent format")
    self.shape = shape
    self.pageCount = pageCount
    unsafe bytes = .allocate(byteCount: shape.bytesPerPage * pageCount, alignment: 64)
  }

  deinit { unsafe bytes.deallocate() }

  private func layerBytes(_ page: PageIndex, layer: Int) -> UnsafeMutableRawPointer {
    precondition(page.rawValue >= 0 && page.rawValue < pageCount, "page out of bounds")
    precondition(layer >= 0 && layer < shape.layerCount, "layer out of bounds")
    return unsafe bytes + page.rawValue * shape.bytesPerPage + layer * shape.layerBytes
  }

  private func hiddenBytes(_ page: PageIndex) -> UnsafeMutableRawBufferPointer {
    precondition(page.rawValue >= 0 && page.rawValue < pageCount, "page out of bounds")
    let start = unsafe bytes + page.rawValue * shape.bytesPerPage
    return unsafe UnsafeMutableRawBufferPointer(
      start: start + shape.layerCount * shape.layerBytes,
      count: shape.hiddenWidth * MemoryLayout<Float>.stride)
  }

  /// Keeps the hidden state of a position of the page.
  func writeHidden(_ row: Rows, row index: Int, page: PageIndex) {
    unsafe Elementwise.encode(row, row: index, as: .float32, into: hiddenBytes(page))
  }

  /// Reads the hidden state that the page keeps.
  func readHidden(_ page: PageIndex, into row: Rows, row index: Int) {
    precondition(row.width == shape.hiddenWidth, "width")
    row.withMutableRow(index) { span in
      let kept = unsafe UnsafeRawBufferPointer(hiddenBytes(page))
      for column in span.indices {
        span[column] = unsafe kept.load(
          fromByteOffset: column * MemoryLayout<Float>.stride, as: Float.self)
      }
    }
  }

  /// Copies the first `slots` rows of every layer from one page to another.
  func copy(slots: Int, from source: PageIndex, to target: PageIndex) {
    precondition(slots >= 0 && slots <= Self.tokensPerPage, "slots out of bounds")
    let size = shape.format.byteCount(of: slots * shape.width)
    for layer in 0..<shape.layerCount {
      unsafe layerBytes(target, layer: layer).copyMemory(
        from: layerBytes(source, layer: layer), byteCount: size)
    }
  }

  /// Stores the latent row of the token in slot `slot` (0 to 63) of a page.
  func write(_ row: Rows, row index: Int, page: PageIndex, slot: Int, layer: Int) {
    precondition(slot >= 0 && slot < Self.tokensPerPage, "slot out of bounds")
    let size = shape.format.byteCount(of: shape.width)
    let target = unsafe UnsafeMutableRawBufferPointer(
      start: layerBytes(page, layer: layer) + slot * size, count: size)
    unsafe Elementwise.encode(row, row: index, as: shape.format, into: target)
  }

  /// The first `columns` elements of each of the 64 rows of a page: all of them are the keys, the
  /// first `latentRank` the values. Slots not yet written hold anything.
  func matrix(_ page: PageIndex, layer: Int, columns: Int) -> MatrixView {
    return unsafe MatrixView(
      format: shape.format, rows: Self.tokensPerPage, columns: columns, rowStride: shape.width,
      bytes: UnsafeRawBufferPointer(
        start: layerBytes(page, layer: layer), count: shape.layerBytes))
  }
}
