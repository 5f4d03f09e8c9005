"""Many experiments with one program, each with its own parameters, data and learning rate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from trainlet.errors import DataError, ExperimentsDiverged, TrainletError, shown
from trainlet.ir.arguments import whole
from trainlet.ir.arrays import as_numbers
from trainlet.ir.graph import Graph, Node
from trainlet.ir.roles import LOSS, RATE, forward_part
from trainlet.ir.storage import storage
from trainlet.planning.program import APPLY, Program
from trainlet.run.device import Targets
from trainlet.run.simulated import NEW, OracleDevice
from trainlet.run.simulation.feed import input_values, learning_rates, target_values
from trainlet.run.simulation.front import AT_ONCE, Front, boundary_of
from trainlet.run.simulation.marks import can_be_marked, keeping, marked
from trainlet.run.simulation.recipe import Recipe
from trainlet.run.trainer import Inputs, Trainer, by_name, check_names


class Simulation:
    """The program's exact arithmetic for all experiments at once; arrays have a leading axis of
    experiments.  Constants, and what depends on nothing else, exist once."""

    def __init__(
        self,
        program: Program,
        experiments: int,
        device: str | torch.device = "cpu",
        seeds: Sequence[int] | None = None,
    ) -> None:
        """seeds: of the stochastic rounding, one for each experiment; None: the program's own.

        Raises UnsupportedError for an operator that torch has no entry for.
        """
        if not isinstance(program, Program):
            raise TrainletError(
                f"program is {shown(program)}; allowed: the result of trainlet.compile"
            )
        self.program, self.experiments = program, whole("experiments", experiments, 1)
        self.device, self._batch = _usable(device), storage(program.inputs[0]).shape[0]
        self._seeds = self._checked_seeds(seeds)
        forward = Graph(forward_part(program.graph).outputs)
        order = program.plan.order
        self._step = Recipe.of(program.graph, order)
        self._predict = Recipe.of(forward, order)
        self._boundary, front = boundary_of(program)
        begun = frozenset(self._boundary)
        self._front = Recipe.of(front, program.first.plan.order)
        self._rest = Recipe.of(forward, order, begun)
        self._rest_of_step = Recipe.of(program.graph, order, begun)
        apply = program.stages.get(APPLY)
        self._apply = None if apply is None else Recipe.of(apply.graph, apply.plan.order)
        self._one = OracleDevice(program)
        constants = {n.name: program.initial(n)[None] for n in program.constants}
        self._constants = {name: self._tensor(array) for name, array in constants.items()}
        self._held: dict[str, Tensor] = {}
        self.reset()

    def reset(self) -> None:
        """Restore the pretrained parameters of every experiment."""
        self._one.init()
        self._values = {
            n.name: self._tensor(np.stack([self._one.values[n.name]] * self.experiments))
            for n in self.program.kept
        }
        self._pending = torch.zeros(self.experiments, dtype=torch.int64)

    def front(self, x: Inputs) -> Front:
        """What the frozen layers make of n samples, x: [n, *sample], computed once.

        `step` and `predict` take `front[rows]` in the place of x, rows [E, batch] and [E, samples],
        and give the same bits.
        """
        given = by_name([n.name for n in self.program.inputs], x, "inputs")
        arrays = {name: as_numbers(array, f"input {name!r}")[None] for name, array in given.items()}
        samples, batch = _samples(arrays), self._batch
        parts = []
        for at in range(0, samples, AT_ONCE * batch):
            part = {name: array[:, at : at + AT_ONCE * batch] for name, array in arrays.items()}
            made = self._front({**self._constants, **self._leaves(part)})
            many = -(-_samples(part) // batch)
            parts.append([v.expand(many, *v.shape[1:]).flatten(0, 1) for v in made.values()])
        columns = (torch.cat(column)[:samples] for column in zip(*parts, strict=True))
        return Front(dict(zip(self._boundary, columns, strict=True)))

    def step(self, x: Inputs | Front, y: Targets, lr: ArrayLike | None = None) -> np.ndarray:
        """One step of every experiment on its own batch; the losses before it, float32 [E].

        x: [E, *input] in the layout of the user's model, y: [E, *target]; a leading axis of 1 is
        shared by all.  lr: one number, or [E].

        Raises DataError as Trainer.step does; ExperimentsDiverged where a loss is not finite:
        these experiments are then as they were, the others have taken their step.
        """
        sizes = 1, self.experiments
        rates = learning_rates(self.program.lr if lr is None else lr, self.experiments)
        begun = isinstance(x, Front)
        fed = {} if begun else input_values(self.program, x, sizes)
        fed |= {**target_values(self.program, y, sizes), RATE: rates}
        leaves = {name: value.to(self.device) for name, value in fed.items()}
        every = {**self._constants, **self._values, **leaves}
        if begun or self.program.features:
            made = x.batches(self._batch) if begun else self._made(every)
            results = self._rest_of_step(every, self._seeds, made)
        else:
            results = self._step(every, self._seeds)
        losses = results[LOSS].expand(self.experiments).cpu()
        learns = losses.isfinite() & self._finite(results)
        before = dict(self._values)
        self._take(results, learns)
        self._pending += learns
        if self._apply is not None:
            learns &= self._run_apply(leaves[RATE], learns, before)
        self._pending %= self.program.accumulate
        if not learns.all():
            raise ExperimentsDiverged(torch.nonzero(~learns).flatten().tolist(), losses.numpy())
        return losses.numpy()

    def hold(self, masks: Mapping[str, ArrayLike]) -> None:
        """Which elements of parameters stay as they are in the steps to come.

        masks: {parameter: bools in the layout of the user's model, or as many of these as there are
        experiments}, of all that hold any
        Raises DataError for another parameter or shape.
        """
        leaves = {n.name: n for n in self.program.params}
        self._held = {name: self._mask(leaves.get(name), name, masks[name]) for name in masks}

    def _mask(self, leaf: Node | None, name: str, mask: ArrayLike) -> Tensor:
        """[E or 1, *shape] in the layout of the device."""
        given = np.asarray(mask, bool)
        shape = None if leaf is None else storage(leaf).shape
        each = given if given.shape == (self.experiments, *(shape or ())) else given[None]
        if leaf is None or each.shape[1:] != shape or not can_be_marked(leaf):
            raise DataError(f"{name!r} is held by a mask of shape {given.shape}; allowed: "
                            "parameters that learn as a whole, and masks of their shape, one for "
                            "all experiments or one for each")  # fmt: skip
        return self._tensor(np.stack([marked(leaf, one) for one in each]))

    def predict(self, x: Inputs | Front) -> Any:
        """Logits [E, samples, ...] of any number of samples of each experiment; of a model of
        several outputs {name: array}.

        x: [E, samples, *sample], or [1, samples, *sample]: the same for all, and then what the
        frozen layers make of them is computed once.
        """
        if isinstance(x, Front):
            (size, samples), rows = x.shape, self._rows(x.shape[1])
            columns = {n: v[:, torch.from_numpy(rows).to(v.device)] for n, v in x.values.items()}
            return self._ended(Front(columns), size, samples)
        given = by_name([n.name for n in self.program.inputs], x, "inputs")
        check_names(self.program.inputs, given)
        arrays = {name: as_numbers(array, f"input {name!r}") for name, array in given.items()}
        samples, size = _samples(arrays), next(iter(arrays.values())).shape[0]
        if size == 1 and self.experiments > 1:
            front = self.front({name: array[0] for name, array in arrays.items()})
            return self._ended(front[self._rows(samples)[None]], size, samples)
        leaves = self._leaves(arrays)
        every = {**self._constants, **self._values, **leaves}
        if self.program.features:
            return self._shaped(self._rest(every, given=self._made(every)), samples)
        return self._shaped(self._predict(every), samples)

    def _made(self, every: Mapping[str, Tensor]) -> dict[Node, Tensor]:
        """What the front of a program that has one makes of inputs."""
        return dict(zip(self._boundary, self._front(every).values(), strict=True))

    def _ended(self, front: Front, size: int, samples: int) -> Any:
        """Predictions from whole batches of the boundary's values, [E or 1, rows, ..]."""
        begun = front.batches(self._batch)
        if size == 1 and self.experiments > 1:
            begun = {n: v.repeat(self.experiments, *[1] * (v.ndim - 1)) for n, v in begun.items()}
        return self._shaped(self._rest({**self._constants, **self._values}, given=begun), samples)

    def _rows(self, samples: int) -> np.ndarray:
        """Of whole batches: the last is filled up with the last sample."""
        batches = -(-samples // self._batch)
        return np.minimum(np.arange(batches * self._batch), samples - 1)

    def _leaves(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """The inputs' values [size * batches, *shape] of arrays [size, samples, ..]."""
        rows = self._rows(_samples(arrays))
        cut = {
            name: array[:, rows].reshape(-1, self._batch, *array.shape[2:])
            for name, array in arrays.items()
        }
        batches = len(rows) // self._batch
        fed = input_values(self.program, cut, (batches, batches * self.experiments))
        return {name: value.to(self.device) for name, value in fed.items()}

    def _shaped(self, results: Mapping[str, Tensor], samples: int) -> Any:
        """Each output [E, samples, ..] of its batches."""
        found: dict[str, np.ndarray] = {}
        batches = -(-samples // self._batch)
        for (name, n), value in zip(self.program.outputs.items(), results.values(), strict=True):
            shape = n.type.shape
            flat = value.expand(batches * self.experiments, *shape).cpu().numpy()
            rows = flat.reshape(self.experiments, batches * self._batch, *shape[1:])
            found[name] = rows[:, :samples]
        return found if len(found) > 1 else next(iter(found.values()))

    def state(self) -> dict[str, np.ndarray]:
        """The trained parameters [E, ...], in the layout of the user's model."""
        every = [trainer.state() for trainer in self._trainers()]
        return {name: np.stack([one[name] for one in every]) for name in every[0]}

    def load_state(self, state: Mapping[str, ArrayLike]) -> None:
        """Overwrite trained parameters, [E, ...]; those left out, and the optimiser's state, stay.

        Raises DataError for an unknown parameter, a wrong shape, NaN or infinity; nothing is
        changed then.
        """
        arrays = {name: np.asarray(value) for name, value in state.items()}
        for name, array in arrays.items():
            if array.shape[:1] != (self.experiments,):
                raise DataError(f"{name!r} has shape {array.shape}; allowed: {self.experiments} "
                                "parameters, one for each experiment")  # fmt: skip
        blobs = []
        for k, trainer in enumerate(self._trainers()):
            trainer.load_state({name: array[k] for name, array in arrays.items()})
            blobs.append(trainer.save())
        for k, blob in enumerate(blobs):
            self.load(k, blob)

    def save(self, experiment: int) -> bytes:
        """One experiment's whole trained state, as a device writes it: Trainer.load takes it."""
        return self._trainer(experiment).save()

    def load(self, experiment: int, blob: bytes) -> None:
        """Take a device's saved state; StateError for a damaged one or another program's."""
        self._one.load(blob)
        with torch.inference_mode():
            for name, value in self._values.items():
                value[experiment] = torch.from_numpy(self._one.values[name])
        self._pending[experiment] = self._one.pending

    def _trainers(self) -> Iterator[Trainer]:
        return (self._trainer(k) for k in range(self.experiments))

    def _trainer(self, experiment: int) -> Trainer:
        """The oracle with one experiment's state."""
        for name, value in self._values.items():
            self._one.values[name] = value[experiment].cpu().numpy()
        self._one.pending = int(self._pending[experiment])
        return Trainer(self.program, self._one)

    def _run_apply(self, rate: Tensor, learns: Tensor, before: dict[str, Tensor]) -> Tensor:
        """Apply the sums that are due; which experiments did not overflow.  The others are as they
        were before the step."""
        due = learns & (self._pending == self.program.accumulate)
        if not due.any():
            return torch.ones_like(due)
        assert self._apply is not None
        leaves = {**self._constants, **self._values, RATE: rate}
        results = self._apply(leaves, self._seeds)
        finite = self._finite(results)
        self._take(results, due & finite)
        lost = due & ~finite
        if lost.any():
            self._take({NEW + name: value for name, value in before.items()}, lost)
            self._pending[lost] -= 1
        return ~lost

    def _finite(self, results: Mapping[str, Tensor]) -> Tensor:
        """Which experiments' new values are all finite."""
        finite = torch.ones(self.experiments, dtype=torch.bool)
        for key, value in results.items():
            if key.startswith(NEW) and value.is_floating_point():
                each = value.flatten(1) if value.ndim > 1 else value[:, None]
                finite &= each.isfinite().all(1).expand(self.experiments).cpu()
        return finite

    def _take(self, results: Mapping[str, Tensor], learns: Tensor) -> None:
        """New values of the experiments that learn."""
        chosen = learns.to(self.device)
        for key, value in results.items():
            if key.startswith(NEW):
                name = key.removeprefix(NEW)
                if not learns.all():
                    mask = chosen.reshape(-1, *[1] * (value.ndim - 1))
                    value = torch.where(mask, value, self._values[name])
                if name in self._held:
                    value = keeping(self._values[name], value, self._held[name])
                self._values[name] = value

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.array(array, order="C")).to(self.device)

    def _checked_seeds(self, seeds: Sequence[int] | None) -> Tensor | None:
        if seeds is None:
            return None
        given = as_numbers(seeds, "seeds", TrainletError)
        good = given.dtype.kind in "iu" and given.shape == (self.experiments,)
        if not good or (given < 0).any() or (given >= 2**32).any():
            raise TrainletError(f"seeds={shown(seeds)}; allowed: {self.experiments} of 0..2^32-1")
        return torch.from_numpy(given.astype(np.int64)).to(self.device)


def _usable(device: Any) -> torch.device:
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).cpu()
    except Exception as error:  # torch has a kind of error for each kind of device
        raise TrainletError(
            f"device={shown(device)}: torch cannot use it ({str(error).splitlines()[0][:200]}); "
            "allowed: 'cpu', or 'cuda' where torch finds a GPU"
        ) from None
    return found


def simulate(
    program: Program,
    experiments: int,
    device: str | torch.device = "cpu",
    seeds: Sequence[int] | None = None,
) -> Simulation:
    """Train `experiments` copies of a compiled program at once, in torch: its integers bit for
    bit, float32 gradients within 1e-5.

    device: where torch computes, "cpu" or "cuda"; seeds: one for each experiment.
    """
    return Simulation(program, experiments, device, seeds)


def _samples(arrays: Mapping[str, np.ndarray]) -> int:
    counts = {array.shape[1] if array.ndim > 1 else 0 for array in arrays.values()}
    if len(counts) != 1 or 0 in counts:
        raise DataError(f"predict takes [experiments, samples, ...] with at least one sample; "
                        f"found {[array.shape for array in arrays.values()]}")  # fmt: skip
    return counts.pop()
