// Which rows of a prompt have their attention computed in which form.

/// The form of a prompt's attention. Both compute the same up to rounding; rows of an answer are
/// always absorbed.
public enum PromptAttention: String, Sendable, CaseIterable {
  /// Every query is turned into the latents' space, which needs nothing but the latents: the same
  /// price for one row and for many.
  case absorbed
  /// Keys and values are made of all latents before the rows of a pass, which many rows share: a
  /// third of the work for each of them.
  case expanded

  /// Positions of a block. A block is expanded when the prompt holds all of it: a row's form
  /// follows from its position and the prompt's length, so that neither the chunks in which a
  /// prompt is computed nor what is cached of it change a bit. Fewer rows than these are not worth
  /// the keys and values of a long context.
  public static let blockLength = 512

  /// How many of a prompt's leading positions are computed in the expanded form.
  public func expandedCount(ofPrompt count: Int) -> Int {
    self == .expanded ? count / Self.blockLength * Self.blockLength : 0
  }
}
