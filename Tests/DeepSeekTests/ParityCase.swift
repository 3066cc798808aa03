// The recorded cases of Tests/Fixtures/parity and variants: tiny random checkpoints with the logits
// that an independent implementation computes for them.

import Compute
import DeepSeek
import Glibc
import JSON
import Platform
import Weights

/// A tensor of a case's `expected.safetensors`: F32 or I32, read without the code under test.
struct ExpectedTensor {
  let shape: [Int]
  let values: [Float]
  let integers: [Int32]
}

struct ParityCase {
  static let root =
    #filePath.split(separator: "/").dropLast(2).reduce("") { $0 + "/" + $1 }
    + "/Fixtures/parity"

  let directory: String
  let expected: [String: ExpectedTensor]

  init(_ name: String) throws {
    let variant = Self.root + "/../variants/" + name
    directory = FileReader.exists(variant) ? variant : Self.root + "/" + name
    expected = try Self.readSafetensors(directory + "/expected.safetensors")
  }

  var tokens: [Int32] { expected["tokens"]!.integers }
  var vocabularySize: Int { expected["logits"]!.shape[1] }

  private static func readSafetensors(_ path: String) throws -> [String: ExpectedTensor] {
    let bytes = try FileReader.read(path, limit: 64 << 20)
    let headerLength = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
    let header = try JSONValue(parsing: Array(bytes[8..<8 + headerLength]))
    var tensors: [String: ExpectedTensor] = [:]
    for (name, entry) in header.objectValue!.members where name != "__metadata__" {
      let offsets = entry["data_offsets"]!.arrayValue!.map { $0.integerValue! + 8 + headerLength }
      let words = stride(from: offsets[0], to: offsets[1], by: 4).map { place in
        (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << UInt32(8 * $1) }
      }
      let isFloat = entry["dtype"]!.stringValue == "F32"
      tensors[name] = ExpectedTensor(
        shape: entry["shape"]!.arrayValue!.map { $0.integerValue! },
        values: isFloat ? words.map { Float(bitPattern: $0) } : [],
        integers: isFloat ? [] : words.map { Int32(bitPattern: $0) })
    }
    return tensors
  }
}

/// A model over one sequence, fed in chunks.
struct SequenceRunner {
  let model: DeepSeekModel
  let pages: [PageIndex]

  init(
    directory: String, tier: KernelTier? = nil, threads: Int = 1,
    latents: ElementFormat = .float32, pageCount: Int = 8
  ) throws {
    let weights = try ModelWeights(try Checkpoint.open(directory: directory))
    let shape = LatentShape(weights.configuration, format: latents)
    let kernels = tier.map { Kernels(tier: $0)! } ?? .best
    model = DeepSeekModel(
      weights: weights,
      backend: Backend(kernels: kernels, pool: try WorkerPool(threadCount: threads)),
      storage: LatentStorage(shape: shape, pageCount: pageCount), rows: 256, logitRows: 16)
    // Not in order, so that a page number used as a position would show.
    pages = (0..<pageCount).reversed().map { PageIndex($0) }
  }

  /// Calls `body` with the logits of every position, computed in chunks of the given size.
  func forEachRow(
    _ tokens: [Int32], chunk: Int, body: (_ position: Int, _ logits: Span<Float>) -> Void
  ) {
    for start in stride(from: 0, to: tokens.count, by: chunk) {
      let part = tokens[start..<min(start + chunk, tokens.count)]
      model.forward(batch(part, at: start))
      for row in stride(from: 0, to: part.count, by: model.logitRowCapacity) {
        let block = row..<min(row + model.logitRowCapacity, part.count)
        let logits = model.logits(ofRows: block)
        for index in 0..<block.count {
          logits.withRow(index) { body(start + row + index, $0) }
        }
      }
    }
  }

  func batch(_ tokens: some Collection<Int32>, at start: Int) -> ForwardBatch {
    var batch = ForwardBatch()
    batch.append(
      Segment(firstPosition: start, tokenCount: tokens.count, pages: pages), tokens: tokens)
    return batch
  }
}

/// Log-probabilities in double precision.
func logSoftmax(_ logits: some Collection<Float>) -> [Double] {
  let highest = Double(logits.max()!)
  let sum = logits.reduce(0.0) { $0 + exp(Double($1) - highest) }
  return logits.map { Double($0) - highest - log(sum) }
}

func array(_ span: Span<Float>) -> [Float] { span.indices.map { span[$0] } }

func largestIndex(_ values: [Float]) -> Int { values.indices.max { values[$0] < values[$1] }! }
