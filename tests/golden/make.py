#!/usr/bin/env python3
"""Make the golden cases: models saved by Keras, with the numbers and the masks Keras gives.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0 keras-hub==0.32.0 numpy h5py
    python make.py                    # every case
    python make.py --only lstm        # the cases whose path contains "lstm"

Nothing but these packages and the files beside this one is read. The same packages on the same
kind of machine give the same bytes. README.md tells what lies in a case's folder.
"""

import argparse
import random
from pathlib import Path

from generator import environment
from generator import (  # after environment: it sets Keras up
    attention,
    described,
    edges,
    keras_ops,
    layers,
    loss,
    losses,
    masked,
    metrics,
    operands,
    operations,
    own,
    preprocessing,
    products,
    record,
    recurrent,
    seed,
)

HERE = Path(__file__).resolve().parent
AREAS = {
    "seed": seed.cases,
    "layers": layers.cases,
    "loss": loss.cases,
    "losses": losses.cases,
    "operands": operands.cases,
    "operations": operations.cases,
    "preprocessing": preprocessing.cases,
    "recurrent": recurrent.cases,
    "ops": keras_ops.cases,
    "attention": attention.cases,
    "products": products.cases,
    "masked": masked.cases,
    "edges": edges.cases,
    "own": own.cases,
    "described": described.cases,
}

# Cases that were recorded in one go, elsewhere.
RECORDED = ("wide", "field")


def start_again():
    """Names that Keras makes up (`dense`, `not_equal_1`) and seeds that it draws begin again."""
    environment.keras.backend.clear_session()
    random.seed(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="make only the cases whose path contains this")
    parser.add_argument("--any-keras", action="store_true", help="don't insist on the Keras version")
    options = parser.parse_args()
    environment.require_keras(options.any_keras)

    from generator import files, hub, older, quantized, reading  # need Keras 2 or KerasHub, or draw names that others count

    made = set()
    start_again()
    for area, cases in (AREAS | {"files": files.cases, "reading": reading.cases, "quantized": quantized.cases, "older": older.cases, "hub": hub.cases}).items():
        for case in cases():
            path = f"{area}/{case.name}"
            assert path not in made, f"two cases called {path}"
            made.add(path)
            if options.only in path:
                write = getattr(case, "write", lambda folder: record.write(case, folder))
                write(HERE / area / case.name)
                print(path)
            start_again()
    if options.only in "losses.json":
        losses.write_numbers(HERE / "losses.json")
        print("losses.json")
    if options.only in "metrics.json":
        metrics.write_numbers(HERE / "metrics.json")
        print("metrics.json")
    for folder in HERE.glob("*/*/"):
        path = folder.relative_to(HERE)
        if (folder / "case.json").exists() and path.parts[0] not in RECORDED and path.as_posix() not in made:
            print(f"{path}: no longer made, remove it")


if __name__ == "__main__":
    main()
