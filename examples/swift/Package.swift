// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "tour", dependencies: [.package(name: "cloze", path: "../..")],
  targets: [
    .executableTarget(name: "Tour", dependencies: [.product(name: "Cloze", package: "cloze")]),
    .executableTarget(
      name: "Train",
      dependencies: [.product(name: "Cloze", package: "cloze"), .product(name: "ClozeTraining", package: "cloze")]),
  ])
