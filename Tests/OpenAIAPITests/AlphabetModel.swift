// A model without weights whose answers are known, and a tokenizer of single bytes.

import Compute
import DeepSeek
import Glibc
import JSON
import OpenAIAPI
import Serving
import Synchronization
import Text

/// Predicts the next letter of the alphabet, the end after z, and a after everything else.
final class AlphabetModel: LanguageModel {
  static let vocabularySize = 265
  let logitRowCapacity = 8
  let layerCount = 1
  let canDraft = false
  let expertLoads: [ExpertLoad] = []
  private let arena = ScratchArena()
  private let output: Rows
  private let tokens = Mutex<[ForwardLane: [Int32]]>([:])
  /// The tokens of all passes, in order.
  let seen = Mutex<[Int32]>([])
  /// Rows computed so far.
  let computed = Atomic<Int>(0)
  /// While set, `forward` waits: the engine is busy.
  let isHeld = Atomic<Bool>(false)
  /// Rows after which it waits in the same way.
  let rowsUntilHold = Atomic<Int>(.max)
  /// What passes come to, after so many that go well.
  let failure = Mutex<(after: Int, PassFailure)?>(nil)

  init() {
    output = arena.rows(logitRowCapacity, width: Self.vocabularySize)
  }

  static func next(after token: Int32) -> Int32 {
    switch token {
    case 97..<122: token + 1
    case 122: ByteTokenizer.end
    default: 97
    }
  }

  func decode(_ batch: ForwardBatch) throws(PassFailure) {
    try fail()
    compute(batch, .decode)
  }

  private func fail() throws(PassFailure) {
    try failure.withLock { failure throws(PassFailure) in
      guard let (after, error) = failure else { return }
      if after == 0 { throw error }
      failure = (after - 1, error)
    }
  }

  func compute(_ batch: ForwardBatch, _ lane: ForwardLane) {
    while isHeld.load(ordering: .relaxed)
      || computed.load(ordering: .relaxed) >= rowsUntilHold.load(ordering: .relaxed)
    { usleep(1000) }
    tokens.withLock { $0[lane] = batch.tokens }
    seen.withLock { $0 += batch.tokens }
    computed.add(batch.rowCount, ordering: .relaxed)
  }

  /// 1.5 for the next token, 0.5 for all others.
  func logits(_ lane: ForwardLane, ofRows rows: [Int]) -> Rows {
    let logits = output.rows(0..<rows.count)
    logits.fill(0.5)
    tokens.withLock { tokens in
      for (index, row) in rows.enumerated() {
        logits[index, Int(Self.next(after: tokens[lane]![row]))] = 1.5
      }
    }
    return logits
  }
}

extension AlphabetModel {
  func beginPrefill(_ batch: ForwardBatch) throws(PassFailure) {
    try fail()
    compute(batch, .prefill)
  }

  func advancePrefill(layers: Int) -> Bool { true }
  func draft(_ batch: ForwardBatch, from sources: [HiddenSource]) {}
  func draftLogits(ofRows rows: [Int]) -> Rows { output.rows(0..<rows.count) }
  func copyPage(slots: Int, from source: PageIndex, to target: PageIndex) {}
}

/// Each byte is the token of its value; the special tokens of DeepSeek's formats follow.
enum ByteTokenizer {
  static let begin: Int32 = 256
  static let end: Int32 = 257
  static let specials = [
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
    "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>", "<think>",
  ]

  /// GPT-2's visible stand-ins for the 256 bytes.
  private static let alphabet: [String] = {
    let visible = Set(33...126).union(161...172).union(174...255)
    var next = 256
    return (0..<256).map { byte in
      defer { if !visible.contains(byte) { next += 1 } }
      return String(UnicodeScalar(UInt32(visible.contains(byte) ? byte : next)) ?? " ")
    }
  }()

  static func make() throws -> Tokenizer {
    let byteLevel: JSONValue = [
      "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    ]
    var vocabulary = JSONObject()
    for (byte, character) in alphabet.enumerated() { vocabulary[character] = .integer(byte) }
    let added = specials.enumerated().map { index, content -> JSONValue in
      [
        "id": .integer(256 + index), "content": .string(content), "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false, "special": true,
      ]
    }
    let file: JSONValue = [
      "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": .array(added),
      "normalizer": nil, "pre_tokenizer": byteLevel, "post_processor": nil, "decoder": byteLevel,
      "model": [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil,
        "end_of_word_suffix": nil, "fuse_unk": false, "byte_fallback": false,
        "vocab": .object(vocabulary), "merges": [],
      ],
    ]
    let configuration: JSONValue = [
      "add_bos_token": true, "add_eos_token": false, "bos_token": .string(specials[0]),
      "eos_token": .string(specials[1]),
    ]
    return try Tokenizer(
      tokenizer: file.serialized(), configuration: configuration.serialized())
  }
}

/// A served alphabet.
struct TestService {
  static let contextLength = 256
  let alphabet: AlphabetModel
  let model: ServedModel

  init(
    hasTokenizer: Bool = true, chatFormat: ChatFormat? = .deepseekV3, queueLength: Int = 64,
    defaults: GenerationDefaults = GenerationDefaults(), maxSequences: Int = 2,
    cachesPrefixes: Bool = true, streamBacklog: Int = 256
  ) throws {
    alphabet = AlphabetModel()
    var limits = EngineLimits(
      maxSequences: maxSequences, queueLength: queueLength, prefillChunk: 64,
      contextLength: Self.contextLength, pageCount: 8, cachesPrefixes: cachesPrefixes)
    limits.streamBacklog = streamBacklog
    let engine = try EngineHandle(model: alphabet, limits: limits)
    model = ServedModel(
      name: "alphabet", fingerprint: "test",
      tokenizer: hasTokenizer ? try ByteTokenizer.make() : nil,
      chatFormat: chatFormat, defaults: defaults, endTokens: [ByteTokenizer.end],
      vocabularySize: AlphabetModel.vocabularySize, engine: engine)
  }
}
