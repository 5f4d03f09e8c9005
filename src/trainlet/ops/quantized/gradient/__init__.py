"""Gradients in integers: the backward pass of the int8 operators without floating point.

A gradient in block floating point ("bfp") is two nodes: a tensor of mantissas, int16 or int8, and
an int32 scalar, their common exponent; real = mantissa * 2^exponent.  The last input of a node
that makes mantissas is their exponent.
"""
