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
}
