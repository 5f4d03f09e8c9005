"""Element-wise functions that are written once, for NumPy, torch and C.

A formula is a Python function of a set of functions (exp, where, ..), of operands and of numbers.
The oracle calls it with NumPy's functions on arrays, the simulation with torch's on tensors, and
the kernels are made of it with functions that write down C.
"""

from trainlet.ops.formula import binary, unary

__all__ = ["binary", "unary"]
