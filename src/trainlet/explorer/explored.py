"""One network as the explorer sees it: its forward graphs, its layers, and settings of both."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram
from torch.nn import Module

from trainlet.adapt import lora, tinytl
from trainlet.compiled import CompiledProgram
from trainlet.compiler import plan, train
from trainlet.demo.keyword_spotter import load_pretrained
from trainlet.demo.personalise import bundled_lesson, calibration_clips
from trainlet.errors import SchemeError, TrainletError, UnsupportedError
from trainlet.explorer.requests import BATCHES, Forward, Precision, Recomputed, Setting
from trainlet.explorer.teaching import symbols_graph
from trainlet.frontends.losses import objective_of
from trainlet.frontends.network import import_network, opened
from trainlet.frontends.quantized import integer_precision
from trainlet.frontends.variants import Variants
from trainlet.ir.graph import Graph
from trainlet.ir.npz import read_npz
from trainlet.ir.scheme import UpdateScheme
from trainlet.ops.quantized.precision import Int8
from trainlet.ops.verify import verify
from trainlet.passes.leaf_names import distinct_names
from trainlet.passes.presets import choose, graph_parameters
from trainlet.passes.training import differentiate_once, step_of_scheme
from trainlet.planning.target import Target
from trainlet.schemes.compiled_cost import roomy
from trainlet.schemes.layers import Layers, layers_of

SPEECH, SYMBOLS = "keyword spotter (DS-CNN)", "symbol network"
"""The bundled networks."""
LOSS = objective_of("cross_entropy").losses
CALIBRATION = 128
ADAPTERS = {"lora": lora, "tinytl": tinytl}


@dataclass(frozen=True)
class Source:
    """Where a network and its data come from; it can be sent to another process.

    net: a .pt2, .onnx or .tflite file; None for a bundled network
    data: an .npz file with arrays x and y; None for none, or for the bundled clips
    bundled: SPEECH or SYMBOLS
    measured: what `trainlet search` measured of it; None for none, or for the bundled measurement
    """

    net: Path | None
    data: Path | None
    target: Target
    bundled: str = SPEECH
    measured: Path | None = None

    @property
    def name(self) -> str:
        return self.bundled if self.net is None else self.net.name

    def model(self) -> tuple[Any, Any]:
        """What `compile` takes, and its example."""
        if self.net is not None:
            return self.net, None
        if self.bundled == SYMBOLS:
            return symbols_graph(), None
        return load_pretrained(), torch.zeros(1, 1, 49, 10)


@dataclass
class Explored:
    """A network that was read, and what was made of it so far; each graph is made once.

    made: what answers keep for later ones
    """

    source: Source
    _forward: dict[Any, Graph] = field(default_factory=dict, init=False)
    _whole: dict[Any, Graph] = field(default_factory=dict, init=False)
    made: dict[Any, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        model, self._example = self.source.model()
        self._network = opened(model)
        self.own_precision = integer_precision(None, self._network)
        graph = import_network(self._network, self._example, check=False, losses=LOSS)
        graph = verify(distinct_names(graph))
        self._variants = Variants(
            self._network, graph, self._example, self._calibration(), False, LOSS
        )
        self.float_graph = graph

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
        """x, y to learn from and x, y to be tested with; of a file each fourth example is a test.

        Raises FileError for a file that cannot be read.
        """
        if self.source.data is not None:
            arrays = read_npz(self.source.data, ["x", "y"])
            x, y = arrays["x"], arrays["y"]
            test = np.arange(len(y)) % 4 == 3
            return x[~test], y[~test], x[test], y[test]
        if self.source.name != SPEECH:
            return None
        given = bundled_lesson()
        return given.learn.features, given.learn.label, given.test.features, given.test.label

    @cached_property
    def layers(self) -> Layers:
        """The layers, with the shares of each weight that can learn."""
        return layers_of(self.float_graph, precision=self.own_precision)

    @property
    def precisions(self) -> list[Precision]:
        """What the network can be trained in; a network of integers stays one."""
        if self.own_precision is not None:
            return ["int8"]
        return ["float32"] if isinstance(self._network, Graph) else ["float32", "int8"]

    @property
    def batches(self) -> list[int]:
        """A network from a file has one batch size."""
        return list(BATCHES) if isinstance(self._network, Module) else [1]

    def integer(self, asked: Forward) -> Int8 | None:
        """How it computes in int8; None in float32.  Raises UnsupportedError."""
        if asked.precision not in self.precisions:
            raise UnsupportedError(f"the network is int8; it does not train in {asked.precision}")
        if asked.batch not in self.batches:
            known = ", ".join(map(str, self.batches))
            raise UnsupportedError(f"batch {asked.batch}; allowed for this network: {known}")
        return integer_precision(asked.precision, self._network)

    def forward(self, asked: Forward, trained: tuple[str, ...] = ()) -> Graph:
        """The forward graph, of which these parameters will learn."""
        batch = asked.batch if isinstance(self._network, Module) else None
        return self._variants.forward(self.integer(asked), batch, trained)

    def adapted(self, asked: Setting) -> Graph:
        """The forward graph with the adapters that are asked for."""
        if asked.adapter == "none":
            return self.forward(asked, tuple(self.resolved(asked)))
        key = asked.precision, asked.batch, asked.adapter
        if key not in self._forward:
            self._forward[key] = ADAPTERS[asked.adapter](self.forward(asked))
        return self._forward[key]

    def resolved(self, asked: Setting) -> UpdateScheme:
        """The scheme with names of parameters.  Raises SchemeError for unknown ones."""
        scheme = asked.update_scheme()
        parameters = graph_parameters(self.float_graph)
        if isinstance(scheme, str):
            return choose(scheme, parameters)
        known = {p.name for p in parameters}
        for name in scheme:
            if name not in known:
                raise SchemeError(f"{name[:80]!r} is no parameter that can learn")
        return scheme

    def program(self, asked: Setting, target: Target | None = None) -> CompiledProgram:
        """The program as `compile` plans it with the input as a whole, whether it fits or not:
        without recomputation."""
        graph = self.adapted(asked)
        scheme = asked.update_scheme() if asked.adapter != "none" else self.resolved(asked)
        training = train(
            graph, scheme, optimizer=asked.make_optimizer(), precision=self.integer(asked)
        )
        if isinstance(asked, Recomputed):
            state = sum(n.type.nbytes for n in training.step.leaves("param", "state"))
            place = roomy(self.source.target)
            most = asked.arena + state + (place.stack if place.cpu else 0)
            return plan(training, place, stream=False, max_ram=most, max_recompute=2.0)
        place = target or roomy(self.source.target)
        return plan(training, place, stream=False, max_recompute=None)

    def step(self, asked: Setting) -> Graph:
        """The training step, in some ten milliseconds and not verified, to estimate from.

        Raises TrainletError where only `program` can make it.
        """
        if asked.adapter != "none":
            raise TrainletError("a step with adapters is planned, not estimated")
        scheme, integer = self.resolved(asked), self.integer(asked)
        norms = any(p.norm and not p.bias and p.name in scheme
                    for p in graph_parameters(self.float_graph))  # fmt: skip
        key = asked.precision, asked.batch, norms
        if key not in self._whole:
            parameters = graph_parameters(self.float_graph)
            every = UpdateScheme({p.name: 1.0 for p in parameters if norms or p.bias or not p.norm})
            graph = self.forward(asked, tuple(every))
            self._whole[key] = differentiate_once(graph, every, LOSS, integer)
        return step_of_scheme(self._whole[key], scheme, asked.make_optimizer(), integer)

    def _calibration(self) -> Any:
        """Batches that show the ranges of activations; None where there are none."""
        if isinstance(self._network, Graph):
            return None
        if self.source.name == SPEECH:
            return [calibration_clips()]
        if self.data is None or not isinstance(self._network, (Module, ExportedProgram)):
            return None
        return [self.data[0][:CALIBRATION].astype(np.float32)]
