// The `model` of a tokenizer file: byte pair encoding (Sennrich et al. 2016, section 3.2) of one
// piece of text. Follows bpe/model.rs and bpe/word.rs of Hugging Face `tokenizers`: the pair of the
// lowest rank merges first, of equal ranks the leftmost, with a heap over a linked list, so that a
// piece of n characters takes n log n steps.

import JSON

struct BytePairModel: Sendable {
  let vocabulary: VocabularyTable
  /// Pair of token ids to rank; the pair becomes `merged[rank]`.
  private let ranks: PairTable
  private let merged: [Int32]
  /// Ids of the characters below `direct.count` when no prefix or suffix applies, -1 when unknown.
  private let direct: [Int32]
  /// Ids of `<0x00>` to `<0xFF>`, when `byte_fallback` is on; -1 for each that is absent.
  private let fallback: [Int32]?
  private let unknown: Int32?
  private let fusesUnknown: Bool
  private let ignoresMerges: Bool
  private let continuingPrefix: [UInt8]
  private let endSuffix: [UInt8]

  init(_ reader: FieldReader) throws(TextError) {
    guard try reader.string("type") ?? "BPE" == "BPE" else {
      throw reader.unsupported("a model other than BPE")
    }
    if let dropout = reader["dropout"], dropout.doubleValue != 0 {
      throw reader.unsupported("dropout")
    }
    let vocabulary = try Self.vocabulary(reader)
    continuingPrefix = Array((try reader.string("continuing_subword_prefix") ?? "").utf8)
    endSuffix = Array((try reader.string("end_of_word_suffix") ?? "").utf8)
    (ranks, merged) = try Self.merges(reader, vocabulary, prefixLength: continuingPrefix.count)
    fusesUnknown = try reader.bool("fuse_unk", default: false)
    ignoresMerges = try reader.bool("ignore_merges", default: false)
    if let content = try reader.string("unk_token") {
      guard let id = vocabulary.id(of: content.utf8) else {
        throw reader.invalid("unk_token", "a token of the vocabulary")
      }
      unknown = id
    } else {
      unknown = nil
    }
    if try reader.bool("byte_fallback", default: false) {
      fallback = (0..<256).map { byte in
        let digits = String(byte, radix: 16, uppercase: true)
        return vocabulary.id(of: "<0x\(byte < 16 ? "0" : "")\(digits)>".utf8) ?? -1
      }
    } else {
      fallback = nil
    }
    direct = (0..<0x180).map { value in
      Unicode.Scalar(value).flatMap { vocabulary.id(of: String(Character($0)).utf8) } ?? -1
    }
    self.vocabulary = vocabulary
  }

  private static func vocabulary(_ reader: FieldReader) throws(TextError) -> VocabularyTable {
    guard let members = try reader.required("vocab").objectValue else {
      throw reader.invalid("vocab", "an object")
    }
    guard members.count <= TextLimits.tokens else {
      throw .tooLarge(path: reader.path(of: "vocab"), limit: TextLimits.tokens)
    }
    var vocabulary = VocabularyTable(minimumCapacity: members.count)
    var bytes = 0
    for (content, value) in members.members {
      guard let id = value.integerValue, (0..<TextLimits.tokens).contains(id) else {
        throw reader.invalid("vocab", "ids from 0 to \(TextLimits.tokens - 1)")
      }
      bytes += content.utf8.count
      guard bytes <= TextLimits.contentBytes else {
        throw .tooLarge(path: reader.path(of: "vocab"), limit: TextLimits.contentBytes)
      }
      guard vocabulary.insert(content.utf8, id: Int32(id)) else {
        throw reader.invalid("vocab", "a map without repeated ids (\(id) repeats)")
      }
    }
    return vocabulary
  }

  private static func merges(
    _ reader: FieldReader, _ vocabulary: VocabularyTable, prefixLength: Int
  ) throws(TextError) -> (PairTable, [Int32]) {
    let entries = try reader.array("merges")
    guard entries.count <= TextLimits.tokens else {
      throw .tooLarge(path: reader.path(of: "merges"), limit: TextLimits.tokens)
    }
    var ranks = PairTable(minimumCapacity: entries.count)
    var merged: [Int32] = []
    merged.reserveCapacity(entries.count)
    var whole: [UInt8] = []
    for (rank, entry) in entries.enumerated() {
      let (left, right) = try pair(entry, rank, reader)
      whole.removeAll(keepingCapacity: true)
      whole.append(contentsOf: left)
      whole.append(contentsOf: right.dropFirst(prefixLength))
      guard right.count >= prefixLength, let leftID = vocabulary.id(of: left),
        let rightID = vocabulary.id(of: right), let wholeID = vocabulary.id(of: whole)
      else { throw reader.invalid("merges[\(rank)]", "made of tokens of the vocabulary") }
      ranks[UInt32(leftID), UInt32(rightID)] = Int32(rank)
      merged.append(wholeID)
    }
    return (ranks, merged)
  }

