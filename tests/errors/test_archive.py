"""A .pt2 file that is damaged or hostile is refused, and none of its code runs."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import trainlet as tl
from errors.small import SHAPE, Small, saved
from trainlet.errors import FileError, UnsupportedError
from trainlet.frontends import archive

Files = dict[str, bytes]
WITNESS = "TRAINLET_TEST_CODE_RAN"


class Bomb:
    """Unpickled, it runs code that leaves a file behind."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple:
        return open, (str(self.witness), "w")


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    return saved(tmp_path_factory.mktemp("good")).read_bytes()


def unpacked(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as source:
        return {name: source.read(name) for name in source.namelist()}


def packed(files: Files, path: Path, compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path


def named(files: Files, end: str) -> str:
    return next(name for name in files if name.endswith(end))


def edit(files: Files, end: str, change: Callable) -> None:
    """Change a JSON document in place."""
    name = named(files, end)
    document = json.loads(files[name])
    change(document)
    files[name] = json.dumps(document).encode()


def torch_pickle(item: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(item, buffer)
    return buffer.getvalue()


def test_the_good_file_loads(good, tmp_path):
    path = packed(unpacked(good), tmp_path / "good.pt2")
    assert {n.name for n in tl.load(path).leaves("param")} == {
        "conv.weight", "conv.bias", "fc.weight", "fc.bias"
    }  # fmt: skip


@pytest.mark.parametrize("part", [0.001, 0.3, 0.6, 0.9, 0.99, 0.9999])
def test_truncated(good, tmp_path, part):
    path = tmp_path / "cut.pt2"
    path.write_bytes(good[: int(len(good) * part)])
    with pytest.raises(FileError, match=r"cut\.pt2: (truncated|not a \.pt2 archive)"):
        tl.load(path)


def test_every_kind_of_damage_is_an_error_of_ours_or_harmless(good, tmp_path):
    """A byte flipped here and there: an error of ours, or the same graph."""
    path, refused = tmp_path / "flipped.pt2", 0
    for at in range(0, len(good), 397):
        data = bytearray(good)
        data[at] ^= 0x41
        path.write_bytes(data)
        try:
            tl.load(path)
        except tl.TrainletError as error:
            refused += 1
            assert "flipped.pt2" in str(error)
    assert refused > len(good) // 397 // 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated"),
        (b"PK\x03\x04 and nothing else", "truncated"),
        (pickle.dumps({"a": 1}), "truncated"),
        (b"\x7fELF" + bytes(500), "truncated"),
    ],
)
def test_not_a_zip(tmp_path, content, message):
    path = tmp_path / "other.pt2"
    path.write_bytes(content)
    with pytest.raises(FileError, match=message):
        tl.load(path)


def test_absent_and_of_another_kind(tmp_path):
    with pytest.raises(FileError, match=r"none\.pt2: cannot be read: No such file"):
        tl.load(tmp_path / "none.pt2")
    with pytest.raises(FileError, match=r"allowed: .*\.pt2"):
        tl.load(tmp_path / "model.pth")
    with pytest.raises(FileError, match="not a .pt2 archive of torch 2.13"):
        tl.load(packed({"hello.txt": b"hello"}, tmp_path / "zip.pt2"))
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt2")
    with pytest.raises(FileError, match="not a .pt2 archive of torch 2.13"):
        tl.load(tmp_path / "script.pt2")


def pickled_weight(files: Files, witness: Path) -> None:
    """What torch.export.load would unpickle with code execution allowed."""

    def ask(document):
        next(iter(document["config"].values()))["use_pickle"] = True

    edit(files, "model_weights_config.json", ask)
    files[named(files, "weight_0")] = torch_pickle(Bomb(witness))


def pickled_constant(files: Files, witness: Path) -> None:
    def ask(document):
        document["config"]["extra"] = {
            "path_name": "opaque_obj_0", "is_param": False, "use_pickle": False,
            "tensor_meta": None,
        }  # fmt: skip

    edit(files, "model_constants_config.json", ask)
    files[named(files, "model_constants_config.json").replace(
        "model_constants_config.json", "opaque_obj_0")] = pickle.dumps(Bomb(witness))  # fmt: skip


def script_object(files: Files, witness: Path) -> None:
    pickled_constant(files, witness)
    name = named(files, "model_constants_config.json")
    files[name] = files[name].replace(b"opaque_obj_0", b"custom_obj_0")


def guard(files: Files, witness: Path) -> None:
    """Source text that torch compiles when the program is made a module."""
    edit(files, "model.json", lambda d: d.update(guards_code=[f"open({str(witness)!r}, 'w')"]))


def expression(files: Files, witness: Path) -> None:
    """Source text that sympy evaluates."""

    def ask(document):
        size = {"as_expr": {"expr_str": f"open({str(witness)!r}, 'w')", "hint": {"as_int": 1}}}
        document["graph_module"]["graph"]["tensor_values"]["x"]["sizes"][0] = size

    edit(files, "model.json", ask)


def module_by_name(files: Files, witness: Path) -> None:
    """A container whose description makes torch import a module."""
    context = {"default_factory_module": "this", "default_factory_name": "s", "dict_context": []}
    spec = {"type": "collections.defaultdict", "context": context, "children_spec": []}

    def ask(document):
        call = document["graph_module"]["module_call_graph"][0]
        call["signature"]["out_spec"] = json.dumps([1, spec])

    edit(files, "model.json", ask)


def enum_by_name(files: Files, witness: Path) -> None:
    context = json.dumps([{"__enum__": True, "fqn": "this:s", "name": "a"}])
    spec = {"type": "builtins.dict", "context": context, "children_spec": []}

    def ask(document):
        call = document["graph_module"]["module_call_graph"][0]
        call["signature"]["in_spec"] = json.dumps([1, spec])

    edit(files, "model.json", ask)


HOSTILE = {
    pickled_weight: (FileError, "contains a pickle, which can run code; refused"),
    pickled_constant: (FileError, "an object that is not a tensor .*opaque_obj_0.*; refused"),
    script_object: (FileError, "an object that is not a tensor .*custom_obj_0.*; refused"),
    guard: (FileError, "contains Python code .*; refused"),
    expression: (UnsupportedError, "dynamic shape .*export with fixed shapes"),
    module_by_name: (UnsupportedError, "takes or returns a collections.defaultdict"),
    enum_by_name: (FileError, "contains an enum; refused"),
}


@pytest.mark.parametrize("attack", HOSTILE, ids=lambda attack: attack.__name__)
def test_hostile_files_run_nothing(attack, good, tmp_path):
    witness, files = tmp_path / WITNESS, unpacked(good)
    attack(files, witness)
    kind, message = HOSTILE[attack]
    path = packed(files, tmp_path / "bad.pt2")
    for precision in ("float32", "int8"):
        with pytest.raises(kind, match=message):
            tl.compile(path, None, {"fc.bias": 1}, precision=precision)
    assert not witness.exists()


def test_sample_inputs_are_never_unpickled(good, tmp_path):
    """torch always reads them; it gets none."""
    witness, files = tmp_path / WITNESS, unpacked(good)
    files[named(files, "sample_inputs/model.pt")] = torch_pickle(Bomb(witness))
    assert tl.load(packed(files, tmp_path / "odd.pt2")).leaves("param")
    assert not witness.exists()


def test_the_bomb_works(tmp_path):
    """Unpickled without care, it leaves its mark: the tests above can fail."""
    witness = tmp_path / WITNESS
    torch.load(io.BytesIO(torch_pickle(Bomb(witness))), weights_only=False).close()
    assert witness.exists()


def test_two_files_of_one_name(good, tmp_path):
    """One reader may take the first, another the last."""
    path = tmp_path / "twice.pt2"
    with zipfile.ZipFile(path, "w") as made, pytest.warns(UserWarning, match="Duplicate"):
        for name, data in unpacked(good).items():
            made.writestr(name, data)
            if name.endswith("weights_config.json"):
                made.writestr(name, data.replace(b"false", b"true"))
    with pytest.raises(FileError, match="two files with the same name"):
        tl.load(path)


def test_a_second_archive_behind_the_inspected_one_is_not_read(good, tmp_path, monkeypatch):
    """What torch gets is packed anew out of what was inspected."""
    path = tmp_path / "tail.pt2"
    path.write_bytes(b"#!/bin/sh\n" + good)
    seen = []
    load = torch.export.load

    def spy(file):
        seen.append(file.getvalue())
        return load(file)

    monkeypatch.setattr(archive.torch.export, "load", spy)
    archive.read_archive(path)
    expected = unpacked(good)
    expected[named(expected, "sample_inputs/model.pt")] = b""
    assert unpacked(seen[0]) == expected and not seen[0].startswith(b"#!")


def test_a_zip_bomb(good, tmp_path, monkeypatch):
    files = unpacked(good) | {"small/extra/zeros": bytes(4 << 20)}
    path = packed(files, tmp_path / "bomb.pt2", zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 64 << 10
    monkeypatch.setenv("TRAINLET_MAX_FILE_BYTES", str(1 << 20))
    with pytest.raises(FileError, match=r"unpacked: [\d,]+ bytes; at most 1,048,576 are accepted"):
        tl.load(path)
    monkeypatch.delenv("TRAINLET_MAX_FILE_BYTES")
    assert tl.load(path).leaves("param")


def test_a_size_in_the_header_that_is_a_lie(good, tmp_path):
    """The central directory promises four gigabytes."""
    data = bytearray(good)
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = b"\xfe\xff\xff\xff"
    path = tmp_path / "lie.pt2"
    path.write_bytes(data)
    with pytest.raises(FileError, match="unpacked: .* at most"):
        tl.load(path)


@pytest.mark.parametrize("target", [
    "torch.ops.higher_order.cond", "torch.ops.trainlet.evil.default", "torch.hub.load",
    "builtins.exec", "_operator.attrgetter", "math.floor",
])  # fmt: skip
def test_other_targets_than_aten(good, tmp_path, target):
    files = unpacked(good)

    def change(document):
        document["graph_module"]["graph"]["nodes"][0]["target"] = target

    edit(files, "model.json", change)
    with pytest.raises(UnsupportedError, match=rf"operator {target}; allowed: ATen operators"):
        tl.load(packed(files, tmp_path / "op.pt2"))


@pytest.mark.parametrize(
    "text", [b"{", b"[" * 100_000 + b"]" * 100_000, b"\xff\xfe", b'{"graph_module": 5}', b"null"]
)
def test_json_that_is_none_or_nested_too_deeply(good, tmp_path, text):
    files = unpacked(good)
    files[named(files, "model.json")] = text
    with pytest.raises(FileError, match=r"odd\.pt2"):
        tl.load(packed(files, tmp_path / "odd.pt2"))


def test_a_weight_shorter_than_its_shape(good, tmp_path):
    files = unpacked(good)
    files[named(files, "weight_0")] = files[named(files, "weight_0")][:-4]
    with pytest.raises(FileError, match=r"short\.pt2"):
        tl.load(packed(files, tmp_path / "short.pt2"))


def test_an_encrypted_file(good, tmp_path):
    data = bytearray(good)
    at = -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        data[at + 8] |= 1
    path = tmp_path / "locked.pt2"
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"locked\.pt2"):
        tl.load(path)


def test_a_dynamic_shape(tmp_path):
    batch = torch.export.Dim("batch", min=1, max=8)
    inputs = (torch.zeros(2, *SHAPE[1:]),)
    program = torch.export.export(Small().eval(), inputs, dynamic_shapes=({0: batch},))
    path = tmp_path / "dynamic.pt2"
    torch.export.save(program, path)
    with pytest.raises(UnsupportedError, match="dynamic shape .*planned at compile time"):
        tl.load(path)
    with pytest.raises(UnsupportedError, match=r"input 'x' has a dynamic shape .*fixed shapes"):
        tl.compile(program, None, {"fc.bias": 1})
