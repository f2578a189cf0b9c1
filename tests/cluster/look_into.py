"""Checks an image that was built from a Dockerfile: look_into.py ARCHIVE PROGRAM"""

import json
import sys
import tarfile

USER = "14141:14141"


def main() -> None:
    """Prints the image's size, or what is wrong with it."""
    archive, program = sys.argv[1:]
    with tarfile.open(archive) as image:
        manifest = json.load(image.extractfile("manifest.json"))[0]
        config = json.load(image.extractfile(manifest["Config"]))["config"]
        files, size = {}, 0
        for path in manifest["Layers"]:
            with tarfile.open(fileobj=image.extractfile(path)) as layer:
                entries = [entry for entry in layer if not entry.isdir()]
                files |= {"/" + entry.name.lstrip("./"): entry for entry in entries}
                size += sum(entry.size for entry in entries)
    wrong = []
    if config.get("User") != USER:
        wrong.append(f"USER must be {USER}; it is {config.get('User')!r}")
    if config.get("Entrypoint") != [program]:
        wrong.append(f"ENTRYPOINT must be [\"{program}\"]; it is {config.get('Entrypoint')!r}")
    if program not in files or not files[program].mode & 0o001:
        wrong.append(f"{program} must be there, for any user to run; the image has {sorted(files)}")
    for path, entry in files.items():
        if entry.mode & 0o6022:
            wrong.append(f"{path} must not be writable by others, nor change who runs it; it has mode {entry.mode:o}")
    print(f"{program}: {size / 1e6:.1f} MB, {len(files)} files")
    if wrong:
        sys.exit("error: " + "\n       ".join(wrong))


if __name__ == "__main__":
    main()
