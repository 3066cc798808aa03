// Names for addresses of code: which file is mapped there (proc_pid_maps(5)), and which function of
// it that is (elf(5)). For reports about this process alone; slow.

import Glibc

/// The files mapped as code when this was made, as far as given addresses lie in them.
struct ProgramSymbols {
  private struct Mapping {
    let addresses: Range<UInt>
    let offset: UInt
    let path: String
  }

  private let mappings: [Mapping]
  private let files: [String: ELFSymbols]

  init(for addresses: [UInt]) {
    let text = (try? FileReader.read("/proc/self/maps", limit: 16 << 20)) ?? []
    let mappings = text.split(separator: UInt8(ascii: "\n")).compactMap(Self.mapping)
    self.mappings = mappings.filter { addresses.contains(where: $0.addresses.contains) }
    var files: [String: ELFSymbols] = [:]
    for path in Set(self.mappings.map(\.path)) {
      if let bytes = try? FileReader.read(path, limit: 512 << 20) {
        files[path] = ELFSymbols(bytes)
      }
    }
    self.files = files
  }

  /// `7f00-7f10 r-xp 00001000 08:01 42 /lib/libc.so.6`
  private static func mapping(_ line: ArraySlice<UInt8>) -> Mapping? {
    let words = String(decoding: line, as: UTF8.self).split(separator: " ", maxSplits: 5)
    guard words.count == 6, words[1].contains("x"), let offset = UInt(words[2], radix: 16)
    else { return nil }
    let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
    let path = words[5].drop { $0 == " " }
    guard ends.count == 2, ends[0] < ends[1], path.hasPrefix("/") else { return nil }
    return Mapping(addresses: ends[0]..<ends[1], offset: offset, path: String(path))
  }

  /// `function + distance in file`, as far as that is known.
  /// - Parameter address: where a call returns to.
  func describe(_ address: UInt) -> String {
    let hexadecimal = "0x" + String(address, radix: 16)
    // The call itself: what it returns to may be the next function already.
    guard address > 0, let mapping = mappings.first(where: { $0.addresses.contains(address - 1) })
    else { return hexadecimal }
    let offset = address - 1 - mapping.addresses.lowerBound + mapping.offset
    let file = mapping.path.split(separator: "/").last ?? ""
    guard let symbol = files[mapping.path]?.function(atFileOffset: offset) else {
      return "\(hexadecimal) in \(file) + 0x\(String(offset + 1, radix: 16))"
    }
    return "\(Self.demangled(symbol.name)) + \(symbol.distance + 1) in \(file)"
  }

  /// The name as it is written in Swift; as it is where the runtime cannot tell.
  private static func demangled(_ name: String) -> String {
    typealias Demangle =
      @convention(c) (
        UnsafePointer<CChar>?, Int, UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<Int>?,
        UInt32
      ) -> UnsafeMutablePointer<CChar>?
    guard let symbol = unsafe dlsym(nil, "swift_demangle") else { return name }
    let demangle = unsafe unsafeBitCast(symbol, to: Demangle.self)
    guard let text = unsafe demangle(name, name.utf8.count, nil, nil, 0) else { return name }
    defer { unsafe free(text) }
    return unsafe String(cString: text)
  }
}
