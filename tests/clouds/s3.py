#!/usr/bin/env python3
"""A service that speaks S3, for tests: moto, from PyPI, with a bucket `images`.

    tests/clouds/s3.py FOLDER

installs what is missing in FOLDER/venv, starts the service, prints its address, and ends with its standard input.
FOLDER/venv/bin/python has boto3, which reads back.
"""

import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

PACKAGES = ["moto[server,s3]", "boto3"]

folder = pathlib.Path(sys.argv[1]).resolve()
venv = folder / "venv"


def main():
    if not (venv / "complete").exists():
        shutil.rmtree(venv, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/pip", "install", "--quiet", *PACKAGES], check=True, stdout=sys.stderr)
        (venv / "complete").touch()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = open(folder / "moto.log", "w")
    command = [venv / "bin/moto_server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while server.poll() is None:
            try:
                make = urllib.request.Request(f"{url}/images", method="PUT")
                # Whose bucket it is, moto takes from a header that it does not check.
                make.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=key/20261130/us-east-1/s3/aws4_request")
                urllib.request.urlopen(make)
                break
            except OSError:
                time.sleep(0.1)
        else:
            sys.exit(f"moto ended; see {folder}/moto.log")
        print(url, flush=True)
        sys.stdin.read()
    finally:
        server.terminate()
        server.wait()


main()
