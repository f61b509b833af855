#!/usr/bin/env python3
"""A libvirt of one's own, for tests: libvirtd for the user who runs this, with a pool `default`.

    tests/clouds/libvirt.py FOLDER

starts it, prints the URI by which it is reached, and ends it, with all machines that it has, with its standard input.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

folder = pathlib.Path(sys.argv[1]).resolve()
# Names of sockets are short.
home = pathlib.Path(tempfile.mkdtemp(prefix="lv-"))
env = {**os.environ, "HOME": str(home), "LC_ALL": "C"}
for kind in ["CONFIG_HOME", "RUNTIME_DIR", "CACHE_HOME", "DATA_HOME"]:
    (home / kind).mkdir(mode=0o700)
    env[f"XDG_{kind}"] = str(home / kind)


def main():
    folder.mkdir(parents=True, exist_ok=True)
    log = open(folder / "libvirtd.log", "w")
    # Its programs are in sbin, which an ordinary user may not have in PATH.
    program = shutil.which("libvirtd") or "/usr/sbin/libvirtd"
    server = subprocess.Popen([program], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    uri = f"qemu:///session?socket={home}/RUNTIME_DIR/libvirt/libvirt-sock"

    def virsh(*words):
        return subprocess.run(["virsh", "-q", "-c", uri, *words], env=env, stdout=log, stderr=log).returncode == 0

    try:
        while not virsh("uri"):
            if server.poll() is not None:
                sys.exit(f"libvirtd ended; see {folder}/libvirtd.log")
            time.sleep(0.1)
        pool = home / "pool"
        assert virsh("pool-define-as", "default", "dir", "--target", str(pool))
        assert virsh("pool-build", "default") and virsh("pool-start", "default")
        print(uri, flush=True)
        sys.stdin.read()
        names = subprocess.run(["virsh", "-q", "-c", uri, "list", "--name"], env=env, capture_output=True, text=True)
        for name in names.stdout.split():
            virsh("destroy", name)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(home, ignore_errors=True)


main()
