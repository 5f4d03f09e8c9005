"""The figures of papers, by their own rules and by ours."""

from collections.abc import Callable

from trainlet.accounting.published.sparse_update import sparse_update
from trainlet.accounting.published.table import PublishedTable
from trainlet.accounting.published.tinytl import tinytl
from trainlet.accounting.published.training_wall import training_wall
from trainlet.errors import DataError, shown
from trainlet.ir.arguments import closest

PUBLISHED: dict[str, Callable[[], PublishedTable]] = {
    "tinytl": tinytl,
    "sparse-update": sparse_update,
    "training-wall": training_wall,
}


def published(name: str) -> PublishedTable:
    """A paper's table of memory: "tinytl", "sparse-update" or "training-wall".

    Every figure is there as the paper printed it, in bytes by the paper's rules, and in bytes with
    all that a training step must keep.  Raises DataError for another name.
    """
    if not isinstance(name, str) or name not in PUBLISHED:
        known = ", ".join(PUBLISHED) + closest(name, PUBLISHED)
        raise DataError(f"no published table {shown(name)}; allowed: {known}")
    return PUBLISHED[name]()
