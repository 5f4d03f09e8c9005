"""A pipe, a socket, a device or a folder is refused as a file, and never waited for."""

import os
import socket
import zipfile

import numpy as np
import pytest

import trainlet as tl
from hostile.limited import outcome
from hostile.ways_in import READERS, write_good
from trainlet.errors import FileError, TrainletError, UnsupportedError
from trainlet.frontends import archive
from trainlet.ir.bounds import FILE_BYTES, GRAPH_NODES, NODES
from trainlet.ir.files import open_file, read_file
from trainlet.ir.graph import Graph
from trainlet.ir.types import TensorType
from trainlet.ir.zip_file import DIRECTORY_BYTES, open_zip
from trainlet.ops.op import build, leaf

EACH = pytest.mark.parametrize("kind", READERS)


def refused(kind, path):
    return outcome(lambda: READERS[kind](path))


@EACH
def test_what_is_no_regular_file(kind, tmp_path):
    pipe, folder, zero = (tmp_path / f"{name}.{kind}" for name in ("pipe", "folder", "zero"))
    os.mkfifo(pipe)
    folder.mkdir()
    zero.symlink_to("/dev/zero")
    assert refused(kind, pipe).startswith(f"FileError: {pipe}: is a pipe; ")
    assert refused(kind, folder).startswith(f"FileError: {folder}: is a folder; ")
    assert refused(kind, zero).startswith(f"FileError: {zero}: is a device; ")


@EACH
def test_a_socket_and_links_that_lead_nowhere(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket has at most 108 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"s.{kind}")
        assert refused(kind, f"s.{kind}").startswith(f"FileError: s.{kind}: is a socket; ")
    os.symlink(f"loop.{kind}", f"loop.{kind}")
    assert "FileError" in refused(kind, f"loop.{kind}")
    assert "No such file" in refused(kind, f"absent.{kind}")
    assert "FileError" in refused(kind, f"{'long' * 2000}.{kind}")


@EACH
def test_a_file_larger_than_the_bound(kind, tmp_path):
    """Its size alone refuses it: it is sparse, and reading it would take more than there is."""
    path = tmp_path / f"large.{kind}"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "1,099,511,627,776 bytes; at most 1,073,741,824 are accepted" in refused(kind, path)


def test_a_small_file_takes_little_memory(tmp_path):
    (tmp_path / "a").write_bytes(bytes(3 << 20))
    assert outcome(lambda: read_file(tmp_path / "a"), memory=64 << 20) == "accepted"
    assert read_file(tmp_path / "a", 3 << 20) == bytes(3 << 20)
    with pytest.raises(FileError, match="limit of 3,145,727 bytes"):
        read_file(tmp_path / "a", (3 << 20) - 1)


@pytest.mark.parametrize("path", ["a\0b.pt2", 5.5, None, ["a.pt2"], {}])
def test_what_is_no_path(path):
    with pytest.raises(FileError, match="is not the path of a file"):
        open_file(path)


@pytest.mark.parametrize("text", ["many", "-1", "0", "1e9", "9" * 5000, "٣"])
def test_a_bound_that_is_no_number(text, tmp_path, monkeypatch):
    monkeypatch.setenv(FILE_BYTES.variable, text)
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(TrainletError, match="TRAINLET_MAX_FILE_BYTES=.* whole number above 0"):
        open_file(tmp_path / "a")


def test_a_bound_that_the_user_moves(tmp_path, monkeypatch):
    path = write_good(tmp_path)["npz"]
    monkeypatch.setenv(FILE_BYTES.variable, "100")
    with pytest.raises(FileError, match=r"; set|, set TRAINLET_MAX_FILE_BYTES to a larger number"):
        READERS["npz"](path)
    monkeypatch.setenv(FILE_BYTES.variable, str(1 << 20))
    READERS["npz"](path)


def test_a_list_of_contents_that_is_huge(tmp_path):
    """200,000 files without content: the list alone would take 100 MB in Python."""
    path = tmp_path / "many.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(3):
            archive.writestr(f"{k}", b"")
    good = path.read_bytes()
    with open_zip(path) as archive:
        assert len(archive.namelist()) == 3
    at = good.rindex(b"PK\x05\x06") + 12
    path.write_bytes(good[:at] + (DIRECTORY_BYTES + 1).to_bytes(4, "little") + good[at + 4 :])
    with pytest.raises(FileError, match=r"many\.npz: its list of contents takes 8,388,609 bytes"):
        READERS["npz"](path)


def test_a_network_of_too_many_operations_is_not_unpacked(tmp_path, monkeypatch):
    """24 MB of lists, which are refused after the first few."""
    path, read = tmp_path / "many.pt2", []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/archive_format", b"pt2")
        made.writestr("archive/models/model.json", b"[" + b"[]," * (8 << 20) + b"[]]")
    parts = archive._parts
    monkeypatch.setattr(archive, "_parts", lambda text: read.append(len(text)) or parts(text))
    with pytest.raises(FileError, match="is too large for a network of 4,096 operations"):
        READERS["pt2"](path)
    assert sum(read) <= archive.PARTS_PER_NODE * NODES.default * 2


def test_a_graph_of_too_many_nodes(monkeypatch):
    x, weight = leaf("input", "x", TensorType((1, 4))), leaf("param", "w", TensorType((3, 4)))
    graph = Graph(
        {"logits": build("linear", build("relu", x), weight)}, {"w": np.ones((3, 4), "float32")}
    )
    assert tl.compile(graph, None, "last", target="host")
    monkeypatch.setenv(GRAPH_NODES.variable, "3")
    with pytest.raises(UnsupportedError, match="the graph: 4 nodes; at most 3 are accepted"):
        tl.compile(graph, None, "last", target="host")


def zeros(path, declared, written):
    """An .npz whose header declares an array of so many bytes and which holds so many zeros."""
    header = np.lib.format.header_data_from_array_1_0(np.zeros(1, np.float32))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(file, header | {"shape": (declared // 4,)})
            for _ in range(written >> 20):
                file.write(bytes(1 << 20))
        with archive.open("y.npy", "w") as file:
            np.lib.format.write_array(file, np.zeros(1, np.int64))
    return path


@pytest.mark.parametrize("kind", ["npz", "backbone.npz"])
@pytest.mark.parametrize(
    "declared, written, message",
    [
        (1 << 20, 2 << 20, "is not 2097152 bytes"),
        (1 << 40, 1 << 20, "is not 1048576 bytes"),
        (-(1 << 20), 1 << 20, "is not 1048576 bytes"),
        (9 << 20, 9 << 20, "the arrays unpacked: .* at most 8,388,608 are accepted"),
    ],
)
def test_arrays_that_unpack_to_more(kind, declared, written, message, tmp_path, monkeypatch):
    monkeypatch.setenv(FILE_BYTES.variable, str(8 << 20))
    path = zeros(tmp_path / f"bomb.{kind}", declared, written)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(TrainletError, match=message):
        READERS[kind](path)
    assert refused(kind, path).startswith(("DataError", "FileError"))
