// swift-tools-version: 6.1
import PackageDescription

let strict: [SwiftSetting] = [.enableUpcomingFeature("InternalImportsByDefault")]

// Code that runs once for each file or call is compiled for size. Only in the project's own builds, as packages with
// unsafe flags cannot be dependencies.
let small: [SwiftSetting] =
  Context.environment["CLOZE_SMALL"] == nil ? strict : strict + [.unsafeFlags(["-Osize"])]

let package = Package(
  name: "cloze",
  products: [
    .library(name: "Cloze", targets: ["Cloze"]), .library(name: "ClozeTraining", targets: ["ClozeTraining"]),
    .library(name: "cloze", type: .dynamic, targets: ["ClozeABI"]),
    .executable(name: "cloze-command", targets: ["ClozeCommand"]),
    .executable(name: "cloze-benchmark", targets: ["ClozeBenchmark"]),
  ], dependencies: [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")],
  targets: [
    // The public C ABI, a hand-written header that ClozeABI implements.
    .systemLibrary(name: "CCloze", path: "include"),

    .target(name: "CClozeKernels"), .target(name: "CClozeSupport"),
    .target(
      name: "CClozeONNX", cxxSettings: [.define("ONNX_ML"), .define("ONNX_NAMESPACE", to: "onnx")],
      linkerSettings: [.linkedLibrary("onnx_proto"), .linkedLibrary("protobuf")]),

    .target(name: "ClozeIO", dependencies: ["CClozeSupport"], swiftSettings: strict),
    .target(name: "ClozeONNX", dependencies: ["CClozeONNX", "ClozeIO"], swiftSettings: small),
    .target(name: "ClozeTokenizer", dependencies: ["ClozeIO"], swiftSettings: strict),
    .target(
      name: "Cloze", dependencies: ["CClozeKernels", "CClozeSupport", "ClozeIO", "ClozeONNX", "ClozeTokenizer"],
      swiftSettings: strict),
    .target(
      name: "ClozeTraining", dependencies: ["CClozeKernels", "CClozeSupport", "ClozeIO", "Cloze", "ClozeTokenizer"],
      swiftSettings: strict),
    .target(
      name: "ClozeABI",
      dependencies: ["CCloze", "CClozeSupport", "ClozeIO", "Cloze", "ClozeTokenizer", "ClozeTraining"],
      swiftSettings: small),
    .executableTarget(
      name: "ClozeCommand",
      dependencies: [
        "CClozeKernels", "ClozeIO", "Cloze", "ClozeTokenizer", "ClozeTraining",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict),

    // What a CPU can do at most, to compare the kernels with.
    .target(name: "CClozeBenchmark"),
    .executableTarget(
      name: "ClozeBenchmark",
      dependencies: [
        "CClozeBenchmark", "CClozeKernels", "Cloze", "ClozeIO", "ClozeTokenizer",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ], swiftSettings: strict),

    .target(name: "ClozeKernelsTestSupport", dependencies: ["CClozeKernels"], path: "Tests/Kernels/Support"),
    .testTarget(name: "ClozeKernelsTests", dependencies: ["CClozeKernels", "ClozeKernelsTestSupport"]),
    .testTarget(name: "ClozeIOTests", dependencies: ["ClozeIO", "ClozeTestSupport"]),
    .testTarget(name: "ClozeTokenizerTests", dependencies: ["ClozeIO", "ClozeTokenizer"]),
    .testTarget(name: "ClozeONNXTests", dependencies: ["ClozeIO", "ClozeONNX", "ClozeTestSupport"]),
    .testTarget(
      name: "ClozeTests",
      dependencies: [
        "Cloze", "CClozeKernels", "ClozeIO", "ClozeONNX", "ClozeTokenizer", "CClozeTestSupport", "ClozeTestSupport",
      ]),
    .testTarget(
      name: "ClozeTrainingTests",
      dependencies: ["ClozeTraining", "Cloze", "CClozeKernels", "ClozeIO", "ClozeTokenizer", "ClozeTestSupport"]),
    .target(name: "ClozeTestSupport", path: "Tests/ClozeTestSupport"),
    .target(name: "CClozeTestSupport", path: "Tests/CClozeTestSupport"),
    .testTarget(name: "ClozeCommandTests", dependencies: ["ClozeCommand", "Cloze", "ClozeIO"]),
  ], swiftLanguageModes: [.v6], cLanguageStandard: .c11, cxxLanguageStandard: .cxx17)
