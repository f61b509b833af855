#!/usr/bin/env python3
"""A target of `imgfile publish`: copies images into a folder, such as one of a web server.

    [targets.shelf]
    driver = "program"
    command = ["python3", "/usr/local/lib/to_folder.py", "/srv/images"]

docs/publish.md tells what is said on the standard streams.
"""

import hashlib
import json
import os
import sys

PIECE = 1 << 20


def say(kind, **values):
    print(json.dumps({"type": kind, **values}), flush=True)


def fail(reason, message, help=None):
    say("failed", reason=reason, message=message, help=help)
    sys.exit(0)


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            found.update(piece)
    return found.hexdigest()


def copied(request, part):
    """Copies the file, and answers the digest of what was read."""
    found, done = hashlib.sha256(), 0
    with open(request["file"], "rb") as source, open(part, "wb") as target:
        while piece := source.read(PIECE):
            target.write(piece)
            found.update(piece)
            done += len(piece)
            say("progress", done=done)
        # There after a power cut, too.
        target.flush()
        os.fsync(target.fileno())
    return found.hexdigest()


def main():
    say("hello", protocol=1)
    folder = sys.argv[1]
    message = json.loads(sys.stdin.readline())
    request = message["request"]
    if "region" in request:
        fail("region", f"a folder has no region `{request['region']}`", "leave `regions` out")
    name = request["name"]
    if "/" in name or name.startswith("."):
        fail("refused", f"`{name}` cannot be the name of a file", "give it another `name`")
    path = os.path.join(folder, f"{name}.{request['format']}")
    if os.path.exists(path):
        if digest(path) == request["sha256"]:
            return say("published", id=path, sent="there", sha256=request["sha256"])
        fail("name-taken", f"{path} is there, with other content", "give each version a `name` of its own")
    part = f"{path}.part"
    try:
        os.makedirs(folder, exist_ok=True)
        there = copied(request, part)
        # Nobody sees half a file.
        os.rename(part, path)
    except OSError as error:
        if os.path.exists(part):
            os.remove(part)
        fail("quota" if error.errno == 28 else "refused", f"{path} cannot be written: {error.strerror}")
    say("published", id=path, sent="sent", sha256=there)


main()
