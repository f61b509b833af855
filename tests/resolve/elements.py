"""What diskimage-builder's own resolver makes of its own elements, as JSON on standard output.

Arguments: how many random requests to make, and the seed.
"""

import json
import os
import random
import sys

import diskimage_builder
from diskimage_builder import element_dependencies as theirs

folder = os.path.join(os.path.dirname(diskimage_builder.__file__), "elements")
known = theirs._find_all_elements(folder)
known = {name: one for name, one in known.items() if not name.startswith("_")}
theirs.logger.disabled = True


def answer(request):
    try:
        return {"elements": sorted(one.name for one in theirs._expand_element_dependencies(request, known))}
    except Exception as error:
        return {"error": type(error).__name__}


def ask(request):
    return {"request": request, **answer(request)}


if len(sys.argv) == 2:
    requests = json.load(open(sys.argv[1]))
else:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)
    names = sorted(known)
    systems = [name for name in names if "operating-system" in known[name].provides]
    requests = [[name] for name in names]
    for _ in range(count):
        request = chance.sample(names, chance.randint(1, 6))
        # Most requests that nobody would make have no operating system.
        if chance.random() < 0.8 and not set(request) & set(systems):
            request.append(chance.choice(systems))
        requests.append(request)

elements = {
    name: {"depends": sorted(one.depends), "provides": sorted(one.provides)}
    for name, one in sorted(known.items())
}
json.dump({"elements": elements, "answers": [ask(request) for request in requests]}, sys.stdout)
