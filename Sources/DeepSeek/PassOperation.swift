// The operations that passes consist of, for measuring where their time goes.

import Compute

/// What a pass through the model does, in the order of the paper. Shared experts belong to the
/// operations of the routed ones, with which they are computed together.
public enum PassOperation: Int, Sendable, CaseIterable {
  /// Queries, latents and rope keys, not rotated yet.
  case attentionProjections
  case absorption
  /// Keys and values of a prompt's context in the expanded form.
  case contextExpansion
  case latentScan
  case valueExpansion
  case attentionOutput
  /// Scores of all experts and the choice among them.
  case router
  /// Gate and up of the chosen and the shared experts, then their down projection.
  case expertsActivate
  case expertsProject
  /// The same of layers without experts.
  case denseActivate
  case denseProject
  /// The projection that joins an MTP module's two inputs.
  case draftInput
  case head
  /// From logits to the next pass: draws, events, planning.
  case sampling
  /// Norms, rotations, residual sums, storing of latents.
  case other
}

/// Which layers a pass goes through.
public enum PassKind: Int, Sendable, CaseIterable {
  /// The main ones.
  case main
  /// An MTP module.
  case draft
}

/// Wall time of every operation of every kind of pass.
public final class PassProfile: Sendable {
  /// What a model's backend takes.
  public let clock = OperationClock(
    sections: PassKind.allCases.count, operations: PassOperation.allCases.count)

  /// All zero.
  public init() {}

  /// Forgets all times. Called between passes on the thread that computes.
  public func restart() { clock.restart() }

  /// What was measured since the last start.
  public var times: PassTimes { PassTimes(seconds: clock.seconds) }
}

/// Seconds by operation and kind of pass.
public struct PassTimes: Sendable, Equatable {
  private var seconds: [Double]

  fileprivate init(seconds: [Double]) { self.seconds = seconds }

  /// Seconds of one operation.
  public subscript(kind: PassKind, operation: PassOperation) -> Double {
    seconds[kind.rawValue * PassOperation.allCases.count + operation.rawValue]
  }

  /// Adds what another measurement brought.
  public static func += (sum: inout PassTimes, next: PassTimes) {
    for index in sum.seconds.indices { sum.seconds[index] += next.seconds[index] }
  }
}

extension Backend {
  /// What follows belongs to a kind of pass; what came before, since the last operation, was
  /// sampling.
  func begin(_ kind: PassKind) {
    guard let clock else { return }
    clock.lap(PassOperation.sampling.rawValue)
    clock.enter(section: kind.rawValue)
  }

  /// The time since the end of the last operation was this one's.
  func finished(_ operation: PassOperation) {
    if let clock { clock.lap(operation.rawValue) }
  }
}
