// Inputs that are nearly right: seeds, cut and joined where a format's own words stand.

import Foundation

/// Mutates a corpus. Each seed number gives one sequence of inputs.
public struct Mutator {
  private let corpus: [[UInt8]]
  /// Words of the format, and bytes that mean something to it.
  private let words: [[UInt8]]
  public var random: SeededGenerator

  public init(corpus: [[UInt8]], words: [String], seed: UInt64) {
    self.corpus = corpus
    self.words = words.map { Array($0.utf8) } + [[0], [0x7F], [0x80], [0xFF], [0xC0, 0x80]]
    random = SeededGenerator(seed: seed)
  }

  /// How many inputs a test makes: as many as the environment's HADAL_FUZZ_INPUTS says.
  public static func inputCount(otherwise usual: Int) -> Int {
    ProcessInfo.processInfo.environment["HADAL_FUZZ_INPUTS"].flatMap(Int.init) ?? usual
  }

  /// The next input, of at most about four times the longest seed's length.
  public mutating func next() -> [UInt8] {
    var bytes = pick()
    for _ in 0..<Int.random(in: 0...5, using: &random) { mutate(&bytes) }
    return bytes
  }

  /// Cuts an input into pieces, as a network might.
  public mutating func cut(_ bytes: [UInt8]) -> [[UInt8]] {
    var pieces: [[UInt8]] = []
    var rest = bytes[...]
    let longest = [1, 3, 40].randomElement(using: &random) ?? 1
    while !rest.isEmpty {
      let count = Int.random(in: 1...longest, using: &random)
      pieces.append(Array(rest.prefix(count)))
      rest = rest.dropFirst(count)
    }
    return pieces
  }

  private mutating func pick() -> [UInt8] { corpus.randomElement(using: &random) ?? [] }

  private mutating func mutate(_ bytes: inout [UInt8]) {
    let start = Int.random(in: 0...bytes.count, using: &random)
    let end = min(bytes.count, start + Int.random(in: 0...12, using: &random))
    switch Int.random(in: 0..<9, using: &random) {
    case 0: bytes.removeSubrange(start..<end)
    case 1: bytes.insert(contentsOf: bytes[start..<end], at: start)
    case 2: bytes.insert(contentsOf: word(), at: start)
    case 3: bytes.replaceSubrange(start..<end, with: word())
    case 4: splice(&bytes, at: start)
    case 5: changeNumber(&bytes, from: start)
    case 6: repeatRange(&bytes, start..<end)
    case 7 where start < end: bytes[start] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    default:
      for index in start..<end where Bool.random(using: &random) {
        bytes[index] = UInt8.random(in: 0...255, using: &random)
      }
    }
  }

  private mutating func word() -> [UInt8] { words.randomElement(using: &random) ?? [] }

  /// The beginning of one seed and the end of another.
  private mutating func splice(_ bytes: inout [UInt8], at position: Int) {
    let other = pick()
    bytes.removeSubrange(position...)
    bytes += other[Int.random(in: 0...other.count, using: &random)...]
  }

  /// Puts another number in the place of the next one.
  private mutating func changeNumber(_ bytes: inout [UInt8], from position: Int) {
    func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    guard let first = bytes[position...].firstIndex(where: isDigit) else { return }
    let last = bytes[first...].prefix(while: isDigit).endIndex
    let numbers = ["0", "1", "00", "-1", "255", "2147483648", "9223372036854775808", "1e9", "0x10"]
    bytes.replaceSubrange(first..<last, with: (numbers.randomElement(using: &random) ?? "").utf8)
  }

  /// Repeats some bytes often, within bounds.
  private mutating func repeatRange(_ bytes: inout [UInt8], _ range: Range<Int>) {
    let copy = Array(bytes[range])
    guard !copy.isEmpty, bytes.count < 4000 else { return }
    for _ in 0..<Int.random(in: 1...(256 / copy.count + 1), using: &random) {
      bytes.insert(contentsOf: copy, at: range.lowerBound)
    }
  }
}
