// The element formats that GGUF files number, with the size of their blocks: what is needed to
// check where a tensor ends, also for formats that no kernel reads.

/// An element format of a GGUF file.
package struct GGUFFormat: Equatable, Sendable {
  /// As the format's reference implementation names it; `ElementFormat` has the same names.
  package let name: String
  /// Elements of a row that are encoded together, and their bytes.
  package let blockLength: Int
  package let blockBytes: Int

  /// The format with this number in tensor descriptions; nil when its blocks are not known here.
  package init?(number: UInt32) {
    guard let known = Self.known[number] else { return nil }
    (name, blockLength, blockBytes) = known
  }

  /// Numbers of ggml.h with name, elements and bytes of a block.
  private static let known: [UInt32: (String, Int, Int)] = [
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22), 7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4),
    27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36),
  ]

  /// Names for messages about formats of ik_llama.cpp, whose rows are not made of equal blocks or
  /// are interleaved.
  package static func name(of number: UInt32) -> String {
    known[number]?.0 ?? foreign[number] ?? "number \(number)"
  }

  private static let foreign: [UInt32: String] = [
    133: "Q6_0", 134: "IQ1_BN", 135: "IQ2_BN", 137: "IQ2_K", 138: "IQ3_K", 139: "IQ4_K",
    140: "IQ5_K", 141: "IQ6_K", 144: "IQ4_KS", 145: "IQ2_KS", 146: "IQ4_KSS", 151: "Q8_KV",
    152: "IQ5_KS", 153: "IQ2_KT", 154: "IQ3_KT", 155: "IQ4_KT", 156: "IQ3_KS", 157: "IQ2_KL",
    158: "IQ1_KT", 202: "Q4_0_R8", 206: "Q5_0_R4", 208: "Q8_0_R8", 210: "Q2_K_R4",
    211: "Q3_K_R4", 212: "Q4_K_R4", 213: "Q5_K_R4", 214: "Q6_K_R4", 220: "IQ4_NL_R4",
    223: "IQ4_XS_R8", 230: "BF16_R16", 339: "IQ4_K_R4", 344: "IQ4_KS_R4", 399: "Q8_K_R8",
  ]
}
