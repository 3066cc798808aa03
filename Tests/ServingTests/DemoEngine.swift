// Engines over the bundled demo model, as it is or quantised.

import Compute
import DeepSeek
import Platform
import Serving
import TestSupport
import Weights

/// Engines over one copy of each form of the demo model.
struct DemoEngine {
  /// How weights and latents are stored.
  enum Form: String, CaseIterable {
    /// bfloat16 both.
    case bundled
    /// Converted to Q8_0, with int8 latents.
    case q8
    /// Converted to the mix of Q4_K and others.
    case q4
    /// As it is, prompts in the expanded form.
    case expanded

    var latents: LatentFormat { self == .q8 ? .int8 : .bfloat16 }
    var promptAttention: PromptAttention { self == .expanded ? .expanded : .absorbed }
  }

  /// What a machine with two sockets would say, as far as this one can.
  static let twoNodes = MemoryNodes(
    processors: Array(repeating: MemoryNodes.measure().processors[0], count: 2))

  private static let bundled = Result { try weights(.bundled) }
  private static let q8 = Result { try weights(.q8) }
  private static let q4 = Result { try weights(.q4) }
  private static let expanded = Result { try weights(.expanded) }

  private static func weights(_ form: Form) throws -> ModelWeights {
    let source = try Checkpoint.open(directory: Fixtures.path("../../Models/demo"))
    let pool = try WorkerPool(threadCount: 2, memory: twoNodes)
    if form == .bundled || form == .expanded {
      return try ModelWeights(source, promptAttention: form.promptAttention).packed(on: pool)
    }
    let export = try ModelExport(source, as: form == .q8 ? .q8_0 : .q4_k_m)
    let directory = try TemporaryDirectory()
    let path = directory.path + "/demo.gguf"
    var metadata = ExportMetadata()
    metadata.add("general.architecture", .string("deepseek2"))
    metadata.add(contentsOf: export.configuration.exportMetadata)
    try GGUFWriter(metadata, tensors: export.tensors).write(to: path, pool: pool) { _ in }
    return try ModelWeights(GGUFModel(path: path).checkpoint()).packed(on: pool)
  }

  static var vocabularySize: Int {
    get throws { try bundled.get().configuration.vocabularySize }
  }

  static func start(
    _ limits: EngineLimits, threads: Int, memory: MemoryNodes = .single, form: Form = .bundled
  ) throws -> EngineHandle {
    var limits = limits
    limits.promptAttention = form.promptAttention
    let model = try model(limits, threads: threads, memory: memory, form: form)
    return try EngineHandle(model: model, limits: limits)
  }

  static func model(
    _ limits: EngineLimits, threads: Int, memory: MemoryNodes = .single, form: Form = .bundled
  ) throws -> DeepSeekModel {
    let weights =
      switch form {
      case .bundled: try bundled.get()
      case .q8: try q8.get()
      case .q4: try q4.get()
      case .expanded: try expanded.get()
      }
    let shape = LatentShape(weights.configuration, format: form.latents)
    return DeepSeekModel(
      weights: weights,
      backend: Backend(
        kernels: .fastest, pool: try WorkerPool(threadCount: threads, memory: memory)),
      storage: try LatentStorage(shape: shape, pageCount: limits.pageCount),
      decodeRows: limits.decodeRows, prefillRows: limits.prefillChunk,
      logitRows: 16)
  }
}
