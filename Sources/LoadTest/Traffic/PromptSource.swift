// Prompts that no cache has seen: random, each different from all others of a run.

import Platform

/// A prompt, or a piece of one.
package enum Prompt: Equatable {
  case text(String)
  case tokens([Int])
}

/// The endless sequence of prompts under one seed.
package struct PromptSource {
  private let vocabulary: Int?
  private let sharedShare: Double
  private let seed: UInt64
  private var random: SplitMix
  private var count = 0
  /// The beginning that all prompts have in common, as far as one has needed it.
  private var shared: [Int] = []
  private var sharedRandom: SplitMix

  package init(_ traffic: LoadTraffic) {
    vocabulary = traffic.tokenIDs
    sharedShare = traffic.sharedPrefix
    seed = traffic.seed
    random = SplitMix(seed: traffic.seed, stream: 2)
    sharedRandom = SplitMix(seed: traffic.seed, stream: 3)
  }

  /// How many different symbols a prompt is made of.
  private var symbols: Int { vocabulary ?? WordList.words.count }

  /// A prompt of `length` words or tokens.
  /// - Parameter isFirst: whether it begins a conversation, and so with what all have in common.
  package mutating func next(length: Int, isFirst: Bool) -> Prompt {
    let common = isFirst ? Int((Double(length) * sharedShare).rounded()) : 0
    while shared.count < common {
      shared.append(Int.random(in: 0..<symbols, using: &sharedRandom))
    }
    var ids = Array(shared.prefix(common))
    ids.reserveCapacity(length)
    // The prompt's number spelled out, lowest digit first, makes it differ from all others as
    // early as can be; a chance alone would let short prompts meet.
    var number = count
    while ids.count < length, number > 0 || ids.count == common {
      let rotation = Int(truncatingIfNeeded: seed % UInt64(symbols))
      ids.append((number + rotation) % symbols)
      number /= symbols
    }
    count += 1
    while ids.count < length { ids.append(Int.random(in: 0..<symbols, using: &random)) }
    if vocabulary != nil { return .tokens(ids) }
    return .text(ids.map { WordList.words[$0] }.joined(separator: " "))
  }
}
