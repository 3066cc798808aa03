// What passes have to read and to compute, from the shapes of the weights: what achieved figures
// are computed from.

import Compute

/// What some passes of one kind went through, summed over the passes.
public struct PassLoad: Sendable, Equatable {
  /// Passes, and their rows.
  public var passes = 0.0
  public var rows = 0.0
  /// Positions that the rows in the absorbed form attend to, their own included, summed over rows;
  /// and positions whose latents have to be read, summed over the sequences of each pass.
  public var attendedPositions = 0.0
  public var readPositions = 0.0
  /// Those of the rows that are in the expanded form, what they attend to, and positions that keys
  /// and values are made of for them, summed over passes.
  public var expandedRows = 0.0
  public var expandedPositions = 0.0
  public var madePositions = 0.0
  /// Calls of the output head, and their rows.
  public var headPasses = 0.0
  public var headRows = 0.0
  /// Experts that were read by layer (as `ExpertLoad` counts them), for each mixture layer.
  public var activeExperts: [Int: Double] = [:]

  /// Nothing.
  public init() {}
}

/// What an operation has to read and to compute.
public struct OperationWork: Sendable, Equatable {
  /// Bytes of weights and latents. Activations stay in the caches.
  public var bytes = 0.0
  /// By the arithmetic that the formats have with these kernels.
  public var multiplyAdds = ByArithmetic()

  /// Nothing.
  public init() {}

  /// Both together.
  public static func += (sum: inout OperationWork, next: OperationWork) {
    sum.bytes += next.bytes
    sum.multiplyAdds += next.multiplyAdds
  }
}

/// The work of all operations of some passes.
public struct PassWork: Sendable, Equatable {
  private var operations = [OperationWork](
    repeating: OperationWork(), count: PassOperation.allCases.count)

  /// Nothing.
  public init() {}

  /// The work of one operation.
  public internal(set) subscript(operation: PassOperation) -> OperationWork {
    get { operations[operation.rawValue] }
    set { operations[operation.rawValue] = newValue }
  }

  /// The work of all operations.
  public var total: OperationWork { operations.reduce(into: OperationWork()) { $0 += $1 } }

  /// Both together.
  public static func += (sum: inout PassWork, next: PassWork) {
    for index in sum.operations.indices { sum.operations[index] += next.operations[index] }
  }
}

/// The work of a model's passes. Left out are vectors (norms, biases), rows of the embedding, and
/// the latents of MTP modules, whose context may begin anywhere.
public struct ModelWork: Sendable {
  /// What a matrix, or several alike, adds to an operation.
  private struct Part {
    let operation: PassOperation
    let bytes: Double
    let multiplyAdds: Double
    let arithmetic: Arithmetic
  }

  /// The experts of one layer, one of them.
  private struct ExpertParts {
    let layer: Int
    let parts: [Part]
  }

  /// By kind of pass: what every pass reads and every row is multiplied with, what every routed
  /// expert is, and the head.
  private var common: [[Part]] = [[], []]
  private var experts: [[ExpertParts]] = [[], []]
  private var heads: [[Part]] = [[], []]
  private let expertsPerToken: Double
  /// Of all layers: the latents of one position, and multiply-adds of one row with one position.
  private let latentBytes: Double
  private let scanMultiplyAdds: Double
  private let scanArithmetic: Arithmetic
  /// The same in the expanded form, and what makes keys and values of a position.
  private let expandedMultiplyAdds: Double
  private let expandedArithmetic: Arithmetic
  private var expansion: [Part] = []

