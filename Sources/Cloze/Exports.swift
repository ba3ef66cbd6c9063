// Users of this module catch `ClozeError` without naming the module that defines it.
@_exported public import ClozeIO
