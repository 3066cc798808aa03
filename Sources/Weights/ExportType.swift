// Which format each tensor of a file gets: the mixes that llama.cpp's converter and quantiser write
// under the same names (src/llama-quant.cpp there), so that files compare like for like.

import Compute

/// What a file is converted to.
public enum ExportType: String, Sendable, CaseIterable {
  case q8_0
  case q4_k_m
  case bf16

  /// `general.file_type` (`enum llama_ftype`).
  public var fileType: Int {
    switch self {
    case .q8_0: 7
    case .q4_k_m: 15
    case .bf16: 32
    }
  }

  /// What a matrix is in the model, as far as its format depends on that.
  public enum Role: Sendable, Equatable {
    /// The output head, or an embedding that is one too.
    case output
    case embedding
    /// `layer` of `layers` (MTP layers counted) returns to the hidden width.
    case down(layer: Int, layers: Int)
    /// The output projection of attention in a model with so many routed experts.
    case attentionOutput(experts: Int)
    /// Part of an MTP layer: small, and what acceptance of drafts hangs on.
    case draft
    case other
  }

  /// The format of a matrix whose rows have `width` elements.
  public func format(_ role: Role, width: Int) -> ElementFormat {
    let wanted: ElementFormat
    switch self {
    case .bf16: return .bfloat16
    case .q8_0: wanted = .q8_0
    case .q4_k_m: wanted = Self.mixed(role)
    }
    if width.isMultiple(of: wanted.blockLength) { return wanted }
    let smaller: ElementFormat = wanted == .q4_K ? .q5_0 : .q8_0
    return width.isMultiple(of: smaller.blockLength) ? smaller : .float16
  }

  private static func mixed(_ role: Role) -> ElementFormat {
    switch role {
    case .output: .q6_K
    case .down(let layer, let layers): deservesMore(layer, of: layers) ? .q6_K : .q4_K
    // A rule made for Mixtral, which goes by the number alone.
    case .attentionOutput(let experts): experts == 8 ? .q5_K : .q4_K
    case .draft: .q8_0
    case .embedding, .other: .q4_K
    }
  }

  /// The first and the last eighth of the layers, and every third between.
  private static func deservesMore(_ layer: Int, of layers: Int) -> Bool {
    let eighth = layers / 8
    return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
  }
}
