import Testing
@testable import ClozeTraining
