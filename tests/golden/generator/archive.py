"""Reading and writing `.keras` archives so that the same model always gives the same bytes.

Keras writes the time of saving into `metadata.json` and into the ZIP directory, and ids of Python
objects (`shared_object_id`) into `config.json`. Neither means anything to a reader of the file.
"""

import io
import json
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


def without_object_ids(value):
    """A JSON value with every `shared_object_id` left out."""
    if isinstance(value, dict):
        return {k: without_object_ids(v) for k, v in value.items() if k != "shared_object_id"}
    if isinstance(value, list):
        return [without_object_ids(v) for v in value]
    return value


def canonical_config(text):
    """The text of a model configuration without object ids, in Keras' own spelling of JSON."""
    return json.dumps(without_object_ids(json.loads(text)))


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
