"""Tiles change no bit, need fewer bytes, and check_plan sees when one goes wrong."""

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor, nn

import trainlet as tl
from trainlet.compiled import CompiledProgram
from trainlet.errors import DataError, PlanError, UnsupportedError
from trainlet.ir.graph import Node
from trainlet.ops.row_access import InputGradientRowAccess, RowAccess
from trainlet.planning.plan import Plan
from trainlet.planning.replay import check_plan
from trainlet.planning.tiles.tile import Band, Slide, Tile
from trainlet.run.simulated import ArenaDevice, OracleDevice
from trainlet.run.trainer import Trainer
from zoo import NETWORKS
from zoo.case import make_case


class Chain(nn.Module):
    """Convolutions of random shapes with skip connections, and a head."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = random.Random(seed)
        channels, layers = 3, []
        for _ in range(draw.randint(3, 6)):
            wide = draw.choice((4, 6, 8))
            kernel, stride = draw.choice((1, 2, 3, 5)), draw.choice((1, 1, 2))
            padding, dilation = draw.randint(0, kernel // 2), draw.choice((1, 1, 2))
            depthwise = wide == channels and draw.random() < 0.5
            layers.append(
                nn.Conv2d(channels, wide, kernel, stride, padding, dilation,
                          groups=wide if depthwise else 1)
            )  # fmt: skip
            channels = wide
        self.layers, self.act = nn.ModuleList(layers), draw.choice((nn.ReLU, nn.ReLU6))()
        self.pool = nn.MaxPool2d(2, 1) if draw.random() < 0.5 else nn.Identity()
        self.fc = nn.Linear(channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            y = self.act(layer(x))
            x = x + y if x.shape == y.shape else y
        return self.fc(self.pool(x).mean((2, 3)))


Learns = str | dict[str, float]
FIRST: Learns = {"layers.0.weight": 1.0}
"""The gradient passes through all layers, and nothing but the next layer reads it on its way."""
INTEGERS = {"int16": tl.Int8(gradient="int16"), "int8": tl.Int8(gradient="int8")}


def pair(
    seed: int, precision: str, learns: Learns
) -> tuple[CompiledProgram, CompiledProgram, object]:
    """A random chain compiled with tiles and without, and its data."""
    case = make_case(lambda: Chain(seed), (3, 29, 23), 3, batch=1)
    quantised = {} if precision == "float32" else {"calibration": [case.x.numpy()]}
    made = [
        tl.compile(case.model, case.x, learns, target="host", tile=tile,
                   precision=INTEGERS.get(precision, precision), **quantised)  # type: ignore[arg-type]
        for tile in (True, False)
    ]  # fmt: skip
    return *made, case


def step(device: Trainer, case: object) -> tuple[np.ndarray, float, dict[str, np.ndarray]]:
    x, y = case.x.numpy(), case.y.numpy()  # type: ignore[attr-defined]
    return device.predict(x), device.step(x, y), device.state()


WAYS = [(p, learns) for p in ("float32", "int8") for learns in ("last", "bias")]
BACK = [(p, FIRST) for p in ("float32", "int8", "int16")]


@pytest.mark.parametrize(
    ("seed", "precision", "learns"),
    [(s, *way) for s in (0, 1, 3) for way in WAYS] + [(s, *way) for s in (1, 4) for way in BACK],
)
def test_no_bit_changes(seed: int, precision: str, learns: Learns):
    """Oracle = arena in tiles (NumPy's float products depend on shapes: closely); C = C."""
    tiled, whole, case = pair(seed, precision, learns)
    oracle = step(Trainer(tiled, OracleDevice(tiled)), case)
    arena = step(Trainer(tiled, ArenaDevice(tiled)), case)
    c, plain = step(tiled.build("sanitized"), case), step(whole.build("host"), case)
    for (a, b), close in (((oracle, arena), precision == "float32"), ((c, plain), False)):
        tolerance = 1e-5 if close else 0
        for x, y in [(a[0], b[0]), (a[1], b[1]), *((a[2][k], b[2][k]) for k in a[2])]:
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


def test_rows_of_an_odd_number_of_bytes_slide_whole():
    """5 channels of 23 bytes: no word fits, and the last byte counts."""
    layers = [nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 7, 3, 2, padding=1),
              nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 3)]  # fmt: skip
    case = make_case(lambda: nn.Sequential(*layers), (3, 29, 23), 3, batch=1)
    tiled, whole = (
        tl.compile(case.model, case.x, "last", target="host", precision="int8", tile=tile,
                   calibration=[case.x.numpy()])
        for tile in (True, False)
    )  # fmt: skip
    slides = [
        s for t in tiled.plan.tiles for loop in t.loops for s in loop.body if isinstance(s, Slide)
    ]
    assert any(s.size % 4 for s in slides)
    (logits, loss, _), (expected, wanted, _) = (step(p.build("host"), case) for p in (tiled, whole))
    np.testing.assert_array_equal(logits, expected)
    assert loss == wanted


