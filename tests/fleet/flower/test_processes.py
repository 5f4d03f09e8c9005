"""The fleet as Flower's own processes: over loopback with TLS and keys, and simulated with Ray."""

import numpy as np
import pytest

pytest.importorskip("flwr", reason="Flower is not installed: make test-fleet installs it")

from fleet.flower.processes import Processes, free_port, write_certificates, write_node_key
from fleet.flower.test_flower import folder, setting_of
from trainlet.fleet.app import write_app

__all__ = ["folder"]
pytestmark = pytest.mark.slow
NO_INSTALL = ["--disable-runtime-dependency-installation"]


def learnt(folder, work) -> bool:
    """Whether the fleet wrote a model, and it is not the pretrained one."""
    if not (work / "app" / "model.npz").exists():
        return False
    start = setting_of(folder).recipe()
    with np.load(work / "app" / "model.npz") as file:
        return not np.allclose(start.shared.take(dict(file)), start.start)


def test_two_processes_over_tls_and_a_stranger(folder, tmp_path) -> None:
    """A node whose key is not registered is refused; the other learns."""
    write_certificates(tmp_path)
    for name in ("member", "stranger"):
        write_node_key(tmp_path, name)
    write_app(tmp_path / "app", setting_of(folder, rounds=1), 1)
    port = free_port()
    tls = ["--ssl-certfile", "server.pem", "--ssl-keyfile", "server.key", "--ssl-ca-certfile",
           "ca.pem", "--host", "127.0.0.1"]  # fmt: skip
    with Processes(tmp_path) as flower:
        flower.connect(port, secure=True)
        link = [*tls, "--port", str(port), "--enable-supernode-auth", *NO_INSTALL]
        flower.start("superlink.log", "flower-superlink", *link)
        flower.wait_for("superlink.log", "Uvicorn running on https")
        flower.finish("flwr", "supernode", "register", "member.pub", "loop")
        for name in ("stranger", "member"):
            node = [*tls, "--port", str(free_port()), "--superlink", f"127.0.0.1:{port}"]
            node += ["--root-certificates", "ca.pem", "--auth-supernode-private-key", f"{name}.key"]
            node += ["--node-config", f'data="{folder}/people/0.npz"']
            flower.start(f"{name}.log", "flower-supernode", *node)
        output = flower.finish("flwr", "run", "app", "loop", "--stream")
        assert learnt(folder, tmp_path), output
        flower.wait_for("superlink.log", "No SuperNode found with the given public key")
        assert "train message" in (tmp_path / "member.log").read_text()
        assert "train message" not in (tmp_path / "stranger.log").read_text()


def test_a_simulation_with_ray(folder, tmp_path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: make test-fleet RAY=1 installs it")
    write_app(tmp_path / "app", setting_of(folder, rounds=2), 2)
    port = free_port()
    with Processes(tmp_path) as flower:
        flower.connect(port, secure=False)
        link = ["--insecure", "--simulation", "--host", "127.0.0.1", "--port", str(port)]
        flower.start("superlink.log", "flower-superlink", *link, *NO_INSTALL)
        flower.wait_for("superlink.log", "Uvicorn running on http")
        nodes = ["--federation-config", "num-supernodes=2"]
        output = flower.finish("flwr", "run", "app", "loop", "--stream", *nodes)
        assert learnt(folder, tmp_path), output
