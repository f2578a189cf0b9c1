"""Writes an image made of files, as `docker save` would: what a node's container runtime imports.

    image.py ARCHIVE [--user UID:GID] [--env NAME=VALUE]… NAME ENTRYPOINT FILE[:DEST]… [--layer FILE[:DEST]…]…

A folder is taken with all that is in it. The same files make the same image, whoever's they are and whenever.
"""

import argparse
import hashlib
import io
import json
import platform
import sys
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Layer:
    """A part of the image's file system."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w")

    def add(self, source: Path, dest: str) -> None:
        """Takes a file, a link or a whole folder."""
        self._tar.add(source, arcname=dest.lstrip("/") or ".", filter=_of_nobody)

    def folder(self, dest: str, mode: int = 0o755) -> None:
        """Makes an empty folder."""
        entry = tarfile.TarInfo(dest.lstrip("/"))
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(entry)

    def text(self, dest: str, text: str) -> None:
        """Makes a file of words."""
        entry = tarfile.TarInfo(dest.lstrip("/"))
        entry.size, entry.mode = len(text.encode()), 0o644
        self._tar.addfile(entry, io.BytesIO(text.encode()))

    def link(self, dest: str, to: str) -> None:
        """Makes a symbolic link."""
        entry = tarfile.TarInfo(dest.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, to
        self._tar.addfile(entry)

    def finish(self) -> bytes:
        """The layer as an archive."""
        self._tar.close()
        return self._bytes.getvalue()


def write(archive: Path, name: str, layers: list[Layer], config: dict[str, object]) -> None:
    """Writes the image; `config` is what Docker's has: Entrypoint, User, Env…"""
    blobs = [layer.finish() for layer in layers]
    digests = [hashlib.sha256(blob).hexdigest() for blob in blobs]
    machine = platform.machine()
    image = {
        "architecture": ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in digests]},
        "history": [{} for _ in blobs],
    }
    about = json.dumps(image).encode()
    about_name = hashlib.sha256(about).hexdigest() + ".json"
    paths = [f"{digest}/layer.tar" for digest in digests]
    manifest = json.dumps([{"Config": about_name, "RepoTags": [name], "Layers": paths}]).encode()
    with tarfile.open(archive, "w") as tar:
        for path, data in [(about_name, about), *zip(paths, blobs), ("manifest.json", manifest)]:
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry


def _layer(files: list[str]) -> Layer:
    layer = Layer()
    for spec in files:
        source, _, dest = spec.partition(":")
        layer.add(Path(source), dest or Path(source).name)
    return layer


def main() -> None:
    """The command above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("--user", default="")
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--layer", action="append", nargs="+", default=[])
    parser.add_argument("name")
    parser.add_argument("entrypoint")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    config = {"Entrypoint": args.entrypoint.split(), "User": args.user, "Env": ["PATH=/usr/bin:/bin:/", *args.env]}
    write(args.archive, args.name, [_layer(files) for files in [args.files, *args.layer]], config)


if __name__ == "__main__":
    sys.exit(main())