  /// A merge is "left right" or ["left", "right"].
  private static func pair(
    _ entry: JSONValue, _ rank: Int, _ reader: FieldReader
  ) throws(TextError) -> (ArraySlice<UInt8>, ArraySlice<UInt8>) {
    switch entry {
    case .string(let string):
      let bytes = Array(string.utf8)
      if let space = bytes.firstIndex(of: UInt8(ascii: " ")),
        !bytes[(space + 1)...].contains(UInt8(ascii: " "))
      {
        return (bytes[..<space], bytes[(space + 1)...])
      }
    case .array(let parts):
      if parts.count == 2, let left = parts[0].stringValue, let right = parts[1].stringValue {
        return (Array(left.utf8)[...], Array(right.utf8)[...])
      }
    default: break
    }
    throw reader.invalid("merges[\(rank)]", "two tokens")
  }
}

// MARK: - Encoding

extension BytePairModel {
  /// The linked list of symbols and the heap of possible merges, kept from piece to piece.
  struct Scratch {
    /// Token id of each symbol, -1 once it is merged into its left neighbour.
    var ids: [Int32] = []
    var previous: [Int32] = []
    var next: [Int32] = []
    var queue = MinimumHeap()
    var bytes: [UInt8] = []
  }

  /// Appends the tokens of the piece `text[range]`.
  func encode(
    _ text: [UInt8], _ range: Range<Int>, scratch: inout Scratch, to tokens: inout [Int32]
  ) {
    if ignoresMerges, let id = vocabulary.id(of: text[range]) {
      tokens.append(id)
      return
    }
    scratch.ids.removeAll(keepingCapacity: true)
    appendSymbols(text, range, scratch: &scratch)
    if scratch.ids.count > 1 { merge(&scratch) }
    for id in scratch.ids where id >= 0 { tokens.append(id) }
  }

  /// One symbol per character, with the rules for unknown ones. An unknown token that waits to be
  /// fused is overtaken by byte tokens: that is how the original orders them.
  private func appendSymbols(_ text: [UInt8], _ range: Range<Int>, scratch: inout Scratch) {
    var waiting = false
    var index = range.lowerBound
    while index < range.upperBound {
      let end = min(index + UTF8Scan.width(ofLead: text[index]), range.upperBound)
      defer { index = end }
      if let id = symbol(text, index..<end, of: range, scratch: &scratch) {
        if waiting, let unknown { scratch.ids.append(unknown) }
        waiting = false
        scratch.ids.append(id)
        continue
      }
      if let fallback {
        let ids = scratch.bytes.map { fallback[Int($0)] }
        if ids.allSatisfy({ $0 >= 0 }) {
          scratch.ids.append(contentsOf: ids)
          continue
        }
      }
      if let unknown, waiting, !fusesUnknown { scratch.ids.append(unknown) }
      waiting = unknown != nil
    }
    if waiting, let unknown { scratch.ids.append(unknown) }
  }

  /// The token of one character; when there is none, `scratch.bytes` holds what was looked for.
  private func symbol(
    _ text: [UInt8], _ character: Range<Int>, of piece: Range<Int>, scratch: inout Scratch
  ) -> Int32? {
    if continuingPrefix.isEmpty && endSuffix.isEmpty {
      let value = UTF8Scan.value(in: text, character)
      if value < UInt32(direct.count), direct[Int(value)] >= 0 { return direct[Int(value)] }
    }
    scratch.bytes.removeAll(keepingCapacity: true)
    if character.lowerBound > piece.lowerBound {
      scratch.bytes.append(contentsOf: continuingPrefix)
    }
    scratch.bytes.append(contentsOf: text[character])
    if character.upperBound == piece.upperBound { scratch.bytes.append(contentsOf: endSuffix) }
    return vocabulary.id(of: scratch.bytes)
  }

  private func rank(_ left: Int32, _ right: Int32) -> Int32? {
    ranks[UInt32(bitPattern: left), UInt32(bitPattern: right)]
  }

  private func merge(_ scratch: inout Scratch) {
    let count = scratch.ids.count
    scratch.previous.removeAll(keepingCapacity: true)
    scratch.next.removeAll(keepingCapacity: true)
    scratch.queue.removeAll()
    for position in 0..<count {
      scratch.previous.append(Int32(position) - 1)
      scratch.next.append(position + 1 < count ? Int32(position) + 1 : -1)
    }
    for position in 0..<(count - 1) {
      if let rank = rank(scratch.ids[position], scratch.ids[position + 1]) {
        scratch.queue.push(Self.entry(rank, position))
      }
    }
    while let entry = scratch.queue.popMinimum() {
      let position = Int(truncatingIfNeeded: entry & 0xFFFF_FFFF)
      let token = merged[Int(entry >> 32)]
      let right = Int(scratch.next[position])
      // An entry is stale when its symbols have changed; what counts is the token it would make.
      guard scratch.ids[position] >= 0, right >= 0,
        let current = rank(scratch.ids[position], scratch.ids[right]),
        merged[Int(current)] == token
      else { continue }
      scratch.ids[position] = token
      scratch.ids[right] = -1
      let after = Int(scratch.next[right])
      scratch.next[position] = Int32(after)
      if after >= 0 {
        scratch.previous[after] = Int32(position)
        if let rank = rank(token, scratch.ids[after]) {
          scratch.queue.push(Self.entry(rank, position))
        }
      }
      let before = Int(scratch.previous[position])
      if before >= 0, let rank = rank(scratch.ids[before], token) {
        scratch.queue.push(Self.entry(rank, before))
      }
    }
  }

  /// Orders by rank, then by position.
  private static func entry(_ rank: Int32, _ position: Int) -> UInt64 {
    UInt64(UInt32(bitPattern: rank)) << 32 | UInt64(position)
  }
}
