// The rules catch what they are for, and nothing else.

import Testing

@Suite("Repository rules")
struct RuleTests {
  private func rules(_ body: String, path: String = "Sources/JSON/A.swift") -> [String] {
    let file = SourceFile(path: path, text: "// Heading.\n" + body)
    return SourceRules.violations(in: file).map(\.rule)
      + ImportGraph.violations(in: file).map(\.rule)
  }

  @Test("long lines, counted in characters")
  func lines() {
    #expect(rules("// " + String(repeating: "é", count: 97)) == [])
    #expect(rules("// " + String(repeating: "é", count: 98)) == ["line of 101 characters"])
  }

  @Test("long files")
  func fileLength() {
    #expect(rules(String(repeating: "\n", count: 499)) == [])
    #expect(rules(String(repeating: "\n", count: 500)) == ["file of 501 lines"])
  }

  @Test("files without a heading")
  func heading() {
    let file = SourceFile(path: "Sources/JSON/A.swift", text: "import Glibc\n// Late.\n")
    #expect(SourceRules.violations(in: file).map(\.rule) == ["no comment opens the file"])
  }

  @Test("long functions in Swift, whatever they are called")
  func swiftFunctions() {
    let body = String(repeating: "  let x = 1\n", count: 69)
    for head in ["func long<T>(_ a: T = { 1 }()) throws(E) -> [T]", "init?(a: Int)", "deinit"] {
      let found = rules("struct A {\n\(head) {\n\(body)}\n}\n")
      #expect(found.count == 1 && found[0].hasSuffix("of 71 lines"), "\(head)")
      #expect(rules("struct A {\n\(head) {\n\(body.dropLast(12))}\n}\n") == [])
    }
    // Neither a requirement, nor a call, nor text that looks like a function.
    let others = "protocol P {\n  func a()\n  var b: Int { get }\n  init()\n}\nlet f = A.init\n"
    #expect(rules(others + body + body + "struct B { let x = 1 }\n") == [])
    #expect(rules("// func a() {\n" + body + "let s = \"func b() {\"\n" + body) == [])
    #expect(rules("func a() {\n  let s = \"\\(b(\"}\"))}\"\n  /* } */\n" + body + "}\n").count == 1)
    #expect(rules("let a = #\"func \"{\"#\nlet b = \"\"\"\n  func \" {\n\"\"\"\n" + body) == [])
  }

  @Test("long functions in C")
  func cFunctions() {
    let body = String(repeating: "  x += 1;\n", count: 69)
    let c = "Sources/CKernels/a.c"
    #expect(
      rules("static float dot(const float *a,\n  int n)\n{\n\(body)}\n", path: c)
        == ["function dot of 73 lines"])
    #expect(rules("struct s {\n\(body)};\nint a[] = {\n\(body)};\n", path: c) == [])
    #expect(rules("void a(void) {\n  char q = '\\'', b = '{';\n}\n\(body)", path: c) == [])
  }

  @Test("left-over markers, but not words that contain them")
  func markers() {
    #expect(rules("// TO" + "DO: later") == ["left-over marker TO" + "DO"])
    #expect(rules("let a = \"FIX" + "ME\"").count == 1)
    #expect(rules("let to" + "dos = 1") == [])
  }

  @Test("unsafe only where it may be")
  func unsafe() {
    let line = "let a = unsafe b\n"
    #expect(rules(line) == ["unsafe outside its targets"])
    #expect(rules("nonisolated(unsafe) var a = 1") == ["unsafe outside its targets"])
    #expect(rules(line, path: "Sources/Compute/A.swift") == [])
    #expect(rules(line, path: "Tests/JSONTests/A.swift") == [])
    #expect(rules("let unsafeValue = \"unsafe\"  // unsafe") == [])
  }

  @Test("forced try and printing")
  func calls() {
    #expect(rules("let a = try! b()") == ["forced try"])
    #expect(rules("let a = try !b(), c = try? d()") == [])
    #expect(rules("print(\"a\")") == ["print outside the executable"])
    #expect(rules("print(\"a\")", path: "Sources/hadal/A.swift") == [])
    #expect(rules("report.print(a); blueprint(b); let print = \"print(\"") == [])
  }

  @Test("unchecked Sendable needs its reason")
  func uncheckedSendable() {
    let declaration = "final class A: @unchecked Sendable {\n"
    #expect(rules(declaration + "}\n").count == 1)
    #expect(rules(declaration + "  // Unchecked: the queue guards it.\n}\n") == [])
    #expect(rules("/// Unchecked because of the queue.\n" + declaration + "}\n") == [])
    #expect(rules(declaration + "\n\n\n\n\n// Unchecked: too far away.\n}\n").count == 1)
  }

  @Test("imports against the graph")
  func imports() {
    #expect(rules("import Glibc\nimport Synchronization\n") == [])
    #expect(rules("import Platform\n") == ["JSON imports Platform"])
    #expect(rules("@testable import struct Weights.Checkpoint") == ["JSON imports Weights"])
    #expect(
      rules("public import Unknown", path: "Sources/hadal/A.swift") == ["hadal imports Unknown"])
    #expect(rules("import ArgumentParser", path: "Sources/hadal/A.swift") == [])
    #expect(rules("import Platform", path: "Sources/Compute/A.swift") == [])
    #expect(
      rules("import Compute", path: "Sources/Platform/A.swift") == ["Platform imports Compute"])
    #expect(rules("import Weights", path: "Tests/JSONTests/A.swift") == [])
    #expect(rules("let important = \"import Weights\"  // import Weights") == [])
    #expect(rules("", path: "Sources/Misc/A.swift") == ["belongs to no target of the graph"])
  }

  @Test("the manifest against the graph")
  func manifest() {
    let text = """
      let package = Package(
        dependencies: [.package(url: "https://example.org/x", from: "1.0.0")],
        targets: [
          .target(name: "JSON", swiftSettings: strict),
          .target(name: "Platform", dependencies: ["JSON"], swiftSettings: strict),
          .executableTarget(
            name: "hadal",
            dependencies: [
              "Serving", .product(name: "ArgumentParser", package: "swift-argument-parser"),
              .product(name: "Histogram", package: "hdrhistogram-swift"),
            ]),
          .target(name: "Misc", exclude: ["a.b"]),
          .testTarget(name: "JSONTests", dependencies: ["JSON", "TestSupport"]),
        ])
      """
    #expect(
      ImportGraph.violations(inManifest: text).map(\.description) == [
        "Package.swift:5: Platform depends on JSON", "Package.swift:6: hadal depends on Histogram",
        "Package.swift:12: Misc is not in the graph",
      ])
    #expect(
      ManifestTarget.all(in: text).map(\.name) == [
        "JSON", "Platform", "hadal", "Misc", "JSONTests",
      ])
  }

  @Test("the graph is one-way")
  func acyclic() {
    var known: Set<String> = []
    var rest = ImportGraph.targets
    while let next = rest.first(where: { $0.value.isSubset(of: known) }) {
      known.insert(next.key)
      rest[next.key] = nil
    }
    #expect(rest.isEmpty)
  }

  @Test("machine paths")
  func paths() {
    let file = SourceFile(path: "Makefile", text: "all:\n\tls /ho" + "me/me\n\tls ~/x /usr/home\n")
    #expect(PathRule.violations(in: file).map(\.line) == [2])
  }
}
