// Why a checkpoint does not load: every case names the file and the tensor or key, so that the
// message alone tells what to mend.

import Compute
import JSON
import Platform

/// What is wrong with a checkpoint. `file` is a name inside the checkpoint's directory.
public enum WeightsError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The system refused to open, read or map a file.
  case platform(PlatformError)
  /// A file that is no JSON where JSON must be.
  case malformedJSON(file: String, JSONError)
  /// A file whose structure as a whole is wrong.
  case malformedFile(file: String, reason: String)
  /// A file whose description of one tensor is wrong.
  case malformedTensor(file: String, tensor: String, reason: String)
  /// A value in `config.json` that decides how weights are stored and cannot be used.
  case badConfiguration(key: String, reason: String)
  /// A value in the metadata of a GGUF file that is missing or cannot be used.
  case badMetadata(file: String, key: String, reason: String)
  /// No file of the checkpoint has this tensor.
  case missingTensor(String)
  case wrongShape(file: String, tensor: String, found: [Int], expected: [Int])
  case wrongFormat(file: String, tensor: String, found: String, expected: [ElementFormat])
  /// An 8-bit matrix without its block scales.
  case missingScale(file: String, tensor: String, scale: String)
  /// Block scales of a tensor that is not 8-bit.
  case unexpectedScale(file: String, scale: String)
  /// A block scale that is infinite or not a number.
  case nonFiniteScale(file: String, scale: String, index: Int)
  /// A tensor that no part of the model asked for; `others` more are like it.
  case unusedTensor(file: String, tensor: String, others: Int)
  /// Elements of a tensor to be written that its format cannot hold; `row` is the first such row.
  case unencodable(tensor: String, row: Int, format: ElementFormat, reason: EncodingFailure)

  public var description: String {
    switch self {
    case .platform(let error):
      return error.description
    case .malformedJSON(let file, let error):
      return "\(file): \(error)"
    case .malformedFile(let file, let reason):
      return "\(file): \(reason)"
    case .malformedTensor(let file, let tensor, let reason):
      return "\(file): tensor \(tensor): \(reason)"
    case .badConfiguration(let key, let reason):
      return "config.json: \(key): \(reason)"
    case .badMetadata(let file, let key, let reason):
      return "\(file): \(key): \(reason)"
    case .missingTensor(let tensor):
      return "the checkpoint has no tensor \(tensor)"
    case .wrongShape(let file, let tensor, let found, let expected):
      return "\(file): tensor \(tensor) has shape \(found) instead of \(expected)"
    case .wrongFormat(let file, let tensor, let found, let expected):
      let names = expected.map(\.rawValue).joined(separator: ", ")
      return "\(file): tensor \(tensor) has format \(found), which is not one of \(names)"
    case .missingScale(let file, let tensor, let scale):
      return "\(file): tensor \(tensor) is 8-bit, but the checkpoint has no \(scale)"
    case .unexpectedScale(let file, let scale):
      return "\(file): \(scale) scales a tensor that is not 8-bit"
    case .nonFiniteScale(let file, let scale, let index):
      return "\(file): tensor \(scale): element \(index) is not finite"
    case .unusedTensor(let file, let tensor, let others):
      let more = others == 0 ? "" : " (and \(others) more)"
      return "\(file): tensor \(tensor) belongs to no part of the model\(more)"
    case .unencodable(let tensor, let row, let format, let reason):
      return "tensor \(tensor) cannot become \(format.rawValue): row \(row) \(reason)"
    }
  }
}
