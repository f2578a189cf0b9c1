"""Node, which a Python package brings, and its packages, which `package-lock.json` beside this file pins."""

import os
import shutil
import subprocess
from pathlib import Path

from .sidecar import ROOT

HERE = Path(__file__).parent
FOLDER = ROOT / "target" / "sdk-node"
BIN = ROOT / "target" / "sdk-venv" / "bin"
NODE = BIN / "node"


def installed(program: Path) -> Path:
    """Installs the packages if they are not those of the lock file, and puts the program beside them."""
    lock = (HERE / "package-lock.json").read_text()
    mark = FOLDER / "installed.json"
    if not mark.exists() or mark.read_text() != lock:
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, FOLDER / name)
        path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(
            [BIN / "npm", "ci", "--silent", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            check=True,
            env={**os.environ, "PATH": path},
        )
        mark.write_text(lock)
    return Path(shutil.copy(program, FOLDER / program.name))