  /// - Parameters:
  ///   - weights: planned or packed.
  ///   - latents: how the pool keeps them.
  ///   - kernels: what the products are computed with.
  public init(_ weights: ModelWeights, latents: LatentShape, kernels: Kernels) {
    let c = weights.configuration
    let layers = Double(c.layerCount)
    expertsPerToken = Double(c.expertsPerToken)
    latentBytes = Double(latents.bytesPerToken) / Double(latents.layerCount) * layers
    scanMultiplyAdds = layers * Double(c.headCount * (2 * c.latentRank + c.ropeWidth))
    scanArithmetic = kernels.arithmetic(for: latents.format)
    expandedMultiplyAdds = layers * Double(c.headCount * (c.nopeWidth + c.ropeWidth + c.valueWidth))
    expandedArithmetic = kernels.arithmetic(
      for: ExpandedScanBuffers.format(ofLatents: latents.format))
    for layer in weights.layers {
      guard let keys = layer.attention.expandedKeys else { continue }
      expansion.append(Self.part(.contextExpansion, keys, kernels))
      expansion.append(Self.part(.contextExpansion, layer.attention.values, kernels))
    }
    let main = PassKind.main.rawValue
    for (index, layer) in weights.layers.enumerated() { add(layer, index, to: main, kernels) }
    heads[main] = [Self.part(.head, [weights.head], kernels)]
    guard let module = weights.mtp.first else { return }
    let draft = PassKind.draft.rawValue
    common[draft] = [Self.part(.draftInput, [module.projection], kernels)]
    add(module.layer, c.layerCount, to: draft, kernels)
    heads[draft] = [Self.part(.head, [module.head], kernels)]
  }

  private static func part(
    _ operation: PassOperation, _ matrices: [PackedMatrix], exactly: Bool = false,
    _ kernels: Kernels
  ) -> Part {
    Part(
      operation: operation, bytes: matrices.reduce(0) { $0 + Double($1.byteCount) },
      multiplyAdds: matrices.reduce(0) { $0 + Double($1.multiplyAdds) },
      arithmetic: kernels.arithmetic(for: matrices[0].format, exactly: exactly))
  }

  private mutating func add(
    _ layer: DecoderLayer, _ index: Int, to kind: Int, _ kernels: Kernels
  ) {
    let attention = layer.attention
    func take(_ operation: PassOperation, _ matrices: [PackedMatrix], exactly: Bool = false) {
      common[kind].append(Self.part(operation, matrices, exactly: exactly, kernels))
    }
    switch attention.query {
    case .direct(let projection): take(.attentionProjections, [projection])
    case .lowRank(let down, _, _, let up):
      take(.attentionProjections, [down])
      take(.attentionProjections, [up])
    }
    take(.attentionProjections, [attention.latentDown])
    take(.absorption, attention.keys)
    take(.valueExpansion, attention.values)
    take(.attentionOutput, [attention.output])
    switch layer.feedForward {
    case .dense(let dense):
      common[kind] += Self.parts(of: dense.unit, .denseActivate, .denseProject, kernels)
    case .mixture(let mixture):
      take(.router, [mixture.gate], exactly: true)
      if let shared = mixture.shared {
        common[kind] += Self.parts(of: shared, .expertsActivate, .expertsProject, kernels)
      }
      experts[kind].append(
        ExpertParts(
          layer: index,
          parts: Self.parts(of: mixture.experts[0], .expertsActivate, .expertsProject, kernels)))
    }
  }

  private static func parts(
    of unit: FeedForward, _ activate: PassOperation, _ project: PassOperation, _ kernels: Kernels
  ) -> [Part] {
    [
      part(activate, [unit.gate], kernels), part(activate, [unit.up], kernels),
      part(project, [unit.down], kernels),
    ]
  }

  /// The work of passes of one kind.
  public func work(of kind: PassKind, _ load: PassLoad) -> PassWork {
    var work = PassWork()
    func add(_ part: Part, reads: Double, rows: Double) {
      work[part.operation].bytes += part.bytes * reads
      work[part.operation].multiplyAdds[part.arithmetic] += part.multiplyAdds * rows
    }
    for part in common[kind.rawValue] {
      let isHeads = part.operation == .absorption || part.operation == .valueExpansion
      add(part, reads: load.passes, rows: load.rows - (isHeads ? load.expandedRows : 0))
    }
    for expert in experts[kind.rawValue] {
      let active = load.activeExperts[expert.layer] ?? 0
      for part in expert.parts { add(part, reads: active, rows: load.rows * expertsPerToken) }
    }
    for part in heads[kind.rawValue] { add(part, reads: load.headPasses, rows: load.headRows) }
    if kind == .main {
      work[.latentScan].bytes += latentBytes * load.readPositions
      work[.latentScan].multiplyAdds[scanArithmetic] += scanMultiplyAdds * load.attendedPositions
      work[.latentScan].multiplyAdds[expandedArithmetic] +=
        expandedMultiplyAdds * load.expandedPositions
      if load.expandedRows > 0 {
        for part in expansion { add(part, reads: load.passes, rows: load.madePositions) }
      }
    }
    return work
  }
}