@pytest.mark.parametrize("learns", ["last", "bias", {"2.weight": 1.0}], ids=str)
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 2), (1, 4), (2, 3)])
def test_rows_that_no_window_holds(kernel: int, stride: int, precision: str, learns: Learns):
    """The last rows of a map of 32, which a layer without padding never reads: made where somebody
    else reads the map, and taken from the caller where the image comes in rows."""
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, kernel, stride),
              nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)]  # fmt: skip
    case = make_case(lambda: nn.Sequential(*layers), (3, 32, 32), 3, batch=1)
    more = {"calibration": [case.x.numpy()]} if precision == "int8" else {}

    def trained(**options: bool) -> tuple[np.ndarray, float, dict[str, np.ndarray]]:
        program = tl.compile(case.model, case.x, learns, target="host", precision=precision,
                             **options, **more)  # type: ignore[arg-type]  # fmt: skip
        assert bool(program.plan.tiles) == options["tile"] or learns != "last"
        return step(program.build("sanitized"), case)

    wanted = trained(tile=False)
    for options in ({}, {"stream": True}):
        if options and learns != "last":
            continue
        found = trained(tile=True, **options)
        assert found[1] == wanted[1] and np.array_equal(found[0], wanted[0])
        assert all(np.array_equal(found[2][k], wanted[2][k]) for k in wanted[2])


def test_tiles_are_really_used():
    """Of the chains above, most need fewer bytes in tiles."""
    fewer = [a.plan.arena < b.plan.arena and bool(a.plan.tiles)
             for a, b, _ in (pair(seed, "float32", "last") for seed in range(4))]  # fmt: skip
    assert sum(fewer) >= 3


def in_tiles(program: CompiledProgram) -> set[str]:
    return {n.op for tile in program.plan.tiles for n in tile.nodes}


