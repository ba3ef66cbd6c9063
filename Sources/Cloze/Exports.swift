// What the public interface is made of, so that users need to import this module alone.
@_exported public import struct ClozeIO.ClozeError
@_exported public import func ClozeIO.defaultThreads
@_exported public import enum ClozeONNX.Activation
@_exported public import struct ClozeONNX.BERTConfiguration
@_exported public import enum ClozeONNX.Pooling
