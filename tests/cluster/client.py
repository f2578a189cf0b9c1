"""Writes the image of the tests' own pods, from what is installed on this machine: client.py ARCHIVE NAME REQUIREMENTS

Programs come with the libraries that `ldd` names, at the same paths; Python finds its own from where it lies.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from image import Layer, write

PYTHON = f"python3.{sys.version_info.minor}"
LIBRARY = f"/usr/{sys.platlibdir}/{PYTHON}"
PACKAGES = "/opt/packages"
# Half of Python's library by size, and nothing that a pod imports.
UNUSED = ("__pycache__", "_test*", "_tkinter*", "config-*", "dist-packages", "distutils", "ensurepip", "idlelib", "lib2to3",
          "pydoc_data", "site-packages", "test", "tests", "tkinter", "turtledemo")
# The first process of a container hears no signal that it doesn't ask for: a bare `sleep` would take half a minute to end.
WAIT = "trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done"


def libraries(*files: Path) -> set[Path]:
    """The shared libraries of these programs and libraries, the loader included."""
    found = set()
    for file in files:
        told = subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout
        found |= {Path(path) for path in re.findall(r"^\s*(?:\S+ => )?(/\S+) \(0x", told, re.MULTILINE)}
    return found


def strip(*files: Path) -> None:
    """Drops what only a debugger reads."""
    subprocess.run(["strip", "--strip-unneeded", *files], check=True)


class Programs:
    """Puts programs into layers, each with those libraries that no layer has yet."""

    def __init__(self, scratch: Path) -> None:
        self._bare = scratch / "bare"
        self._there: set[Path] = set()

    def add(self, layer: Layer, programs: dict[str, Path], modules: list[Path]) -> None:
        """Takes programs, and the libraries of these and of a layer's modules."""
        missing = libraries(*programs.values(), *modules) - self._there
        self._there |= missing
        for dest, program in {**programs, **{str(library): library for library in missing}}.items():
            shutil.copy(program, self._bare)
            strip(self._bare)
            layer.add(self._bare, dest)


def compile_python(folder: Path, at: str) -> None:
    """A pod may not write what Python would compile. Checked by no time: an image's files have none."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash",
                    "-s", folder, "-p", at, folder], check=True)


def python_layer(scratch: Path, programs: Programs) -> Layer:
    """Python, with its library."""
    folder = scratch / "library"
    shutil.copytree(sysconfig.get_path("stdlib"), folder, ignore=shutil.ignore_patterns(*UNUSED), symlinks=False)
    compile_python(folder, LIBRARY)
    modules = list(folder.rglob("*.so"))
    strip(*modules)
    layer = Layer()
    layer.add(folder, LIBRARY)
    layer.link("/usr/bin/python3", PYTHON)
    programs.add(layer, {f"/usr/bin/{PYTHON}": Path(sys.executable)}, modules)
    return layer


def programs_layer(programs: Programs) -> Layer:
    """busybox by all its names, curl, and the few files that programs expect."""
    busybox, curl = (Path(shutil.which(name) or name) for name in ("busybox", "curl"))
    layer = Layer()
    names = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for name in set(names) - {"busybox"}:
        layer.link(f"/bin/{name}", "busybox")
    programs.add(layer, {"/bin/busybox": busybox, "/usr/bin/curl": curl}, [])
    layer.folder("/tmp", 0o1777)
    layer.text("/etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n")
    layer.text("/etc/group", "root:x:0:\napp:x:1000:\n")
    layer.text("/etc/nsswitch.conf", "hosts: files dns\n")
    return layer


def packages_layer(scratch: Path, programs: Programs, requirements: str) -> Layer:
    """What the requirements name."""
    venv, folder = scratch / "venv", scratch / "packages"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile",
                    "--target", folder, "-r", requirements], check=True)
    compile_python(folder, PACKAGES)
    layer = Layer()
    layer.add(folder, PACKAGES)
    programs.add(layer, {}, list(folder.rglob("*.so")))
    return layer


def main() -> None:
    """The command above."""
    archive, name, requirements = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        scratch, programs = Path(folder), Programs(Path(folder))
        layers = [
            python_layer(scratch, programs),
            programs_layer(programs),
            packages_layer(scratch, programs, requirements),
        ]
    write(Path(archive), name, layers, {
        "Cmd": ["/bin/sh", "-c", WAIT],
        "User": "1000:1000",
        "Env": ["PATH=/usr/bin:/bin", "HOME=/tmp", f"PYTHONPATH={PACKAGES}", "PYTHONUNBUFFERED=1"],
    })


if __name__ == "__main__":
    main()
