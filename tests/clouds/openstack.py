#!/usr/bin/env python3
"""A small OpenStack for tests: Keystone, and Glance in three regions, from PyPI.

    tests/clouds/openstack.py FOLDER

installs what is missing in FOLDER/venv, starts everything anew in FOLDER/run, prints `ready`, and ends with its
standard input. FOLDER/run/clouds.yaml has the clouds `ann` (password) and `ann-two` (her other region), `robot` (application credential), `wrong` (another
password), `other` (who images are shared with) and `admin`. In the region `Full` there is room for one MiB.
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

PACKAGES = ["keystone", "glance", "python-openstackclient", "gunicorn"]
REGIONS = {"RegionOne": "", "RegionTwo": "", "Full": "user_storage_quota = 1MB\n"}

folder = pathlib.Path(sys.argv[1]).resolve()
venv, run = folder / "venv", folder / "run"


def installed():
    if (venv / "complete").exists():
        return
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", *PACKAGES], check=True, stdout=sys.stderr)
    (venv / "complete").touch()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def database(name):
    """A file in which several threads may write."""
    import sqlite3

    path = run / f"{name}.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    return f"sqlite:///{path}"


def manage(program, config, *args):
    command = [venv / "bin" / program, "--config-file", config, *args]
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{program} {args}: {ended.stdout}{ended.stderr}")


def serve(name, module, config, port):
    """The wrapper says with which configuration the program starts, since gunicorn takes no arguments for it."""
    (run / f"{name}_app.py").write_text(
        f"import sys\nsys.argv = ['{name}', '--config-file', '{config}']\nfrom {module} import application\n"
    )
    command = [venv / "bin/gunicorn", "--no-control-socket", "--threads", "4", "--timeout", "600"]
    command += ["--bind", f"127.0.0.1:{port}", f"{name}_app"]
    log = open(run / f"{name}.log", "w")
    # Glance goes by its environment in place of arguments.
    env = os.environ | {"OS_GLANCE_CONFIG_DIR": str(config.parent)}
    return subprocess.Popen(command, cwd=run, env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def ask(method, url, body=None, token=None):
    headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
        return answer.headers, json.loads(text) if text else {}


def until_up(url, process):
    while process.poll() is None:
        try:
            urllib.request.urlopen(url)
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"{url} does not answer; see the logs in {run}")


def scoped(user, password, project):
    default = {"id": "default"}
    who = {"name": user, "domain": default, "password": password}
    return {
        "auth": {
            "identity": {"methods": ["password"], "password": {"user": who}},
            "scope": {"project": {"name": project, "domain": default}},
        }
    }


class Keystone:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        config = run / "keystone.conf"
        config.write_text(
            f"[database]\nconnection = {database('keystone')}\n"
            f"[fernet_tokens]\nkey_repository = {run}/fernet\n"
            f"[fernet_receipts]\nkey_repository = {run}/fernet\n"
            f"[credential]\nkey_repository = {run}/credential\n"
            "[cache]\nenabled = false\n"
        )
        me = ["--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid())]
        for name in ["fernet", "credential"]:
            (run / name).mkdir(mode=0o700)
        manage("keystone-manage", config, "db_sync")
        manage("keystone-manage", config, "fernet_setup", *me)
        manage("keystone-manage", config, "credential_setup", *me)
        urls = [f"--bootstrap-{kind}-url={self.url}/v3" for kind in ["admin", "internal", "public"]]
        manage(
            "keystone-manage", config, "bootstrap", "--bootstrap-password=admin", "--bootstrap-region-id=RegionOne", *urls
        )
        self.process = serve("keystone", "keystone.wsgi.api", config, port)
        until_up(f"{self.url}/v3", self.process)
        self.token = self.log_in("admin", "admin", "admin")

    def log_in(self, user, password, project):
        return ask("POST", f"{self.url}/v3/auth/tokens", scoped(user, password, project))[0]["X-Subject-Token"]

    def make(self, kind, **values):
        return ask("POST", f"{self.url}/v3/{kind}s", {kind: values}, self.token)[1][kind]["id"]

    def user(self, name, password, project, role):
        user = self.make("user", name=name, password=password, domain_id="default")
        roles = ask("GET", f"{self.url}/v3/roles?name={role}", token=self.token)[1]["roles"]
        ask("PUT", f"{self.url}/v3/projects/{project}/users/{user}/roles/{roles[0]['id']}", token=self.token)
        return user


def glance(keystone, region, more, service):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    name = f"glance_{region.lower()}"
    (run / name).mkdir()
    config = run / name / "glance-api.conf"
    shutil.copy(venv / "etc/glance/glance-api-paste.ini", config.parent)
    (run / f"{name}_files").mkdir()
    config.write_text(
        f"[DEFAULT]\nenabled_backends = files:file\n{more}"
        f"[glance_store]\ndefault_backend = files\n"
        f"[files]\nfilesystem_store_datadir = {run}/{name}_files\n"
        f"[os_glance_staging_store]\nfilesystem_store_datadir = {run}/{name}_staging\n"
        f"[os_glance_tasks_store]\nfilesystem_store_datadir = {run}/{name}_tasks\n"
        f"[database]\nconnection = {database(name)}\n"
        f"[keystone_authtoken]\nauth_type = password\nauth_url = {keystone.url}/v3\n"
        f"www_authenticate_uri = {keystone.url}/v3\nusername = glance\npassword = glance\nproject_name = service\n"
        f"user_domain_id = default\nproject_domain_id = default\n"
        f"[paste_deploy]\nflavor = keystone\nconfig_file = {venv}/etc/glance/glance-api-paste.ini\n"
        f"[oslo_concurrency]\nlock_path = {run}/{name}_locks\n"
    )
    manage("glance-manage", config, "db_sync")
    for interface in ["public", "internal", "admin"]:
        keystone.make("endpoint", service_id=service, interface=interface, url=url, region_id=region)
    process = serve(name, "glance.wsgi.api", config, port)
    return url, process


def main():
    installed()
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    running, addresses = [], {}
    try:
        keystone = Keystone(free_port())
        running.append(keystone.process)
        service = keystone.make("project", name="service", domain_id="default")
        keystone.user("glance", "glance", service, "service")
        shop = keystone.make("project", name="shop", domain_id="default")
        ann = keystone.user("ann", "ann's password", shop, "member")
        other = keystone.make("project", name="other", domain_id="default")
        keystone.user("bob", "bob's password", other, "member")
        images = keystone.make("service", type="image", name="glance")
        for region, more in REGIONS.items():
            if region != "RegionOne":
                ask("POST", f"{keystone.url}/v3/regions", {"region": {"id": region}}, keystone.token)
            url, process = glance(keystone, region, more, images)
            running.append(process)
            addresses[url] = process
        for url, process in addresses.items():
            until_up(url, process)
        token = keystone.log_in("ann", "ann's password", "shop")
        credential = ask(
            "POST",
            f"{keystone.url}/v3/users/{ann}/application_credentials",
            {"application_credential": {"name": "robot", "secret": "robot's secret"}},
            token,
        )[1]["application_credential"]["id"]

        def cloud(user, password, project):
            default = {"user_domain_id": "default", "project_domain_id": "default"}
            auth = {"auth_url": f"{keystone.url}/v3", "username": user, "password": password, "project_name": project}
            return {"auth": auth | default, "region_name": "RegionOne", "identity_api_version": 3}

        robot = {
            "auth_url": keystone.url,
            "application_credential_id": credential,
            "application_credential_secret": "robot's secret",
        }
        clouds = {
            "ann": cloud("ann", "ann's password", "shop"),
            "ann-two": cloud("ann", "ann's password", "shop") | {"region_name": "RegionTwo"},
            "wrong": cloud("ann", "another password", "shop"),
            "other": cloud("bob", "bob's password", "other"),
            "admin": cloud("admin", "admin", "admin"),
            "robot": {"auth_type": "v3applicationcredential", "auth": robot, "region_name": "RegionOne"},
        }
        # JSON is YAML.
        (run / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
        (run / "projects.json").write_text(json.dumps({"shop": shop, "other": other}))
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


main()
