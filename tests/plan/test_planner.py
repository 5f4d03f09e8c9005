"""Of several graphs of one step, the planner takes the one with the smallest arena."""

from plan.small import program
from trainlet.ir.graph import Graph
from trainlet.planning.planner import Planner


def test_the_smallest_arena_wins_and_the_first_of_equal_ones():
    whole = program().graph
    part = Graph({"logits": whole.outputs["logits"]}, whole.values)
    planner = Planner(tile=False)
    for graphs in ([whole, part], [part, whole]):
        graph, plan = planner.smallest(graphs)
        assert graph is part and plan.arena == planner(part).arena < planner(whole).arena
    again = Graph(part.outputs, part.values)
    assert planner.smallest([part, again])[0] is part
