"""From an .onnx file to a Graph, by way of the rows that ATen's operators have.

The extra `onnx` brings the file format, and what the graph is compared with.
"""

from trainlet.frontends.onnx.importer import import_onnx

__all__ = ["import_onnx"]
