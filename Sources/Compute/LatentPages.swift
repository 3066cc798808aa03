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
/// key, in the order that the kernels read them in (see ck_attention.h). What one head makes of the
/// tokens of a page has the same layout with the head's key in the latent's place, and `value`
/// elements of its value behind the rope key.
public struct LatentPageLayout: Sendable, Equatable {
  /// Tokens of a page.
  public static let slotCount = Int(CK_PAGE_SLOTS)

  /// Elements of the latent, and of the rope key behind it.
  public let rank: Int
  public let rope: Int
  /// Elements of a head's value; 0 in pages of latents.
  public let value: Int
  /// How they are stored.
  public let format: LatentFormat
  /// Bytes of one layer's part of a page.
  public let byteCount: Int

  /// A layout of any positive width.
  /// - Parameter value: not with int8.
  public init(rank: Int, rope: Int, value: Int = 0, format: LatentFormat) {
    precondition(rank > 0 && rope > 0, "empty latent")
    precondition(value >= 0 && (value == 0 || format != .int8), "value")
    self.rank = rank
    self.rope = rope
    self.value = value
    self.format = format
    let form = Self.form(format, isRounded: false)
    var shape = Self.shape(rank: rank, rope: rope, value: value, form)
    byteCount = unsafe Int(ck_latent_page_bytes(&shape))
  }

  /// Elements of what attention sums up: of the latent, or of the value.
  public var sumWidth: Int { value > 0 ? value : rank }
  /// Elements of a token.
  public var width: Int { rank + rope + value }

  private static func form(_ format: LatentFormat, isRounded: Bool) -> ck_attention_form {
    switch format {
    case .float32: CK_ATTEND_FLOAT32
    case .bfloat16: isRounded ? CK_ATTEND_ROUNDED : CK_ATTEND_BFLOAT16
    case .int8: CK_ATTEND_INT8
    }
  }

  private static func shape(
    rank: Int, rope: Int, value: Int, _ form: ck_attention_form
  ) -> ck_latent_shape {
    ck_latent_shape(rank: Int64(rank), rope: Int64(rope), value: Int64(value), form: form)
  }

  /// - Parameter isRounded: whether queries and weights are rounded to bfloat16 beside bfloat16.
  func shape(isRounded: Bool = false) -> ck_latent_shape {
    Self.shape(
      rank: rank, rope: rope, value: value, Self.form(format, isRounded: isRounded))
  }

  /// Stores what a token has, rounded to the format, in a slot of a page.
  /// - Parameter page: exactly `byteCount` bytes, aligned to 4.
  public func encode(
    _ x: Rows, row: Int, slot: Int, into page: UnsafeMutableRawBufferPointer
  ) {
    precondition(x.width == width, "width of a token")
    precondition(slot >= 0 && slot < Self.slotCount, "slot out of bounds")
    precondition(page.count == byteCount, "size of a page")
    var shape = shape()
    unsafe ck_latent_encode(&shape, x.pointer(row: row), Int64(slot), page.baseAddress)
  }

  /// Reads one token's latent and rope key from a slot of a page of latents.
  public func decode(
    _ page: UnsafeRawBufferPointer, slot: Int, into x: Rows, row: Int
  ) {
    precondition(value == 0 && x.width == width, "width of a token")
    precondition(slot >= 0 && slot < Self.slotCount, "slot out of bounds")
    precondition(page.count == byteCount, "size of a page")
    var shape = shape()
    unsafe ck_latent_decode(&shape, page.baseAddress, Int64(slot), x.pointer(row: row))
  }

  /// Copies the first `slots` tokens of a page; the target's others may change.
  public func copy(
    slots: Int, from source: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
  ) {
    precondition(slots >= 0 && slots <= Self.slotCount, "slots out of bounds")
    precondition(source.count == byteCount && target.count == byteCount, "size of a page")
    var shape = shape()
    unsafe ck_latent_copy(&shape, Int64(slots), source.baseAddress, target.baseAddress)
  }
}
