"""Others judge what is said of an image. Arguments: the folder of the artifacts, their stem, a folder with the
image's own dpkg status and os-release, and the public keys that are to have signed.

Validates the documents against the published schemas, compares the packages with what debsbom finds, and checks the
signature with securesystemslib. Prints how many packages there are, as JSON.
"""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

out, stem, root, keys = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4:]

# The published schemas.
cdx_text = (out / f"{stem}.cdx.json").read_text()
error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(cdx_text)
assert error is None, error
spdx_path = out / f"{stem}.spdx.json"
problems = [one.validation_message for one in validate_full_spdx_document(parse_file(str(spdx_path)))]
# It knows of no host that is a number, such as this test's server, and of no top-level domain of more than five letters.
odd = re.compile(r"https?://(127\.0\.0\.1|[^/:]*\.[a-z]{6,})([:/]|$)")
problems = [one for one in problems if not odd.search(one)]
assert not problems, problems[:5]

# The same packages as an independent program finds in the image's own database.
oracle = out / "oracle"
subprocess.run(
    [Path(sys.executable).parent / "debsbom", "generate", "-r", root, "-t", "cdx", "-o", oracle],
    check=True,
    capture_output=True,
)
theirs = json.loads(Path(f"{oracle}.cdx.json").read_text())
Path(f"{oracle}.cdx.json").unlink()
theirs = {one["purl"] for one in theirs["components"] if "arch=source" not in one.get("purl", "arch=source")}
cdx = json.loads(cdx_text)
ours = {one["purl"] for one in cdx["components"] if one["type"] == "library"}
# It knows the release by apt's lists, which an image does not keep; here it is the image's own word.
release = next(line for line in (root / "etc/os-release").read_text().splitlines() if line.startswith("VERSION_CODENAME="))
end = "&distro=" + release.partition("=")[2].strip('"')
assert all(one.endswith(end) for one in ours)
assert {one.removesuffix(end) for one in ours} == theirs, sorted(theirs)[:20]
spdx = json.loads(spdx_path.read_text())
refs = [ref["referenceLocator"] for one in spdx["packages"] for ref in one.get("externalRefs", [])]
assert set(refs) == ours and len(refs) == len(ours)
manifest = json.loads((out / f"{stem}.manifest.json").read_text())
assert {one["purl"] for one in manifest["packages"]} == ours
known = [one for one in cdx["components"] if one.get("licenses")]
vouched = [one for one in cdx["components"] if one.get("hashes")]

# The signature.
envelope = (out / f"{stem}.intoto.jsonl").read_text()
read = Envelope.from_dict(json.loads(envelope))
for path in keys:
    (signature,) = read.signatures.values()
    key = SSlibKey.from_crypto(load_pem_public_key(Path(path).read_bytes()), signature.keyid)
    assert read.verify([key], 1)
statement = json.loads(base64.b64decode(json.loads(envelope)["payload"]))
assert statement["_type"] == "https://in-toto.io/Statement/v1"
print(json.dumps({"packages": len(ours), "licences": len(known), "vouched": len(vouched)}))
