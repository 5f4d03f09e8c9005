"""What a line of a random network may be, by the rank of what it reads.

A kind is a function of the drawing and of a value; it gives the text of an expression and the
statements of the parts that it needs, `{m}` being a name of its own.  A proposal that torch does
not take is dropped by the drawing, so a kind need not know every rule.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from fuzz.networks import divisors


@dataclass(frozen=True)
class Value:
    name: str
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(frozen=True)
class Proposal:
    """text: an expression, or (with "{v}") statements that make the value {v}."""

    text: str
    part: str = ""


Kind = Callable[[Random, Value, list[Value]], Proposal]
ACTIVATIONS = """nn.ReLU() nn.ReLU6() nn.Hardswish() nn.Hardsigmoid() nn.Sigmoid() nn.Tanh()
    nn.SiLU() nn.GELU() nn.GELU(approximate='tanh') nn.ReLU(inplace=True)
    nn.Hardtanh(0.0,6.0) nn.LeakyReLU(0.1) nn.ELU() nn.SELU() nn.CELU(0.7) nn.Softplus()
    nn.Mish() nn.PReLU() nn.Softsign() nn.LogSigmoid() nn.Hardshrink(0.3) nn.Softshrink(0.2)
    nn.Tanhshrink() nn.Threshold(0.1,-0.2)""".split()
FUNCTIONS = """F.relu({x}) F.relu6({x}) F.hardswish({x}) F.hardsigmoid({x}) F.silu({x}) F.gelu({x})
    torch.tanh({x}) torch.sigmoid({x}) {x}.clamp(0,6) {x}.clamp(min=0) F.hardtanh({x},-0.5,0.75)
    {x}.clamp(-0.4,0.9) {x}.clamp_min(0.0) F.leaky_relu({x}) F.elu({x},0.5) F.softplus({x},2.0)
    F.mish({x}) torch.sqrt({x}*{x}+1) torch.rsqrt({x}*{x}+0.5) torch.exp(0.3*torch.tanh({x}))
    torch.log({x}*{x}+0.5) {x}.abs() {x}**2 torch.tanh({x})**3 ({x}.abs()+0.3)**0.7
    torch.reciprocal({x}*{x}+1) {x}/({x}*{x}+1) torch.maximum({x},{x}*0.5)
    torch.minimum({x},-0.3*{x}) torch.where({x}>0,{x},0.1*{x}) {x}.masked_fill({x}<-0.5,0.2)
    torch.sin({x}) torch.cos(2*{x}) torch.erf({x})""".split()


def module(part: str) -> Proposal:
    return Proposal("self.{m}({x})", f"self.{{m}} = {part}")


def maps(v: Value) -> int:
    """1 for a sequence, 2 for a map."""
    return v.rank - 2


def convolution_text(rng: Random, channels: int, size: tuple[int, ...], same: bool = False) -> str:
    dims = len(size)
    groups = rng.choice([1, 1, 1, channels, *divisors(channels)])
    outputs = channels if same else groups * rng.choice([1, 1, 2, 3])
    if not same and groups == 1:
        outputs = rng.randint(1, 8)
    kernel = tuple(rng.choice([1, 1, 2, 3, 3, 4, 5]) for _ in size)
    if rng.random() < 0.6:
        kernel = (rng.choice([1, 3, 3, 5]),) * dims
    options = f", groups={groups}" if groups > 1 else ""
    if rng.random() < 0.25:
        options += ", bias=False"
    if same or rng.random() < 0.15:
        return f"nn.Conv{dims}d({channels}, {outputs}, {one(kernel)}, padding='same'{options})"
    stride = tuple(rng.choice([1, 1, 1, 2, 3]) for _ in size)
    padding = tuple(rng.randint(0, k) for k in kernel)
    if rng.random() < 0.7:
        stride, padding = (rng.choice([1, 1, 2]),) * dims, tuple(k // 2 for k in kernel)
    if rng.random() < 0.15:
        options += f", dilation={rng.choice([2, 3])}"
    if rng.random() < 0.1:
        options += f", padding_mode={rng.choice(['reflect', 'replicate', 'circular'])!r}"
    return (
        f"nn.Conv{dims}d({channels}, {outputs}, {one(kernel)}, {one(stride)}, {one(padding)}"
        f"{options})"
    )


def one(values: tuple[int, ...]) -> str:
    """A number where all are the same."""
    return str(values[0]) if len(set(values)) == 1 else str(values)


def convolution(rng: Random, x: Value, others: list[Value]) -> Proposal:
    return module(convolution_text(rng, x.shape[1], x.shape[2:]))


def norm_text(rng: Random, channels: int, dims: int) -> str:
    eps = rng.choice(["", "", ", eps=1e-3"])
    affine = rng.choice(["", "", "", ", affine=False"])
    group = f"nn.GroupNorm({rng.choice(divisors(channels))}, {channels}{eps}{affine})"
    return rng.choice([f"nn.BatchNorm{dims}d({channels}{eps}{affine})"] * 3 + [group])


def block(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """A convolution, a norm and an activation, as most networks have them."""
    channels, *size = x.shape[1:]
    text = convolution_text(rng, channels, tuple(size))
    outputs = int(text.split("(")[1].split(",")[1])
    norm = norm_text(rng, outputs, len(size))
    layers = [text, norm, rng.choice(ACTIVATIONS)]
    return module(f"nn.Sequential({', '.join(layers[: rng.choice([2, 3, 3])])})")


def residual(rng: Random, x: Value, others: list[Value]) -> Proposal:
    channels, *size = x.shape[1:]
    layers = [
        convolution_text(rng, channels, tuple(size), same=True),
        norm_text(rng, channels, len(size)),
        rng.choice(ACTIVATIONS),
    ]
    made = module(f"nn.Sequential({', '.join(rng.sample(layers, rng.choice([1, 2, 3])))})")
    how = rng.choice(["{x} + %s", "%s + {x}", "{x} - %s", "%s * {x}", "torch.cat([{x}, %s], 1)"])
    return Proposal(how % made.text, made.part)


def transposed_text(rng: Random, channels: int, size: tuple[int, ...]) -> str:
    dims = len(size)
    groups = rng.choice([1, 1, 1, channels, *divisors(channels)])
    outputs = groups * rng.choice([1, 1, 2, 3])
    kernel = tuple(rng.choice([1, 2, 2, 3, 4]) for _ in size)
    stride = tuple(rng.choice([1, 2, 2, 3]) for _ in size)
    padding = tuple(rng.randint(0, (k - 1) // 2) for k in kernel)
    more = tuple(rng.randint(0, s - 1) for s in stride)
    options = rng.choice(["", "", ", bias=False", f", dilation={rng.choice([2, 3])}"])
    return (
        f"nn.ConvTranspose{dims}d({channels}, {outputs}, {one(kernel)}, {one(stride)}, "
        f"{one(padding)}, {one(more)}, groups={groups}{options})"
    )


def larger(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """Up-sampled, or with a border, in one of many ways."""
    channels, *size = x.shape[1:]
    if rng.random() < 0.4:
        return module(transposed_text(rng, channels, tuple(size)))
    to = tuple(rng.randint(max(1, n // 2), 2 * n + 1) for n in size)
    pads = [rng.randint(0, min(2, n - 1)) for n in reversed(size) for _ in range(2)]
    mode = rng.choice(["reflect", "replicate", "circular"])
    kind = "linear" if len(size) == 1 else rng.choice(["bilinear", "bilinear", "bicubic"])
    corners = rng.choice(["True", "False"])
    smooth = f"F.interpolate({{x}}, size={one(to)}, mode={kind!r}, align_corners={corners})"
    return Proposal(rng.choice([
        f"F.interpolate({{x}}, scale_factor={rng.choice([2, 3, 1.5])})",
        f"F.interpolate({{x}}, size={one(to)})",
        f"F.pad({{x}}, {pads}, mode={mode!r})", smooth,
        *(["F.pixel_shuffle(torch.cat([{x}, {x}, {x}, {x}], 1), 2)"] if len(size) == 2 else []),
    ]))  # fmt: skip


def reordered(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """Slices repeated, left out, and in another order."""
    axis = rng.randint(1, x.rank - 1)
    size = x.shape[axis]
    index = [rng.randrange(-size, size) for _ in range(rng.randint(1, size + 1))]
    colons = ":, " * axis
    repeats = [1] * x.rank
    repeats[axis] = 2
    return Proposal(rng.choice([
        f"{{x}}.flip({axis})", f"{{x}}.roll({rng.randint(1, 3)}, {axis})",
        f"{{x}}[{colons}{index}]", f"{{x}}.repeat({', '.join(map(str, repeats))})",
        f"{{x}}.repeat_interleave(2, {axis})",
        f"F.channel_shuffle({{x}}, {rng.choice(divisors(x.shape[1]))})",
    ]))  # fmt: skip


def map_norm(rng: Random, x: Value, others: list[Value]) -> Proposal:
    return module(norm_text(rng, x.shape[1], maps(x)))


def pool(rng: Random, x: Value, others: list[Value]) -> Proposal:
    dims, which = maps(x), rng.choice(["Max", "Avg"])
    kernel = tuple(rng.choice([1, 2, 2, 3]) for _ in range(dims))
    if rng.random() < 0.5:
        return module(f"nn.{which}Pool{dims}d({kernel[0]})")
    stride = tuple(rng.choice([1, 2, 2, 3]) for _ in kernel)
    padding = tuple(rng.randint(0, k // 2) for k in kernel)
    options = ""
    if which == "Max" and rng.random() < 0.1:
        options = ", dilation=2"
    if which == "Avg" and rng.random() < 0.5:
        options = ", count_include_pad=False"
    if rng.random() < 0.2:
        options += ", ceil_mode=True"
    return module(f"nn.{which}Pool{dims}d({one(kernel)}, {one(stride)}, {one(padding)}{options})")


def adaptive(rng: Random, x: Value, others: list[Value]) -> Proposal:
    goal = tuple(rng.randint(1, max(1, min(n, 4))) for n in x.shape[2:])
    which = rng.choice(["Avg", "Avg", "Max"])
    return module(f"nn.Adaptive{which}Pool{maps(x)}d({one(goal)})")


def gate(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """Squeeze and excite."""
    channels, dims = x.shape[1], maps(x)
    layers = f"nn.AdaptiveAvgPool{dims}d(1), nn.Conv{dims}d({channels}, {channels}, 1)"
    last = rng.choice(["nn.Sigmoid()", "nn.Hardsigmoid()", "nn.ReLU6()"])
    return Proposal("{x} * self.{m}({x})", f"self.{{m}} = nn.Sequential({layers}, {last})")


def linear(rng: Random, x: Value, others: list[Value]) -> Proposal:
    bias = rng.choice(["", "", ", bias=False"])
    return module(f"nn.Linear({x.shape[-1]}, {rng.randint(1, 8)}{bias})")


def layer_norm(rng: Random, x: Value, others: list[Value]) -> Proposal:
    last = x.shape[-1:] if rng.random() < 0.7 else x.shape[rng.randint(1, x.rank - 1) :]
    affine = rng.choice(["", "", ", elementwise_affine=False", ", bias=False"])
    return module(f"nn.LayerNorm({list(last)}{affine})")


def twice(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """One layer's parameters read two times."""
    part = f"self.{{m}} = nn.Linear({x.shape[-1]}, {x.shape[-1]})"
    return Proposal("self.{m}(torch.tanh(self.{m}({x})))", part)


