// Bytes and pages of the latent cache. Which page belongs to whom is the allocator's business.

import Compute
import Weights

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
  /// How they are stored.
  public let format: LatentFormat
  /// Elements of the hidden state that each page keeps for the MTP modules; 0 where there are none.
  public let hiddenWidth: Int

  /// The shape of a model with these dimensions.
  public init(
    layerCount: Int, latentRank: Int, ropeWidth: Int, format: LatentFormat, hiddenWidth: Int = 0
  ) {
    self.layerCount = layerCount
    self.latentRank = latentRank
    self.ropeWidth = ropeWidth
    self.format = format
    self.hiddenWidth = hiddenWidth
  }

  /// What the tokens of a model leave behind.
  public init(_ configuration: ModelConfiguration, format: LatentFormat) {
    self.init(
      layerCount: configuration.layerCount + configuration.mtpLayerCount,
      latentRank: configuration.latentRank, ropeWidth: configuration.ropeWidth, format: format,
      hiddenWidth: configuration.mtpLayerCount > 0 ? configuration.hiddenSize : 0)
  }

  /// One layer's part of a page.
  var layout: LatentPageLayout {
    LatentPageLayout(rank: latentRank, rope: ropeWidth, format: format)
  }
  /// Bytes per token of all layers.
  public var bytesPerToken: Int { layerCount * layout.byteCount / LatentStorage.tokensPerPage }
  /// Bytes of a page, hidden state included, in whole cache lines.
  public var bytesPerPage: Int {
    let bytes = layerCount * layout.byteCount + hiddenWidth * MemoryLayout<Float>.stride
    return (bytes + 63) / 64 * 64
  }
}

/// One allocation of `pageCount` pages; a page holds the latents of 64 consecutive positions of one
/// sequence, layer after layer; then the float32 hidden state of the position that was computed
/// last in this page, [hidden].
@safe
public final class LatentStorage: @unchecked Sendable {
  // Unchecked: the engine thread writes rows before the pool's threads read them in the same step.
  /// Positions per page.
  public static let tokensPerPage = LatentPageLayout.slotCount

  /// What each token leaves behind.
  public let shape: LatentShape
  /// Pages of the one allocation.
  public let pageCount: Int
  private let memory: LargeMemory
  private let bytes: UnsafeMutableRawPointer
  private let layout: LatentPageLayout
  private let bytesPerPage: Int

  /// The system hands out the memory piece by piece as it is first written.
  /// - Throws: `DeepSeekError` when it does not give it.
  public init(shape: LatentShape, pageCount: Int) throws(DeepSeekError) {
    precondition(pageCount > 0, "an empty pool serves nobody")
    self.shape = shape
    self.pageCount = pageCount
    layout = shape.layout
    bytesPerPage = shape.bytesPerPage
    do { memory = try LargeMemory(byteCount: bytesPerPage * pageCount) } catch {
      throw .weights(.platform(error))
    }
    unsafe bytes = memory.writableBytes!.baseAddress!
  }

  private func layerBytes(_ page: PageIndex, layer: Int) -> UnsafeMutableRawBufferPointer {
    precondition(page.rawValue >= 0 && page.rawValue < pageCount, "page out of bounds")
    precondition(layer >= 0 && layer < shape.layerCount, "layer out of bounds")
    return unsafe UnsafeMutableRawBufferPointer(
      start: bytes + page.rawValue * bytesPerPage + layer * layout.byteCount,
      count: layout.byteCount)
  }

  private func hiddenBytes(_ page: PageIndex) -> UnsafeMutableRawBufferPointer {
    precondition(page.rawValue >= 0 && page.rawValue < pageCount, "page out of bounds")
    let start = unsafe bytes + page.rawValue * bytesPerPage
    return unsafe UnsafeMutableRawBufferPointer(
      start: start + shape.layerCount * layout.byteCount,
      count: shape.hiddenWidth * MemoryLayout<Float>.stride)
  }

  /// Keeps the hidden state of a position of the page.
  func writeHidden(_ row: Rows, row index: Int, page: PageIndex) {
    precondition(row.width == shape.hiddenWidth, "width")
    row.withRow(index) { span in
      let kept = unsafe hiddenBytes(page)
      for column in span.indices {
        unsafe kept.storeBytes(
          of: span[column], toByteOffset: column * MemoryLayout<Float>.stride, as: Float.self)
      }
    }
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

  /// Copies the first `slots` tokens of every layer from one page to another, whose further slots
  /// may change.
  func copy(slots: Int, from source: PageIndex, to target: PageIndex) {
    for layer in 0..<shape.layerCount {
      unsafe layout.copy(
        slots: slots, from: UnsafeRawBufferPointer(layerBytes(source, layer: layer)),
        to: layerBytes(target, layer: layer))
    }
  }

  /// Stores the latent row of the token in slot `slot` (0 to 63) of a page.
  func write(_ row: Rows, row index: Int, page: PageIndex, slot: Int, layer: Int) {
    unsafe layout.encode(row, row: index, slot: slot, into: layerBytes(page, layer: layer))
  }

  /// One layer of a page. Slots not yet written hold anything.
  func latents(_ page: PageIndex, layer: Int) -> UnsafeRawBufferPointer {
    unsafe UnsafeRawBufferPointer(layerBytes(page, layer: layer))
  }
}
