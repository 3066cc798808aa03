// What the paged model computes, as a pure function of a request: the answer it must get whatever
// the engine does.

import Sampling
import Serving
import TestSupport
import Testing

/// All tokens of a sequence up to a position, folded into numbers. A position's state depends on
/// its token and on the states of all positions before it, as the latents of a real model do.
struct StateChain: Equatable {
  private var sum: UInt64 = 0x4861_6461_6C
  /// The next position.
  private(set) var position = 0

  static func mix(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var generator = SeededGenerator(seed: a &* 0x2545_F491_4F6C_DD1D ^ b)
    return generator.next()
  }

  /// The state of the next position when this is its token.
  mutating func append(token: Int32) -> UInt64 {
    let state = Self.mix(sum, UInt64(position) << 32 | UInt64(UInt32(bitPattern: token)))
    append(state: state)
    return state
  }

  /// Steps over a position whose state is known.
  mutating func append(state: UInt64) {
    sum = Self.mix(sum, state)
    position += 1
  }
}

enum PagedArithmetic {
  static let vocabularySize = 64

  /// What follows a state: one token stands out, the others are small and differ.
  static func logits(after state: UInt64) -> [Float] {
    var generator = SeededGenerator(seed: state)
    var values = (0..<vocabularySize).map { _ in Float(generator.next() >> 40) * 0x1p-23 }
    values[peak(after: state)] += 6
    return values
  }

  static func peak(after state: UInt64) -> Int { Int(state % UInt64(vocabularySize)) }
}

/// All that a reader of a finished answer has seen.
struct ScriptedAnswer: Equatable {
  var promptLogprobs: [TokenLogprobs] = []
  var tokens: [Int32] = []
  var logprobs: [TokenLogprobs?] = []
  var reason: FinishReason?

  init() {}

  /// What a request must be answered.
  init(to request: GenerationRequest) {
    var chain = StateChain()
    var logits: [Float] = []
    for (index, token) in request.prompt.enumerated() {
      if index > 0, let top = request.promptLogprobs {
        promptLogprobs.append(TokenLogprobs(logits.span, token: token, top: top))
      }
      let state = chain.append(token: token)
      let isLast = index + 1 == request.prompt.count
      if request.promptLogprobs != nil || isLast { logits = PagedArithmetic.logits(after: state) }
    }
    var sampler = Sampler(request.sampling, choice: request.choice, prompt: request.prompt)
    while tokens.count < request.maxTokens {
      let token = sampler.sample(logits.span, position: chain.position)
      tokens.append(token)
      logprobs.append(request.logprobs.map { TokenLogprobs(logits.span, token: token, top: $0) })
      sampler.accept(token)
      if request.stopTokens.contains(token) {
        reason = .stop
        return
      }
      logits = PagedArithmetic.logits(after: chain.append(token: token))
    }
    reason = .length
  }

  /// Adds what a stream said.
  mutating func append(_ event: GenerationEvent) {
    switch event {
    case .started: break
    case .prompt(let entries): promptLogprobs += entries
    case .token(let token, let entry):
      tokens.append(token)
      logprobs.append(entry)
    case .finished(let reason): self.reason = reason
    case .failed(let failure): Issue.record("\(failure)")
    }
  }
}
