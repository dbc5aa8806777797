"""Reading and writing `.keras` archives so that the same model always gives the same bytes.

Keras writes the time of saving into `metadata.json` and into the ZIP directory, and ids of Python
objects (`shared_object_id`) into `config.json`. Neither means anything to a reader of the file, but for
the ids of a layer that is there twice, which are numbered.
"""

import io
import json
from collections import Counter
import zipfile

import h5py

DATE_SAVED = "2026-01-01@00:00:00"
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


def read_members(path):
    """All members of an archive as {name: bytes}, in the order of the archive."""
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def write_members(path, members):
    """Write {name: bytes} as an archive: stored, in the given order, with a fixed date."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_DATE), data)


def layer_ids(value):
    """The ids of all layers in a JSON value, in order."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and "shared_object_id" in value and "build_config" in value:
        yield value["shared_object_id"]
    for child in children:
        yield from layer_ids(child)


def without_object_ids(value, numbers):
    """A JSON value with every `shared_object_id` left out that has no number."""
    if isinstance(value, dict):
        plain = {k: without_object_ids(v, numbers) for k, v in value.items() if k != "shared_object_id"}
        number = numbers.get(value.get("shared_object_id"))
        return plain if number is None else plain | {"shared_object_id": number}
    if isinstance(value, list):
        return [without_object_ids(v, numbers) for v in value]
    return value


def canonical_config(text):
    """The text of a model configuration without object ids of its own, in Keras' own spelling of JSON."""
    config = json.loads(text)
    twice = [object_id for object_id, count in Counter(layer_ids(config)).items() if count > 1]
    numbers = {object_id: number for number, object_id in enumerate(twice, 1)}
    return json.dumps(without_object_ids(config, numbers))


def rename_groups(path, names):
    """Give groups of the weights file, wherever they lie, the names that they had in an older version."""
    members = read_members(path)
    weights = io.BytesIO(members["model.weights.h5"])
    with h5py.File(weights, "r+") as file:
        found = []
        file.visit(lambda group: found.append(group) if group.split("/")[-1] in names else None)
        for group in found:
            parent, _, last = group.rpartition("/")
            file.move(group, f"{parent}/{names[last]}")
    members["model.weights.h5"] = weights.getvalue()
    write_members(path, members)


def normalise(path):
    """Rewrite an archive saved by Keras in place, without what varies from run to run."""
    members = read_members(path)
    metadata = json.loads(members["metadata.json"])
    metadata["date_saved"] = DATE_SAVED
    members["metadata.json"] = json.dumps(metadata).encode()
    members["config.json"] = canonical_config(members["config.json"]).encode()
    write_members(path, members)