def attention(rng: Random, x: Value, others: list[Value]) -> Proposal:
    width = x.shape[-1]
    heads = rng.choice(divisors(width))
    part = f"self.{{m}} = nn.MultiheadAttention({width}, {heads}, batch_first=True)"
    return Proposal("{x} + self.{m}({x}, {x}, {x}, need_weights=False)[0]", part)


def scaled_dot(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """By the library's function, with its arguments, of one head or of a dimension of heads."""
    tokens = x.shape[-2]
    options = rng.choice(["", "", ", is_causal=True", ", scale=0.3", ", attn_mask=self.{m}"])
    part = ""
    if "self" in options:
        hidden = f"torch.ones({tokens}, {tokens}).tril()"
        mask = rng.choice([f"torch.randn({tokens}, {tokens})", f"{hidden} == 1",
                           f"({hidden} - 1) * 1e4"])  # fmt: skip
        part = f"self.register_buffer('{{m}}', {mask})"
    reads = rng.choice(["{x}, {x}, {x}", "torch.tanh({x}), {x}, {x}", "{x}, {x}, F.relu({x})"])
    return Proposal(f"F.scaled_dot_product_attention({reads}{options})", part)


def matrix(rng: Random, x: Value, others: list[Value]) -> Proposal:
    return Proposal(rng.choice([
        "{x} @ {x}.transpose(-1, -2)", "{x}.transpose(-2, -1) @ {x}", "{x}.mT @ torch.tanh({x})",
        "({x} @ {x}.mT).softmax(-1) @ {x}", "torch.matmul({x}, {x}.transpose(-2, -1)) * 0.5",
    ]))  # fmt: skip


def times_parameter(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """A parameter of the user's own: a number, a vector, a matrix, of any broadcasting shape."""
    shapes = [(), (), x.shape[-1:], (1,), (x.shape[1], *[1] * (x.rank - 2)), x.shape[1:]]
    shape = rng.choice(shapes)
    value = "torch.tensor(0.7)" if shape == () else f"0.5 * torch.randn({list(shape)}) + 0.8"
    part = f"self.{{m}} = nn.Parameter({value})"
    if rng.random() < 0.25:
        part = f"self.register_buffer('{{m}}', {value})"
    text = rng.choice(["{x} * self.{m}", "{x} + self.{m}", "self.{m} - {x}", "self.{m} * {x}"])
    if part.startswith("self.reg"):
        text = rng.choice([text, "{x} / (self.{m} + 3)", "{x} / self.{m}"])
    return Proposal(text, part)


def arithmetic(rng: Random, x: Value, others: list[Value]) -> Proposal:
    return Proposal(rng.choice([
        "{x} * 0.5", "{x} + 1", "1 - {x}", "{x} - 0.25", "-{x}", "{x} / 3", "2 * {x}",
        "torch.rsub({x}, 0.5)", "torch.add({x}, {x}, alpha=1)", "{x} * {x}", "{x} + {x}",
        "F.dropout({x}, 0.5, self.training)", "{x}.clone()", "{x}.contiguous()", "{x}.float()",
        "torch.neg({x})", "torch.add({x}, 0.5)", "torch.square({x})",
    ]))  # fmt: skip


def activation(rng: Random, x: Value, others: list[Value]) -> Proposal:
    if rng.random() < 0.5:
        return module(rng.choice(ACTIVATIONS))
    return Proposal(rng.choice(FUNCTIONS))


def in_place(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """Written through views and slices."""
    half = max(1, x.shape[1] // 2)
    return Proposal(rng.choice([
        f"{{v}} = {{x}}.clone(); {{v}}[:, :{half}].mul_(2)",
        "{v} = {x} * 1; {v}.add_(0.5).mul_({x})",
        "{v} = {x} + 0.1; {v}[:, -1:] = 0.3",
        "{v} = {x} * 0.9; {v} += {x}",
        "{v} = torch.tanh({x}); F.relu_({v})",
    ]))  # fmt: skip


def joined(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """With an earlier value."""
    y = rng.choice(others or [x]).name
    axis = rng.randint(1, x.rank - 1)
    return Proposal(rng.choice([
        f"{{x}} + {y}", f"{{x}} - {y}", f"{{x}} * {y}", f"torch.cat([{{x}}, {y}], {axis})",
        f"torch.cat([{y}, {{x}}, {y}], {axis})", f"torch.cat([{{x}}, {y}], -1)",
        f"{{x}} + {y}.mean({axis}, keepdim=True)", f"torch.stack([{{x}}, {y}], {axis})",
    ]))  # fmt: skip


def part_of(rng: Random, x: Value, others: list[Value]) -> Proposal:
    axis = rng.randint(1, x.rank - 1)
    size = x.shape[axis]
    start = rng.randint(0, size - 1)
    colons = ":, " * axis
    return Proposal(rng.choice([
        f"{{x}}[{colons}{start}:]", f"{{x}}[{colons}: {max(1, size - start)}]",
        f"{{x}}[{colons}::2]", f"{{x}}.narrow({axis}, {start}, {max(1, (size - start) // 2)})",
        f"{{x}}.select({axis}, {start})", f"{{x}}.chunk(2, {axis})[0]",
        f"{{x}}.split({max(1, size // 2)}, {axis})[-1]", f"torch.unbind({{x}}, {axis})[{start}]",
        f"torch.cat([p * 0.5 for p in {{x}}.chunk(2, {axis})], {axis})",
        f"torch.cat(list(reversed({{x}}.split(1, {axis}))), {axis})",
    ]))  # fmt: skip


def moved(rng: Random, x: Value, others: list[Value]) -> Proposal:
    order = [0, *rng.sample(range(1, x.rank), x.rank - 1)]
    a, b = (rng.randint(1, x.rank - 1) for _ in range(2))
    pads = [rng.randint(0, 2) for _ in range(2 * rng.randint(1, max(1, x.rank - 2)))]
    return Proposal(rng.choice([
        f"{{x}}.permute({order})", f"{{x}}.transpose({a}, {b})", "{x}.flatten(1)",
        f"{{x}}.flatten({a})", "{x}.reshape({x}.shape[0], -1)", f"F.pad({{x}}, {pads})",
        f"{{x}}.unsqueeze({a})", "{x}.squeeze()", f"{{x}}.squeeze({a})",
        f"{{x}}.reshape({{x}}.shape[0], -1, {x.shape[-1]})",
        f"{{x}}.unsqueeze(1).expand(-1, 2, {', '.join(['-1'] * (x.rank - 1))})",
        f"{{x}}.unflatten(-1, (1, {x.shape[-1]}))",
    ]))  # fmt: skip


def reduced(rng: Random, x: Value, others: list[Value]) -> Proposal:
    axes = sorted(rng.sample(range(1, x.rank), rng.randint(1, x.rank - 1)))
    keep = rng.choice(["", ", keepdim=True"])
    how = rng.choice(["mean", "mean", "sum", "amax", "amin", "var", "std", "logsumexp", "norm"])
    dims = axes if len(axes) > 1 else axes[0]
    if how == "norm":
        return Proposal(f"{{x}}.norm({rng.choice([1, 2, 2])}, {dims}{keep})")
    return Proposal(f"{{x}}.{how}({dims}{keep})")


def normalized(rng: Random, x: Value, others: list[Value]) -> Proposal:
    axis = rng.randint(1, x.rank - 1)
    centred = "({x} - {x}.mean(-1, True)) / ({x}.var(-1, correction=0, keepdim=True) + 1e-3).sqrt()"
    ways = [
        f"F.normalize({{x}}, dim={axis})",
        f"{{x}}.log_softmax({axis})",
        f"F.rms_norm({{x}}, ({x.shape[-1]},))",
        centred,
    ]
    if x.rank > 2:
        ways += ["F.instance_norm({x})", "F.local_response_norm({x}, 2)"]
    return Proposal(rng.choice(ways))


def softmax(rng: Random, x: Value, others: list[Value]) -> Proposal:
    return Proposal(f"{{x}}.softmax({rng.choice([-1, -1, *range(1, x.rank)])})")


def strange(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """What may be refused, and must not be something else."""
    return Proposal(rng.choice([
        "{x}.detach() + {x}", "F.dropout({x}, 0.5)", "{x}.cumsum(1) * 0.3", "F.glu({x}, -1)",
        "torch.lerp({x}, 2 * {x}, 0.3)", "{x}.median(1)[0]", "{x}.max(1, keepdim=True)[0]",
        "torch.atan({x})", "{x} * ({x} > {x}.mean()).float()",
    ]))  # fmt: skip


def recurrent(rng: Random, x: Value, others: list[Value]) -> Proposal:
    layer = rng.choice(["LSTM", "LSTM", "GRU", "GRU", "RNN"])
    options = rng.choice([", batch_first=True"] * 3 + [""])
    options += rng.choice(["", "", ", bidirectional=True"]) + rng.choice(["", "", ", num_layers=2"])
    options += rng.choice(["", "", "", ", bias=False"])
    if layer == "RNN":
        options += rng.choice(["", ", nonlinearity='relu'"])
    made = module(f"nn.{layer}({x.shape[-1]}, {rng.randint(1, 6)}{options})")
    if "batch_first" not in options:
        return Proposal(f"{made.text}[0]", made.part)
    state = "[1][0]" if layer == "LSTM" else "[1]"
    how = rng.choice(["{}[0]"] * 3 + ["{}" + state + ".transpose(0, 1)"] + [
        "(lambda r: r[0].mean(1, keepdim=True)[:, :, :1] + r" + state + ".transpose(0, 1))({})"
    ])  # fmt: skip
    return Proposal(how.format(made.text), made.part)


def cell(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """A step of a recurrent layer, or some in a loop of Python."""
    layer = rng.choice(["LSTMCell", "GRUCell", "RNNCell"])
    part = f"self.{{m}} = nn.{layer}({x.shape[-1]}, {x.shape[-1]})"
    if layer == "LSTMCell":
        return Proposal("self.{m}({x}, self.{m}({x}))[0]", part)
    return Proposal(rng.choice(["self.{m}({x})", "self.{m}({x}, self.{m}({x}))"]), part)


def spectrum(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """Frames, and Fourier transforms of constant size."""
    axis, size = rng.randint(1, x.rank - 1), rng.randint(2, 9)
    transform = rng.choice([f"rfft({{x}}, dim={axis})", f"fft({{x}}, {size}, dim={axis})",
                            f"rfft({{x}}, {size}, norm='ortho')"])  # fmt: skip
    framed = f"torch.stft({{x}}, {size}, {max(1, size // 2)}, return_complex=True)"
    z = framed if x.rank == 2 and rng.random() < 0.5 else f"torch.fft.{transform}"
    return Proposal(rng.choice([
        f"{z}.abs()", f"{z}.real", f"torch.view_as_real({z}).flatten(-2)",
        f"(0.5 * {z}).abs() ** 2",
        f"{{x}}.unfold({axis}, {min(size, x.shape[axis])}, 2)",
    ]))  # fmt: skip


def contracted(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """A sum of products, with a parameter or with itself."""
    width, outputs = x.shape[-1], rng.randint(1, 6)
    if x.rank == 3 and rng.random() < 0.5:
        return Proposal(
            f"torch.einsum({rng.choice(['bij,bkj->bik', 'bij,bik->bkj'])!r}, {{x}}, {{x}})"
        )
    part = f"self.{{m}} = nn.Parameter(0.5 * torch.randn({width}, {outputs}))"
    return Proposal("torch.einsum('b...i,io->b...o', {x}, self.{m})", part)


def computed_weight(rng: Random, x: Value, others: list[Value]) -> Proposal:
    """A layer whose weight is a function of its parameters."""
    last = rng.random() < 0.5 or x.rank == 2
    layer = f"nn.Linear({x.shape[-1]}, {rng.randint(1, 6)})"
    layer = layer if last else convolution_text(rng, x.shape[1], x.shape[2:])
    how = rng.choice(["weight_norm", "weight_norm", "spectral_norm"])
    return module(f"nn.utils.parametrizations.{how}({layer})")


COMMON = {arithmetic: 2, activation: 4, joined: 4, part_of: 3, moved: 3, times_parameter: 2,
          in_place: 1, softmax: 1, normalized: 1, reordered: 2,
          spectrum: 1, contracted: 1, computed_weight: 1}  # fmt: skip
OF_MAPS = {block: 5, convolution: 4, residual: 4, map_norm: 2, pool: 3, adaptive: 1, gate: 1,
           larger: 2}  # fmt: skip
OF_TOKENS = {linear: 4, layer_norm: 3, attention: 2, scaled_dot: 2, matrix: 2, twice: 1, reduced: 1,
             recurrent: 3}  # fmt: skip
OF_VECTORS = {linear: 5, layer_norm: 2, twice: 2, cell: 1}


def kinds(x: Value) -> dict[Kind, int]:
    """With the weight of each."""
    own = dict(COMMON)
    if x.rank == 2:
        own |= OF_VECTORS
    if x.rank == 3:
        own |= {**OF_TOKENS, **OF_MAPS}
    if x.rank == 4:
        own |= {**OF_MAPS, layer_norm: 1, linear: 1, matrix: 1, scaled_dot: 1, reduced: 1}
    if x.rank > 4:
        own |= {reduced: 8, part_of: 6, linear: 2}
    return own
