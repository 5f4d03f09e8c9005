"""An Open-CMSIS-Pack: its description (.pdsc), its files, and the .pack archive of both."""

from __future__ import annotations

import io
import re
import zipfile
from xml.etree import ElementTree

from trainlet.errors import TrainletError
from trainlet.export.package import Files, Package

SCHEMA = "1.7.32"
DATE = (1980, 1, 1, 0, 0, 0)
"""Of every file in the archive, so that the same package has the same bytes."""
LONGEST = 32
"""Characters of the name of a component."""
NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"


def files(package: Package) -> Files:
    """The pack as a folder, and as an archive in it."""
    about = package.about
    vendor = re.sub(r"[^A-Za-z0-9]+", "", about.author)
    if not vendor:
        raise TrainletError(
            f"author {about.author!r} has no letter of ASCII, and the vendor of a pack needs one; "
            "give another author"
        )
    inside: dict[str, str | bytes] = {
        f"{vendor}.{about.name}.pdsc": description(package, vendor),
        "README.md": package.fill("cmsis_pack/README.md", vendor=vendor),
        "templates/sensor.c": package.fill("cmsis_pack/sensor.c"),
        **package.under("src"),
    }
    return {**inside, f"{vendor}.{about.name}.{about.version}.pack": archive(inside)}


def description(package: Package, vendor: str) -> str:
    """The .pdsc file: one component for the trainer, one for each part of the libraries."""
    about, prefix = package.about, package.project.api.prefix
    root = ElementTree.Element("package", {"schemaVersion": SCHEMA})
    root.set("xmlns:xs", NAMESPACE)
    root.set("xs:noNamespaceSchemaLocation", "PACK.xsd")
    for tag, text in (
        ("vendor", vendor),
        ("name", about.name),
        ("description", about.summary),
        ("url", about.page),
    ):
        ElementTree.SubElement(root, tag).text = text
    releases = ElementTree.SubElement(root, "releases")
    ElementTree.SubElement(releases, "release", {"version": about.version}).text = "First release"
    components = ElementTree.SubElement(root, "components")
    _component(components, about.version, prefix[:LONGEST], about.summary, [
        *(_file(name) for name in package.project.sources),
        ("source", "templates/sensor.c", {"attr": "template", "select": "Learns from a sensor"}),
    ])  # fmt: skip
    if package.libraries:
        _component(components, about.version, "life", "Stores, old examples, lessons",
                   [_file(name) for name in package.libraries])  # fmt: skip
    ElementTree.indent(root)
    text = ElementTree.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


Listed = tuple[str, str, dict[str, str]]


def _file(name: str) -> Listed:
    hidden = name.endswith(("_kernels.h", "_weights.h"))  # only the trainer includes them
    more = {"scope": "hidden"} if hidden else {}
    return ("header" if name.endswith(".h") else "source", f"src/{name}", more)


def _component(
    parent: ElementTree.Element, version: str, sub: str, about: str, listed: list[Listed]
) -> None:
    attributes = {"Cclass": "Machine Learning", "Cgroup": "Trainlet", "Csub": sub}
    component = ElementTree.SubElement(parent, "component", {**attributes, "Cversion": version})
    ElementTree.SubElement(component, "description").text = about
    inside = ElementTree.SubElement(component, "files")
    for category, path, more in listed:
        ElementTree.SubElement(inside, "file", {"category": category, "name": path, **more})


def archive(inside: Files) -> bytes:
    """The files as a zip archive with the same bytes each time."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as pack:
        for name in sorted(inside):
            entry = zipfile.ZipInfo(name, DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            content = inside[name]
            pack.writestr(entry, content if isinstance(content, bytes) else content.encode())
    return made.getvalue()
