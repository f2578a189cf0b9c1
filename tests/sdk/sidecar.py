"""A sidecar as a program, on a folder of manifests."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target" / "debug" / "lotse-sidecar"


class Sidecar:
    """Starts on a copy of a folder, on a free port, and ends with the `with` block."""

    def __init__(self, folder: Path, namespace: str, files: dict[str, str] | None = None):
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(folder, self.folder, dirs_exist_ok=True)
        for name, text in (files or {}).items():
            (self.folder / name).write_text(text)
        self.namespace = namespace

    def __enter__(self) -> "Sidecar":
        ports = [flag for name in ("listen", "admin", "probes") for flag in (f"--{name}", "127.0.0.1:0")]
        command = [PROGRAM, "run", "--manifests", self.folder, "--namespace", self.namespace, *ports]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            if found := re.match(r"\s+calls\s+(\S+)", line):
                self.url = found[1]
                return self
        raise RuntimeError(f"the sidecar does not start; try {' '.join(map(str, command))}")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
        shutil.rmtree(self.folder)
