"""A sidecar as a program, on a folder of manifests or without anything to obey."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "lotse-sidecar"


class Program:
    """Starts with these flags, and ends with the `with` block."""

    def __init__(self, *flags):
        self.command = [PROGRAM, "run", *flags]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.is_there()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()

    def metric(self, name: str) -> float:
        """The sum of a metric over all of its labels."""
        with urlopen(f"{self.probes}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(rf"{name}[ {{]", line))


class Sidecar(Program):
    """On a copy of a folder, on free ports."""

    def __init__(self, folder: Path, namespace: str, files: dict[str, str] | None = None):
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)
        for name, text in (files or {}).items():
            (self.folder / name).write_text(text)
        ports = [flag for name in ("listen", "admin", "probes") for flag in (f"--{name}", "127.0.0.1:0")]
        super().__init__("--manifests", self.folder, "--namespace", namespace, *ports)

    def is_there(self) -> None:
        """Reads where it listens."""
        urls = {}
        for line in self.process.stdout:
            if found := re.match(r"\s+(calls|probes)\s+(\S+)", line):
                urls[found[1]] = found[2]
            if len(urls) == 2:
                self.url, self.probes = urls["calls"], urls["probes"].removesuffix("/livez")
                return
        raise RuntimeError(f"the sidecar does not start; try {' '.join(map(str, self.command))}")

    def __exit__(self, *_):
        super().__exit__()
        shutil.rmtree(self.folder)


class Waiting(Program):
    """Without an operator that it could follow, so that there is nothing to obey."""

    def __init__(self):
        free = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        calls, admin, probes = (f"127.0.0.1:{server.getsockname()[1]}" for server in free)
        for server in free:
            server.close()
        self.url, self.probes = f"http://{calls}/v1", f"http://{probes}"
        super().__init__("--operator", "https://127.0.0.1:9", "--listen", calls, "--admin", admin, "--probes", probes)

    def is_there(self) -> None:
        """Asks until it answers."""
        for _ in range(500):
            try:
                urlopen(f"{self.probes}/livez").close()
                return
            except URLError:
                time.sleep(0.01)
        raise RuntimeError("the sidecar does not start")
