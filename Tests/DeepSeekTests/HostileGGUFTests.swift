// GGUF files of whole models with something wrong in them: each gives a model, which then runs, or
// an error that names the file and what stands in it.

import Compute
import DeepSeek
import TestSupport
import Testing
import Weights

@Suite("Hostile GGUF models")
struct HostileGGUFTests {
  private let fields: [(key: String, value: GGUFField)]
  private let tensors: [GGUFTensor]
  private let directory: TemporaryDirectory

  init() throws {
    let parity = try ParityCase("variants/v3_tied")
    let converted = ConvertedCheckpoint(try Checkpoint.open(directory: parity.directory))
    (fields, tensors) = (converted.fields, converted.tensors)
    directory = try TemporaryDirectory()
  }

  private func open(_ file: GGUFFile) throws -> Checkpoint {
    try Checkpoint.open(gguf: try directory.write("model.gguf", file.bytes))
  }

  /// What is wrong with a file; nil for a model that can be planned.
  private func complaint(_ file: GGUFFile) throws -> String? {
    do {
      #expect(try ModelWeights(try open(file)).byteCount > 0)
      return nil
    } catch let error as WeightsError {
      return error.description
    } catch let error as DeepSeekError {
      return error.description
    }
  }

  /// Every type of the format, at its extremes.
  private static let values: [GGUFField] = [
    .uint8(0), .uint8(.max), .int8(-1), .uint16(.max), .int16(.min), .uint32(0), .uint32(1),
    .uint32(.max), .int32(-1), .int32(.max), .uint64(.max), .uint64(1 << 63), .int64(.min),
    .int64(.max), .float32(.nan), .float32(.infinity), .float32(-0.5), .float64(1e308),
    .float64(5e-324), .bool(false), .bool(true), .string(""), .string("\u{1B}[2J\n"),
    .strings([]), .strings(["a", "a"]), .array(4, [.uint32(1)]), .array(6, [.float32(.nan)]),
  ]

  @Test("every type of value in the place of every key")
  func values() throws {
    #expect(try complaint(GGUFFile(fields, tensors)) == nil)
    var (accepted, refused) = (0, 0)
    for index in fields.indices {
      for value in Self.values {
        var changed = fields
        changed[index].value = value
        if let complaint = try complaint(GGUFFile(changed, tensors)) {
          refused += 1
          #expect(
            complaint.hasPrefix("model.gguf: ") || complaint.hasPrefix("the checkpoint has no"),
            "\(fields[index].key): \(complaint)")
          #expect(!complaint.contains("model.layers."), "a name of another layout: \(complaint)")
        } else {
          accepted += 1
        }
      }
      var fewer = fields
      fewer.remove(at: index)
      _ = try complaint(GGUFFile(fewer, tensors))
    }
    #expect(accepted > 20 && refused > 400, "\(accepted), \(refused)")
  }

  @Test("every tensor left out, twice, of another shape or format is named as the file names it")
  func tensorsOneByOne() throws {
    for (index, tensor) in tensors.enumerated() {
      func refuse(_ word: String, _ change: (inout [GGUFTensor]) -> Void) throws {
        var changed = tensors
        change(&changed)
        let complaint = try complaint(GGUFFile(fields, changed)) ?? "accepted"
        #expect(complaint.contains(tensor.name) && complaint.contains(word), "\(complaint)")
      }
      // Without some tensors a model is another one, such as one of its parts that are optional.
      var fewer = tensors
      fewer.remove(at: index)
      if let complaint = try complaint(GGUFFile(fields, fewer)) {
        #expect(!complaint.contains("model.layers."), "\(complaint)")
      }
      try refuse("twice") { $0.append(tensor) }
      try refuse("") { $0[index] = GGUFTensor(tensor.name, tensor.shape + [1]) }
      try refuse("") { $0[index] = GGUFTensor(tensor.name, 26, tensor.shape, tensor.bytes) }
    }
  }

  @Test("tensors of any bits run to the end", arguments: [LatentFormat.bfloat16, .int8])
  func anyBits(latents: LatentFormat) throws {
    let seed = UInt64.random(in: 0 ... .max)
    var generator = SeededGenerator(seed: seed)
    for round in 0..<6 {
      let noisy = tensors.map { tensor in
        guard Int.random(in: 0..<4, using: &generator) < round else { return tensor }
        return GGUFTensor(
          tensor.name, tensor.type, tensor.shape,
          tensor.bytes.map { _ in UInt8.random(in: 0 ... .max, using: &generator) })
      }
      let runner = try SequenceRunner(
        try open(GGUFFile(fields, noisy)), latents: latents, roundsInputs: round % 2 == 0)
      var rows = 0
      runner.forEachRow(Array(2..<22), chunk: 7) { _, logits in
        rows += 1
        #expect(logits.count == runner.model.configuration.vocabularySize)
      }
      #expect(rows == 20, "seed \(seed)")
    }
  }
}
