// How a page of latents is encoded: the checked entry to what writes and copies pages.

import CKernels

/// How the elements of cached latents are stored.
public enum LatentFormat: String, Sendable, CaseIterable {
  case float32 = "f32"
  case bfloat16 = "bf16"
  /// int8, with one float32 factor for each token's latent and one for its rope key.
  case int8 = "q8"
}

/// One layer's part of a page: `slotCount` tokens of `rank` elements of latent and `rope` of rope
/// key, in the order that the kernels read them in (see ck_attention.h).
public struct LatentPageLayout: Sendable, Equatable {
  /// Tokens of a page.
  public static let slotCount = Int(CK_PAGE_SLOTS)

  /// Elements of the latent, and of the rope key behind it.
  public let rank: Int
  public let rope: Int
  /// How they are stored.
  public let format: LatentFormat
  /// Bytes of one layer's part of a page.
  public let byteCount: Int

  /// A layout of any positive width.
  public init(rank: Int, rope: Int, format: LatentFormat) {
    precondition(rank > 0 && rope > 0, "empty latent")
    self.rank = rank
    self.rope = rope
    self.format = format
    var shape = Self.shape(rank, rope, format, isRounded: false)
    byteCount = unsafe Int(ck_latent_page_bytes(&shape))
  }

  static func shape(
    _ rank: Int, _ rope: Int, _ format: LatentFormat, isRounded: Bool
  ) -> ck_latent_shape {
    let form =
      switch format {
      case .float32: CK_ATTEND_FLOAT32
      case .bfloat16: isRounded ? CK_ATTEND_ROUNDED : CK_ATTEND_BFLOAT16
      case .int8: CK_ATTEND_INT8
      }
    return ck_latent_shape(rank: Int64(rank), rope: Int64(rope), form: form)
  }

  /// Stores one token's latent and rope key, rounded to the format, in a slot of a page.
  /// - Parameter page: exactly `byteCount` bytes, aligned to 4.
  public func encode(
    _ x: Rows, row: Int, slot: Int, into page: UnsafeMutableRawBufferPointer
  ) {
    precondition(x.width == rank + rope, "width of a latent")
    precondition(slot >= 0 && slot < Self.slotCount, "slot out of bounds")
    precondition(page.count == byteCount, "size of a page")
    var shape = Self.shape(rank, rope, format, isRounded: false)
    unsafe ck_latent_encode(&shape, x.pointer(row: row), Int64(slot), page.baseAddress)
  }

  /// Copies the first `slots` tokens of a page; the target's others may change.
  public func copy(
    slots: Int, from source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
  ) {
    precondition(slots >= 0 && slots <= Self.slotCount, "slots out of bounds")
    precondition(source.count == byteCount && target.count == byteCount, "size of a page")
    var shape = Self.shape(rank, rope, format, isRounded: false)
    unsafe ck_latent_copy(&shape, Int64(slots), source.baseAddress, target.baseAddress)
  }
}
