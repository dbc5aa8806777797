#!/usr/bin/env python3
"""Follow the advice of `masque check` in Keras, and store what became of it.

    python follow.py --masque ../../target/debug/masque                 # writes advice.json
    python follow.py --masque ../../target/debug/masque --only conv1d   # says what the cases do, and writes nothing

Needs what make.py needs. Every suggestion with lines of Python, for every model of `leaks/` and `field/` (and a few others)
that is one of Keras 3, is followed as a person would: the lines are run among those that build the model. Keras then says what the
outputs read of the padding, which is stored, and masque checks the new model's file, where no finding may be new.
"""

import argparse
import json
from pathlib import Path

from generator import environment
from generator import advice  # after environment: it sets Keras up

HERE = Path(__file__).resolve().parent

# Models of other areas that are told of ways that those of `leaks/` and `field/` are not.
OTHERS = ["attention/multi-head-fused-masked", "masked/planes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masque", required=True, type=Path, help="the command, as it is to be tested")
    parser.add_argument("--only", default="", help="follow only the cases whose path contains this")
    options = parser.parse_args()
    environment.require_keras(False)
    stored, faults = {}, 0
    folders = [folder for area in ("leaks", "field") for folder in sorted((HERE / area).iterdir())]
    for folder in folders + [HERE / case for case in OTHERS]:
        case = folder.relative_to(HERE).as_posix()
        if options.only not in case:
            continue
        followed = advice.follow(folder, options.masque.resolve())
        for entry in followed:
            fault = entry.pop("fault", None)
            faults += bool(fault)
            if fault or options.only:
                print(case, entry["code"], entry["layer"], entry["way"], fault or entry["reads"])
        if followed:
            stored[case] = followed
    print(sum(len(entries) for entries in stored.values()), "suggestions,", faults, "faults")
    if not options.only:
        lines = [f" {json.dumps(case)}: [\n  " + ",\n  ".join(map(json.dumps, entries)) + "\n ]" for case, entries in stored.items()]
        (HERE / "advice.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
