"""A training step as plain ONNX files, which any runtime executes without a training build."""