@pytest.mark.parametrize("gradient", ["float32", "int16", "int8"])
@pytest.mark.parametrize(("stride", "kernel"), [pytest.param(1, 5, marks=pytest.mark.long), (2, 3)])
def test_a_gradient_makes_room_for_its_input_s(stride: int, kernel: int, gradient: str):
    """Depthwise, on a microcontroller: fewer bytes, the same bits."""
    layers = [
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU6(),
        nn.Conv2d(16, 16, kernel, stride, kernel // 2, groups=16), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 3),
    ]  # fmt: skip
    case = make_case(lambda: nn.Sequential(*layers), (3, 23, 16), 3, batch=1)
    tiled, whole = (
        tl.compile(case.model, case.x, {"0.bias": 1.0}, target="cortex-m7", tile=tile,
                   precision=tl.Int8(gradient=gradient), calibration=[case.x.numpy()])  # type: ignore[arg-type]
        for tile in (True, False)
    )  # fmt: skip
    form = "i8" if gradient == "float32" else "bfp"
    assert f"depthwise_{form}_dx" in in_tiles(tiled) and tiled.plan.arena < whole.plan.arena
    oracle = step(Trainer(tiled, OracleDevice(tiled)), case)
    for program, device in ((tiled, "unicorn"), (tiled, "sanitized"), (whole, "host")):
        found = step(program.build(device), case)
        assert found[1] == pytest.approx(oracle[1], rel=1e-5)
        for k, v in oracle[2].items():
            np.testing.assert_allclose(found[2][k], v, atol=1e-4 if gradient == "float32" else 0)


@pytest.mark.parametrize(
    ("seed", "learns", "op"), [(4, FIRST, "depthwise_dx"), (1, "bias", "sum_to")]
)
def test_gradients_in_rows_on_a_microcontroller(seed: int, learns: Learns, op: str):
    """Sums over rows go on where they were; the same bits as without rows."""
    case = make_case(lambda: Chain(seed), (3, 29, 23), 3, batch=1)
    tiled, whole = (
        tl.compile(case.model, case.x, learns, target="cortex-m7", tile=tile)
        for tile in (True, False)
    )
    assert op in in_tiles(tiled)
    assert tiled.plan.arena < whole.plan.arena
    found, wanted = step(tiled.build("unicorn"), case), step(whole.build("host"), case)
    assert found[1] == wanted[1]
    assert all(np.array_equal(found[2][k], wanted[2][k]) for k in wanted[2])


@given(
    st.integers(1, 5), st.integers(1, 3), st.integers(0, 4), st.integers(1, 2), st.integers(1, 9)
)
def test_the_rows_of_an_input_gradient(kernel, stride, padding, dilation, height):
    """As found by asking of every row which windows hold it."""
    reach = (kernel - 1) * dilation
    window, rows = (
        kind(kernel, stride, padding, dilation) for kind in (RowAccess, InputGradientRowAccess)
    )
    results = (height + 2 * padding - reach - 1) // stride + 1
    assume(results >= 1 and reach + 1 >= stride)
    holds = [
        [r for r in range(results)
         if r * stride - padding <= row <= r * stride - padding + reach]
        for row in range(height)
    ]  # fmt: skip
    for row, windows in enumerate(holds):
        first, stop = rows.span(row, row + 1, results)
        assert 0 <= first < stop <= results and set(windows) <= set(range(first, stop))
        assert not windows or (first, stop) == (windows[0], windows[-1] + 1)
    for made in range(results):
        whole = next((row for row, w in enumerate(holds) if w and w[-1] >= made), height)
        assert min(rows.ready(made), height) == whole
    assert window.ready(height + padding) == results


def test_what_it_saves():
    """A frozen MobileNetV2: three times less; its largest map, 64x64x96 after expansion, is never
    there as a whole."""
    case = NETWORKS["mobilenet_v2"](1)
    arenas = [
        tl.compile(case.model, case.x, "last", target="host", tile=tile).plan.arena
        for tile in (True, False)
    ]
    assert arenas[0] * 3 <= arenas[1]


def test_unlimited_targets_have_no_tiles():
    case = NETWORKS["mobilenet_v2"](1)
    assert not tl.compile(case.model, case.x, "last", target="host").plan.tiles


def tiled_plan() -> Plan:
    return pair(1, "float32", "last")[0].plan


def sliding(plan: Plan) -> Tile:
    return next(tile for tile in plan.tiles if tile.slides)


def with_tile(plan: Plan, change: Callable[[Tile], Tile]) -> Plan:
    tile = sliding(plan)
    return replace(plan, tiles=tuple(change(t) if t is tile else t for t in plan.tiles))


def changed(tile: Tile, rule: Callable[[Slide | Band], list[Slide | Band]]) -> Tile:
    loops = [
        replace(loop, body=tuple(s for b in loop.body for s in rule(b))) for loop in tile.loops
    ]
    return replace(tile, loops=tuple(loops))


def narrower_window(plan: Plan) -> Plan:
    n, size = max(sliding(plan).windows.items(), key=lambda item: item[1])
    return with_tile(plan, lambda t: replace(t, windows={**t.windows, n: size - 8}))


def no_slides(plan: Plan) -> Plan:
    return with_tile(plan, lambda t: changed(t, lambda s: [] if isinstance(s, Slide) else [s]))


def slides_too_little(plan: Plan) -> Plan:
    def rule(s: Slide | Band) -> list[Slide | Band]:
        return [replace(s, start=0)] if isinstance(s, Slide) else [s]

    return with_tile(plan, lambda t: changed(t, rule))


def one_turn_less(plan: Plan) -> Plan:
    return with_tile(
        plan,
        lambda t: replace(t, loops=tuple(replace(p, times=max(1, p.times - 1)) for p in t.loops)),
    )


def result_over_input(plan: Plan) -> Plan:
    """The window of the tile's first layer lies on its source."""
    first = sliding(plan).nodes[0]
    return replace(plan, offset={**plan.offset, first: plan.offset[first.inputs[0]]})


def rows_of_another_turn(plan: Plan) -> Plan:
    def rule(s: Slide | Band) -> list[Slide | Band]:
        if isinstance(s, Slide):
            return [s]
        return [replace(s, inputs=tuple(p and replace(p, advance=0) for p in s.inputs))]

    return with_tile(plan, lambda t: changed(t, rule))


def sum_begins_anew(plan: Plan) -> Plan:
    """Every part of a sum is as if it were the first."""

    def rule(s: Slide | Band) -> list[Slide | Band]:
        if isinstance(s, Slide) or s.node.op != "sum_to":
            return [s]
        first = Node("sum_to", s.call.inputs[:1], s.call.type, s.call.attrs)
        return [replace(s, call=first, inputs=s.inputs[:1])]

    summing = next(t for t in plan.tiles if any(n.op == "sum_to" for n in t.nodes))
    tiles = tuple(changed(t, rule) if t is summing else t for t in plan.tiles)
    return replace(plan, tiles=tiles)


def test_a_sum_that_begins_anew_is_seen():
    plan = pair(1, "float32", "bias")[0].plan
    check_plan(plan)
    with pytest.raises(PlanError, match="summed before"):
        check_plan(sum_begins_anew(plan))


@pytest.mark.parametrize(
    "fault",
    [narrower_window, no_slides, slides_too_little, one_turn_less, result_over_input,
     rows_of_another_turn],
)  # fmt: skip
def test_every_fault_is_seen(fault: Callable[[Plan], Plan]):
    plan = tiled_plan()
    check_plan(plan)
    with pytest.raises(PlanError):
        check_plan(fault(plan))


def test_the_image_makes_room_for_what_follows_from_it():
    """The result of a tile lies on rows of its source that have been read for the last time."""
    case = NETWORKS["mobilenet_v2"](1)
    plan = tl.compile(case.model, case.x, "last", target="host", tile=True).plan

    def meet(a: Node, b: Node) -> bool:
        first, second = sorted((plan.offset[n], plan.size[n]) for n in (a, b))
        return first[0] + first[1] > second[0]

    pairs = [o for tile in plan.tiles for o in tile.overlaps]
    assert any(meet(o.source, o.result) for o in pairs)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_an_image_that_comes_in_rows(precision: str):
    """The same bits with the image streamed, on the arena, in C, and on a microcontroller."""
    case = make_case(lambda: Chain(3), (3, 29, 23), 3, batch=1)
    more = {"calibration": [case.x.numpy()]} if precision == "int8" else {}
    made = [
        tl.compile(case.model, case.x, "last", target="cortex-m7", precision=precision,
                   stream=stream, **more)  # type: ignore[arg-type]
        for stream in (True, False)
    ]  # fmt: skip
    streamed, whole = made
    x = next(n for n in streamed.graph.leaves("input") if n.name == "x")
    assert streamed.plan.size[x] < x.type.nbytes // 3
    wanted = step(whole.build("host"), case)
    for device in ("host", "sanitized", "unicorn"):
        found = step(streamed.build(device), case)
        assert found[1] == wanted[1] and np.array_equal(found[0], wanted[0])
        assert all(np.array_equal(found[2][k], wanted[2][k]) for k in wanted[2])
    arena = step(Trainer(streamed, ArenaDevice(streamed)), case)
    np.testing.assert_allclose(arena[0], wanted[0], rtol=1e-5, atol=1e-5)


def test_a_call_that_ends_early_leaves_the_stream_in_order():
    """NaN in the first row ends the call; the rows that were not asked for are skipped."""
    case = make_case(lambda: Chain(3), (3, 29, 23), 3, batch=1)
    program = tl.compile(case.model, case.x, "last", target="cortex-m7", stream=True)
    device = program.build("unicorn").device
    good = device.predict({"x": case.x.numpy().transpose(0, 2, 3, 1)})
    bad = case.x.numpy().transpose(0, 2, 3, 1).copy()
    bad[0, 0, 0, 0] = np.nan
    with pytest.raises(DataError, match="not a finite number"):
        device.predict({"x": bad})
    assert np.array_equal(device.predict({"x": case.x.numpy().transpose(0, 2, 3, 1)}), good)


def test_what_cannot_come_in_rows():
    case = NETWORKS["mlp"](1)
    with pytest.raises(UnsupportedError, match="cannot come in rows"):
        tl.compile(case.model, case.x, "last", target="host", stream=True)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_weight_is_no_map(precision: str):
    """The joined weight [1,1,1,16] of a layer with one output looks like an image of one row."""
    layers = [nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 1, 1)]
    case = make_case(
        lambda: nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 3)),
        (3, 32, 32), 3, batch=1,
    )  # fmt: skip
    learns = {"2.weight": 0.5, "5.bias": 1.0}
    more = {"calibration": [case.x.numpy()]} if precision == "int8" else {}
    made = [
        tl.compile(case.model, case.x, learns, target="host", precision=precision, tile=tile,
                   **more)  # type: ignore[arg-type]
        for tile in (True, False)
    ]  # fmt: skip
    inside = {n.op for tile in made[0].plan.tiles for n in tile.nodes}
    assert inside and not inside & {"concat", "concat_i8"}
    tiled, whole = (step(program.build("host"), case) for program in made)
    assert tiled[1] == whole[1]
    assert all(np.array_equal(tiled[2][k], whole[2][k]) for k in whole[2])
