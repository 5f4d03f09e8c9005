"""From a .tflite file, int8 or float, to a Graph in TensorFlow Lite's own NHWC layout.

The extra `tflite` brings the file format's published schema.
"""

from trainlet.frontends.tflite.importer import import_tflite

__all__ = ["import_tflite"]
