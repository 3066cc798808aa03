// The shell around PCRE2, and the only unsafe code of this target. A compiled pattern is immutable
// and shared; everything a match writes to lives in a RegexMatcher, which one encode call owns.
// PCRE2: https://www.pcre.org/current/doc/html/pcre2api.html, pcre2jit.html.

import CPCRE2

struct RegexError: Error, Equatable {
  let reason: String
}

/// A compiled pattern.
@safe final class Regex: @unchecked Sendable {
  // Unchecked because of the pointer. No queue guards it: nothing writes to a pcre2_code between
  // init and deinit, and PCRE2 documents it as shareable between threads (pcre2api, section
  // "Multithreading", JIT code included).
  fileprivate let code: OpaquePointer

  /// A literal is searched for as it stands.
  convenience init(literal: String) throws(RegexError) {
    try self.init(text: literal, options: PCRE2_UTF | PCRE2_LITERAL)
  }

  /// A pattern in the syntax of Oniguruma, as tokenizer files hold it.
  convenience init(oniguruma pattern: String) throws(RegexError) {
    try self.init(
      text: try RegexPattern.translate(pattern),
      options: PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C)
  }

  private init(text: String, options: UInt32) throws(RegexError) {
    guard let context = unsafe pcre2_compile_context_create_8(nil) else {
      throw RegexError(reason: "no memory for a pattern")
    }
    defer { unsafe pcre2_compile_context_free_8(context) }
    unsafe pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
    var status: Int32 = 0
    var offset = 0
    let bytes = Array(text.utf8)
    let compiled = unsafe bytes.withUnsafeBufferPointer { buffer in
      // PCRE2 wants a pointer even for an empty pattern.
      var empty: UInt8 = 0
      return unsafe withUnsafePointer(to: &empty) { placeholder in
        unsafe pcre2_compile_8(
          buffer.baseAddress ?? placeholder, buffer.count, options, &status, &offset,
          context)
      }
    }
    guard let compiled = unsafe compiled else {
      throw RegexError(reason: "regular expression: error \(status) at offset \(offset)")
    }
    unsafe code = compiled
    // Without JIT (an unusual build, or no executable memory) the interpreter serves.
    unsafe pcre2_jit_compile_8(compiled, PCRE2_JIT_COMPLETE)
  }

  deinit { unsafe pcre2_code_free_8(code) }
}

/// What matching writes to: match data and the stack of the compiled code. Not shared.
@safe struct RegexMatcher: ~Copyable {
  private let data: OpaquePointer
  private let context: OpaquePointer
  private let stack: OpaquePointer?

  /// Start and largest size of the stack of compiled code, which grows on demand.
  private static let stackBytes = (first: 32 << 10, largest: 64 << 20)

  init() {
    guard let data = unsafe pcre2_match_data_create_8(1, nil),
      let context = unsafe pcre2_match_context_create_8(nil)
    else { preconditionFailure("no memory to match a pattern") }
    unsafe self.data = data
    unsafe self.context = context
    unsafe stack = pcre2_jit_stack_create_8(
      Self.stackBytes.first, Self.stackBytes.largest, nil)
    unsafe pcre2_jit_stack_assign_8(context, nil, stack.map { unsafe UnsafeMutableRawPointer($0) })
  }

  deinit {
    unsafe pcre2_match_data_free_8(data)
    unsafe pcre2_match_context_free_8(context)
    if let stack = unsafe stack { unsafe pcre2_jit_stack_free_8(stack) }
  }

  /// Calls `body` with each match in `bytes[range]`, which must be whole UTF-8 characters; what
  /// lies outside the range does not exist for the pattern. The order and the treatment of empty
  /// matches are those of the onig crate's `find_iter`: an empty match right after a match does not
  /// count. A match that runs out of stack or of PCRE2's backtracking budget ends the search, as if
  /// no match followed.
  borrowing func forEachMatch(
    of regex: Regex, in bytes: [UInt8], _ range: Range<Int>, _ body: (Range<Int>) -> Void
  ) {
    unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      let subject = unsafe base + range.lowerBound
      let vector = unsafe pcre2_get_ovector_pointer_8(data)
      var from = 0
      var lastMatchEnd: Int?
      while from <= range.count {
        let status = unsafe pcre2_match_8(
          regex.code, subject, range.count, from, PCRE2_NO_UTF_CHECK, data, context)
        guard status >= 0, let vector = unsafe vector else { return }
        let (start, end) = unsafe (Int(vector[0]), Int(vector[1]))
        // `\K` in a lookahead can report a start behind the end, or before the search began.
        guard start <= end, start >= from, end <= range.count else { return }
        if start == end, lastMatchEnd == end {
          from += 1
          while from < range.count, unsafe subject[from] & 0xC0 == 0x80 { from += 1 }
          continue
        }
        from = end
        lastMatchEnd = end
        body(range.lowerBound + start..<range.lowerBound + end)
      }
    }
  }
}
