// Bounds of what a checkpoint may make this target hold in memory besides its mapping.

/// The limits of this target. The largest released checkpoint of the family has 91,991 tensors
/// in 163 files, an index of 9 MB and headers below 1 MB each.
enum WeightsLimits {
  static let configurationBytes = 16 << 20
  static let indexBytes = 128 << 20
  /// The limit of the reference implementation of safetensors.
  static let headerBytes = 100_000_000
  static let dimensions = 8
  static let files = 4096
  static let blockSide = 1 << 20

  // GGUF. A vocabulary of 163,840 tokens with its merges takes a header of about 10 MB.
  static let ggufHeaderBytes = 1 << 27
  static let ggufKeys = 1 << 16
  static let ggufKeyBytes = 1 << 16
  /// Elements of all arrays together.
  static let ggufElements = 1 << 24
  static let ggufTensors = 1 << 17
  /// The limit of the format's reference implementation.
  static let ggufDimensions = 4
  static let ggufAlignment = 1 << 20
  /// Layers and experts, as numbers in tensor names.
  static let layers = 1000
  static let experts = 4096
  /// Tensors that a checkpoint hands out, with every expert a tensor of its own.
  static let tensors = 1 << 21
}
