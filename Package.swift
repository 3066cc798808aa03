// swift-tools-version: 6.2
import PackageDescription

/// Settings of every Swift target: unsafe constructs must be marked, and an unmarked one is an
/// error.
let strict: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatWarning("StrictMemorySafety", as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
]

let package = Package(
  name: "hadal",
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
  ],
  targets: [
    .target(name: "CKernels"),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CPCRE2", pkgConfig: "libpcre2-8", providers: [.apt(["libpcre2-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .target(name: "JSON", swiftSettings: strict),
    .target(name: "Platform", swiftSettings: strict),
    .target(name: "Compute", dependencies: ["CKernels", "Platform"], swiftSettings: strict),
    .target(name: "Text", dependencies: ["JSON", "CPCRE2"], swiftSettings: strict),
    .target(name: "Sampling", swiftSettings: strict),
    .target(
      name: "HTTP", dependencies: ["Platform", "COpenSSL", "CZlib"], swiftSettings: strict),
    .target(
      name: "Weights", dependencies: ["Compute", "Platform", "JSON", "CXXHash"],
      swiftSettings: strict),
    .target(name: "DeepSeek", dependencies: ["Compute", "Weights", "JSON"], swiftSettings: strict),
    .target(
      name: "Serving", dependencies: ["DeepSeek", "Sampling", "Platform", "Compute"],
      swiftSettings: strict),
    .target(
      name: "OpenAIAPI", dependencies: ["Serving", "Sampling", "Text", "HTTP", "JSON"],
      swiftSettings: strict),
    .target(
      name: "LoadTest",
      dependencies: [
        "HTTP", "JSON", "Platform",
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "hadal",
      dependencies: [
        "LoadTest", "OpenAIAPI", "Serving", "Sampling", "Text", "HTTP", "DeepSeek", "Weights",
        "Compute",
        "Platform", "JSON",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    .target(name: "AMXModel", dependencies: ["CKernels"], path: "Tests/AMXModel"),
    .target(
      name: "TestSupport", dependencies: ["JSON", "Platform", "AllocationCounter"],
      path: "Tests/TestSupport",
      swiftSettings: strict),
    .testTarget(name: "JSONTests", dependencies: ["JSON", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "PlatformTests", dependencies: ["Platform", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "ComputeTests", dependencies: ["AMXModel", "Compute", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "TextTests", dependencies: ["Text", "JSON", "Platform", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "SamplingTests", dependencies: ["Sampling", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "HTTPTests", dependencies: ["HTTP", "Platform", "COpenSSL", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "WeightsTests",
      dependencies: ["Weights", "Compute", "Platform", "JSON", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "DeepSeekTests",
      dependencies: [
        "DeepSeek", "Sampling", "Weights", "Compute", "Platform", "JSON", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ServingTests",
      dependencies: [
        "Serving", "DeepSeek", "Sampling", "Weights", "Compute", "Platform", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "OpenAIAPITests",
      dependencies: ["OpenAIAPI", "JSON", "Text", "HTTP", "Sampling", "Serving", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "LoadTestTests", dependencies: ["LoadTest", "HTTP", "JSON", "Platform", "TestSupport"],
      swiftSettings: strict),
    .testTarget(name: "RepositoryTests", swiftSettings: strict),
  ]
)
