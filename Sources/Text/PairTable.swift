// Hash tables for the two hot look-ups of encoding: a pair of 32-bit numbers to a number (merges
// and the edges of a trie), and a byte string to a token id (the vocabulary). Both are filled once
// and then only read; open addressing in flat arrays, at most half full.

/// (UInt32, UInt32) to Int32, without the all-ones pair.
struct PairTable: Sendable {
  private var keys: [UInt64]
  private var values: [Int32]
  private var mask: Int
  private var count = 0

  private static let vacant = UInt64.max

  init(minimumCapacity: Int = 8) {
    var slots = 16
    while slots < minimumCapacity * 2 { slots *= 2 }
    keys = Array(repeating: Self.vacant, count: slots)
    values = Array(repeating: 0, count: slots)
    mask = slots - 1
  }

  private static func key(_ left: UInt32, _ right: UInt32) -> UInt64 {
    UInt64(left) << 32 | UInt64(right)
  }

  private func slot(of key: UInt64) -> Int {
    let mixed = (key ^ (key >> 29)) &* 0x9E37_79B9_7F4A_7C15
    var slot = Int(truncatingIfNeeded: mixed >> 32) & mask
    while keys[slot] != key && keys[slot] != Self.vacant { slot = (slot + 1) & mask }
    return slot
  }

  subscript(left: UInt32, right: UInt32) -> Int32? {
    get {
      let key = Self.key(left, right)
      let slot = slot(of: key)
      return keys[slot] == key ? values[slot] : nil
    }
    set {
      guard let newValue else { return }
      if (count + 1) * 2 > keys.count { grow() }
      let key = Self.key(left, right)
      let slot = slot(of: key)
      if keys[slot] == Self.vacant { count += 1 }
      keys[slot] = key
      values[slot] = newValue
    }
  }

  private mutating func grow() {
    var larger = PairTable(minimumCapacity: keys.count)
    for (slot, key) in keys.enumerated() where key != Self.vacant {
      larger[UInt32(key >> 32), UInt32(truncatingIfNeeded: key)] = values[slot]
    }
    self = larger
  }
}

/// Token contents by id and ids by content. Contents are compared byte for byte: canonically
/// equivalent strings are different tokens, which String's own equality would not have.
struct VocabularyTable: Sendable {
  private var storage: [UInt8] = []
  /// Where the content of an id lies in `storage`; an absent id has an empty range and no slot.
  private var ranges: [Range<Int32>] = []
  private var present: [Bool] = []
  private var slots: [Int32]
  private var mask: Int
  private(set) var count = 0

  init(minimumCapacity: Int) {
    var size = 16
    while size < minimumCapacity * 2 { size *= 2 }
    slots = Array(repeating: -1, count: size)
    mask = size - 1
  }

  /// One more than the largest id.
  var idLimit: Int { ranges.count }

  func contains(_ id: Int32) -> Bool {
    id >= 0 && Int(id) < present.count && present[Int(id)]
  }

  /// The bytes of a token; empty when the id is absent.
  func content(_ id: Int32) -> ArraySlice<UInt8> {
    guard contains(id) else { return [] }
    let range = ranges[Int(id)]
    return storage[Int(range.lowerBound)..<Int(range.upperBound)]
  }

  func id(of content: some Collection<UInt8>) -> Int32? {
    let slot = slot(of: content)
    return slots[slot] < 0 ? nil : slots[slot]
  }

  /// Adds a token whose id and content are both new; false when one of them is not.
  mutating func insert(_ content: some Collection<UInt8>, id: Int32) -> Bool {
    precondition(id >= 0 && id < TextLimits.tokens)
    guard !contains(id) else { return false }
    if (count + 1) * 2 > slots.count { grow() }
    let slot = slot(of: content)
    guard slots[slot] < 0 else { return false }
    while ranges.count <= Int(id) {
      ranges.append(0..<0)
      present.append(false)
    }
    let start = Int32(storage.count)
    storage.append(contentsOf: content)
    ranges[Int(id)] = start..<Int32(storage.count)
    present[Int(id)] = true
    slots[slot] = id
    count += 1
    return true
  }

  private func slot(of content: some Collection<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in content { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    hash = (hash ^ (hash >> 29)) &* 0x9E37_79B9_7F4A_7C15
    var slot = Int(truncatingIfNeeded: hash >> 32) & mask
    while slots[slot] >= 0, !self.content(slots[slot]).elementsEqual(content) {
      slot = (slot + 1) & mask
    }
    return slot
  }

  private mutating func grow() {
    var larger = VocabularyTable(minimumCapacity: slots.count)
    swap(&larger.storage, &storage)
    swap(&larger.ranges, &ranges)
    swap(&larger.present, &present)
    for id in slots where id >= 0 {
      let slot = larger.slot(of: larger.content(id))
      larger.slots[slot] = id
    }
    larger.count = count
    self = larger
  }
}
