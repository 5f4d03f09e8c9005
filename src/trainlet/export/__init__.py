"""A written C project as a package of the ecosystem in which a firmware is written."""

from trainlet.export.ecosystems import ECOSYSTEMS, write_package
from trainlet.export.package import About

__all__ = ["ECOSYSTEMS", "About", "write_package"]
