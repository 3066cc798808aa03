// When what happened to a sequence: the one truth of histograms and access log.

/// Moments in a sequence's life, in nanoseconds of the engine's clock. Those that have not come are
/// nil, and so are the spans that need them.
public struct GenerationTimings: Sendable, Equatable {
  /// Its submission.
  public private(set) var submitted: UInt64
  /// Its first admission: it waited until then.
  public private(set) var admitted: UInt64?
  /// Its first token.
  public private(set) var firstToken: UInt64?
  /// Its last token so far; of an answer without tokens its end.
  public private(set) var last: UInt64?

  package init(submitted: UInt64) { self.submitted = submitted }

  package mutating func note(_ event: GenerationEvent, at time: UInt64) {
    switch event {
    case .started: admitted = admitted ?? time
    case .prompt: break
    case .token:
      firstToken = firstToken ?? time
      last = time
    case .finished, .failed: last = last ?? time
    }
  }

  /// Seconds in the queue.
  public var queueSeconds: Double? { Self.seconds(submitted, admitted) }
  /// Seconds from the admission to the first token, or to the end where there is none.
  public var prefillSeconds: Double? { Self.seconds(admitted, firstToken ?? last) }
  /// Seconds from the submission to the first token.
  public var firstTokenSeconds: Double? { Self.seconds(submitted, firstToken) }
  /// Seconds from the first token to the last.
  public var decodeSeconds: Double? { Self.seconds(firstToken, last) }
  /// Seconds from the admission to the last token.
  public var inferenceSeconds: Double? { Self.seconds(admitted, last) }
  /// Seconds from the submission to the last token.
  public var endToEndSeconds: Double? { Self.seconds(submitted, last) }

  private static func seconds(_ start: UInt64?, _ end: UInt64?) -> Double? {
    guard let start, let end else { return nil }
    return end > start ? Double(end - start) / 1e9 : 0
  }

  /// The life of both sequences as one: from the first that began to the last that ended.
  public mutating func formUnion(_ other: GenerationTimings) {
    func pick(_ one: UInt64?, _ other: UInt64?, _ better: (UInt64, UInt64) -> UInt64) -> UInt64? {
      guard let one, let other else { return one ?? other }
      return better(one, other)
    }
    submitted = min(submitted, other.submitted)
    admitted = pick(admitted, other.admitted, min)
    firstToken = pick(firstToken, other.firstToken, min)
    last = pick(last, other.last, max)
  }
}
