"""Messages of a device with a memory, and attackers who follow it over rounds."""

import numpy as np
import pytest
import torch

import trainlet as tl
from trainlet.errors import TrainletError
from trainlet.fleet.encoding import decoded, encoding
from trainlet.fleet.member import Member, Recipe, work
from trainlet.fleet.message import NOTHING, Task, Update, join
from trainlet.privacy import ErrorFeedback
from trainlet.privacy.attacks.problem import Problem
from trainlet.privacy.attacks.search_space import natural
from trainlet.privacy.audit import Auditor
from trainlet.privacy.observed import observe
from trainlet.privacy.share import parse_share
from trainlet.run.dataset import Dataset

from .networks import picture, sigmoid_net

ZEROS = torch.zeros(1, 1, 8, 8)
ROUNDS, RATE = 4, 0.1


def auditor(feedback="fleet", **more) -> Auditor:
    training = tl.train(tl.prepare(sigmoid_net(), ZEROS, check=False), "full", stop_after="split")
    return Auditor(training, feedback=feedback, rounds=ROUNDS, lr=RATE, **more)


def problem_of(one: Auditor, text: str, follows: bool = True) -> Problem:
    share, victim = parse_share(text), one.victim
    messages = one._messages(picture(), np.array([2]), share, np.random.default_rng(0))
    rounds = [observe(message, share, True, start) for message, start in messages]
    rule = one.memory_of(share) if follows else None
    return Problem(victim, rounds, feedback=rule, space=natural(victim.shape, 0, 1))


@pytest.mark.parametrize(
    ("feedback", "text"),
    [
        ("fleet", "topk:0.1"), ("fleet", "topk:0.1,int8"), ("fleet", "prune:0.9,fp16"),
        ("dgc:0.9", "topk:0.1"), (ErrorFeedback(0.5, True, 1.0, 4, (0.5, 0.2)), "topk:0.1,int8"),
    ],
)  # fmt: skip
def test_the_truth_explains_all_messages_of_a_memory_that_the_attacker_follows(feedback, text):
    one = auditor(feedback)
    x, y = torch.from_numpy(picture()), torch.tensor([2])
    problem = problem_of(one, text)
    sent = sum(int(kept.sum()) for a_round in problem.rounds for kept in a_round.sent.values())
    followed = problem.surprise(x, y).item()
    assert followed < 0.55 * sent  # of errors with the expected variance the mean is 0.5
    assert problem_of(one, text, follows=False).surprise(x, y).item() > 100 * sent


def test_an_audit_attacks_the_messages_that_a_fleets_device_sends():
    text, x, y = "topk:0.1,int8", picture(), np.array([2], np.int32)
    program = tl.compile(sigmoid_net(), ZEROS, "full", target="host", optimizer=tl.SGD(RATE))
    recipe = Recipe(program, encoding(text))
    index = np.arange(recipe.shared.size)
    member = Member(0, Dataset(x, y), recipe.shared, index)
    model, sizes = recipe.start, recipe.shared.sizes
    one = auditor()
    share, rng = parse_share(text), np.random.default_rng(0)
    with program.build("host") as trainer:
        for number, (message, _) in enumerate(one._messages(x, y, share, rng), 1):
            task = Task(
                number, NOTHING, 0, 1, 0, float("nan"), join([model.astype("<f4").tobytes()])
            )
            sent = decoded(
                Update.decode(work(trainer, recipe, member, task.encode())).payload, sizes
            )
            model = model + sent
            parts = np.split(sent, np.cumsum(sizes)[:-1])
            for name, theirs in zip(recipe.shared.names, parts, strict=True):
                ours = -RATE * np.sort(message.dense()[name].reshape(-1))[::-1]
                assert np.count_nonzero(ours) == np.count_nonzero(theirs) > 0
                assert np.allclose(np.sort(theirs), ours, atol=0.02 * np.abs(ours).max())


def test_rounds_of_few_coordinates_add_up():
    one, six = (
        tl.audit(
            sigmoid_net(), ZEROS, x=picture(), y=[2], shares=["topk:0.05"], attacks=["dlg"],
            bounds=(0, 1), naive=False, rounds=rounds, lr=RATE, iterations=60,
        ).rows[0].psnr_db
        for rounds in (1, 6)
    )  # fmt: skip
    assert six > one + 5


@pytest.mark.parametrize("text", ["dgc", "dgc:1", "dgc:nan", "fleets", "", 3])
def test_another_rule_is_refused(text):
    with pytest.raises(TrainletError, match="allowed: none, fleet, or dgc:MOMENTUM"):
        auditor(text)
