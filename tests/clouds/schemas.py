#!/usr/bin/env python3
"""The schemas that GitHub and GitLab publish of their jobs, and who holds files to them: check-jsonschema, from PyPI.

    tests/clouds/schemas.py FOLDER

installs what is missing in FOLDER/venv, says that it is ready, and ends with its standard input.
"""

import pathlib
import shutil
import subprocess
import sys

folder = pathlib.Path(sys.argv[1]).resolve()
venv = folder / "venv"

if not (venv / "complete").exists():
    shutil.rmtree(venv, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", "check-jsonschema"], check=True, stdout=sys.stderr)
    (venv / "complete").touch()
print("ready", flush=True)
sys.stdin.read()
