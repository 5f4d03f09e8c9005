"""All that Trainlet takes from torchao, which is optional: importing this needs it."""

from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e, prepare_qat_pt2e

from trainlet.frontends.quantizer import Int8Quantizer

__all__ = ["Int8Quantizer", "convert_pt2e", "prepare_pt2e", "prepare_qat_pt2e"]
