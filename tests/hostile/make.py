#!/usr/bin/env python3
"""Make the hostile files: models that are broken, or that somebody built to do harm.

    pip install keras==3.15.1 tensorflow-cpu==2.21.0 numpy h5py
    python make.py

Two sound models are made with Keras, then each file breaks one of them in one way. `expect.json`
says for each which commands must refuse it, and which words may tell why. See README.md.
"""

import copy
import io
import json
import struct
import sys
import warnings
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# The golden cases' generator knows how to set Keras up and how to save the same bytes each time.
sys.path.insert(0, str(HERE.parent / "golden"))

from generator import archive, environment  # noqa: E402

import h5py  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

MAX_SECONDS, MAX_MB = 5, 500
INSPECT = [["masks", "{dir}/FILE", "--format", "json"], ["check", "{dir}/FILE"]]
RUN = [["run", "{dir}/FILE", "--input", "{dir}/input.npz", "--output", "{tmp}/out.npz"]]

ZIP_WORDS = "zip archive truncat corrupt directory eof empty format invalid".split()
CONFIG_WORDS = "config json parse expected eof utf".split()
WEIGHT_WORDS = "weight dataset kernel bias variable h5 hdf5 shape".split()
KERNEL, BIAS = "layers/dense/vars/0", "layers/dense/vars/1"

expectations = {}


def expect(file, title, words, commands):
    """Note what must happen to a file, and give the path to write it to."""
    assert file not in expectations, f"two files called {file}"
    expectations[file] = {
        "title": title,
        "commands": [[word.replace("FILE", file) for word in command] for command in commands],
        "exit": 2,
        "message_any": list(words),
        "max_seconds": MAX_SECONDS,
        "max_mb": MAX_MB,
    }
    return HERE / file


# The sound models ---------------------------------------------------------------------------------


def dense_members():
    """x [4] -> Dense(3): the members of its archive. Small, for what happens to ZIP and HDF5."""
    x = keras.Input((4,), name="x")
    model = keras.Model(x, keras.layers.Dense(3, name="head")(x))
    for i, weight in enumerate(model.weights):
        weight.assign(np.full(weight.shape, 0.25 * (i + 1), "float32"))
    path = HERE / "sound.keras"
    model.save(path)
    archive.normalise(path)
    members = archive.read_members(path)
    path.unlink()
    return members


def to_config(model):
    return json.loads(archive.canonical_config(model.to_json()))


def sentence_config():
    """ids -> words (mask_zero) -> rnn -> head: for what happens to the graph. No weights needed."""
    ids = keras.Input((5,), dtype="int32", name="ids")
    x = keras.layers.Embedding(9, 4, mask_zero=True, name="words")(ids)
    x = keras.layers.GRU(3, name="rnn")(x)
    return to_config(keras.Model(ids, keras.layers.Dense(2, name="head")(x)))


def lambda_config():
    """A Lambda with real code in it. Compiled under a made-up file name, so that no path is stored."""
    double = eval(compile("lambda x: x * 2", "<model>", "eval"))
    x = keras.Input((4,), name="x")
    return to_config(keras.Model(x, keras.layers.Lambda(double, name="double")(x)))


# Breaking the ZIP ---------------------------------------------------------------------------------


def packed(members):
    buffer = io.BytesIO()
    archive.write_members(buffer, members)
    return buffer.getvalue()


def without(members, name):
    return {k: v for k, v in members.items() if k != name}


def archives(members):
    """Files that are not the archive that they seem to be."""
    both = INSPECT + RUN
    whole = packed(members)

    def write(file, title, words, data):
        expect(file, title, words, both).write_bytes(data)

    def write_config(file, title, config, words=CONFIG_WORDS):
        write(file, title, words, packed({**members, "config.json": config}))

    write("empty.keras", "an empty file", ZIP_WORDS, b"")
    write("not-a-zip.keras", "text", ZIP_WORDS, b"This is not a model.\n" * 40)
    write("truncated.keras", "the second half is missing", ZIP_WORDS, whole[: len(whole) // 2])
    no_config = packed(without(members, "config.json"))
    write("no-config.keras", "there is no config.json", ["config"], no_config)
    write_config("config-not-json.keras", "config.json is a sentence", b"I am a model, trust me.")
    write_config("config-empty.keras", "config.json is empty", b"")
    write_config("config-not-utf8.keras", "config.json is not UTF-8", b'{"module": "\xff\xfe\x80"}')
    write_config("config-is-a-number.keras", "config.json is 42", b"42")
    write_config("config-cut.keras", "config.json ends halfway", members["config.json"][:700])

    at = whole.index(members["config.json"]) + 200
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    words = ["crc", "checksum", "corrupt", "config", "zip"]
    write("crc-mismatch.keras", "one bit of config.json is flipped", words, flipped)

    words = ["large", "size", "limit", "big", "exceed", "ratio", "config", "json"]
    title = "config.json inflates to 64 MiB of spaces"
    with zipfile.ZipFile(expect("bomb.keras", title, words, both), "w") as bomb:
        info = zipfile.ZipInfo("config.json", archive.ZIP_DATE)
        info.compress_type = zipfile.ZIP_DEFLATED
        bomb.writestr(info, b" " * (64 << 20), compresslevel=9)
    words += ["zip", "archive", "truncat", "corrupt", "eof"]
    title = "config.json claims to be of nearly 4 GiB"
    write("bomb-claimed.keras", title, words, with_claimed_size(whole, members, 0xFFFFFFF0))

    escaping = {f"../../{name}": data for name, data in members.items()}
    words = ["config", "path", "name", "member", "traversal"]
    write("path-traversal.keras", "every member is called ../../…", words, packed(escaping))


def with_claimed_size(data, members, size):
    """Write another size over that of config.json, in the local header and in the directory."""
    name, true_size = b"config.json", struct.pack("<I", len(members["config.json"]))
    result = bytearray(data)
    for signature, name_at, sizes_at in ((b"PK\3\4", 30, 18), (b"PK\1\2", 46, 20)):
        at = data.index(signature)
        while data[at + name_at : at + name_at + len(name)] != name:
            at = data.index(signature, at + 1)
        assert data[at + sizes_at : at + sizes_at + 8] == true_size * 2
        result[at + sizes_at : at + sizes_at + 8] = struct.pack("<II", size, size)
    return bytes(result)


# ZIP files about which there are two opinions, or that would lead somewhere -------------------------


def zip_of(entries, **about):
    """A ZIP of (name or ZipInfo, content) pairs, stored."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, content in entries:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name, archive.ZIP_DATE)
            out.writestr(info, content, **about)
    return buffer.getvalue()


def patched(data, old, new, count=-1):
    """Every place where `old` stands, or the first `count`, holding `new` instead."""
    assert old in data and len(old) == len(new)
    return data.replace(old, new, count)


def with_mode(name, mode):
    info = zipfile.ZipInfo(name, archive.ZIP_DATE)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def with_field(data, name, local, central, value):
    """Write a 16-bit field into a member's own header and into its directory entry; None leaves it."""
    result, name = bytearray(data), name.encode()
    for signature, name_at, field in ((b"PK\3\4", 30, local), (b"PK\1\2", 46, central)):
        at = data.index(signature)
        while data[at + name_at : at + name_at + len(name)] != name:
            at = data.index(signature, at + 1)
        if field is not None:
            result[at + field : at + field + 2] = struct.pack("<H", value)
    return bytes(result)


def overlapping(members):
    """Two directory entries that share one member's bytes."""
    whole = zip_of([("config.json", members["config.json"]), ("config.jsom", b"")])
    at = whole.rindex(b"PK\1\2")
    first = whole.index(b"PK\1\2")
    entry = bytearray(whole[first:at])
    entry[46:57] = b"config.jsom"
    return whole[:at] + bytes(entry) + whole[whole.index(b"PK\5\6") :]


def zips(members):
    """What a program that trusts a ZIP file would follow, or read in its own way."""
    whole, config = packed(members), members["config.json"]
    rest = list(members.items())
    end = whole.index(b"PK\5\6")

    def write(file, title, words, data):
        expect(f"zip-{file}.keras", title, words, INSPECT + RUN).write_bytes(data)

    def named(name):
        return zip_of([*rest, (name, b"x")])

    write("absolute", "a member called /etc/x", ["name"], named("/etc/x"))
    backslash = patched(named("a~x"), b"a~x", b"a\\x")
    write("backslash", "a member called a\\x", ["name"], backslash)
    write("drive", "a member called C:/x", ["name"], named("C:/x"))
    write("nul", "a member with a NUL in its name", ["name"], patched(named("a~x"), b"a~x", b"a\0x"))
    link = zip_of([*rest, (with_mode("link", 0o120777), b"/etc/passwd")])
    write("link", "a member that is a symbolic link", ["plain file"], link)
    device = zip_of([*rest, (with_mode("device", 0o020666), b"")])
    write("device", "a member that is a device", ["plain file"], device)
    write("twice", "config.json stands twice", ["twice"], zip_of([*rest, ("config.json", config)]))
    write("case", "config.json and Config.json", ["twice"], zip_of([*rest, ("Config.json", config)]))
    locked = with_field(whole, "config.json", 6, 8, 1)
    write("encrypted", "config.json is encrypted", ["encrypted"], locked)
    disks = whole[: end + 4] + struct.pack("<HH", 1, 1) + whole[end + 8 :]
    write("disks", "one part of several", ["several", "disk"], disks)
    lies = whole[: end + 12] + struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF) + whole[end + 20 :]
    write("64", "the 64-bit form is announced and not there", ["64", "directory", "truncat"], lies)
    differ = with_field(whole, "config.json", 26, None, 4)
    write("two-names", "config.json has another name in its own header", ["header"], differ)
    write("overlap", "two members share their bytes", ["overlap", "itself", "header"], overlapping(members))
    write("behind", "bytes behind the archive", ["belong to no member", "behind"], whole + b"surplus")
    write("before", "bytes before the archive", ["belong to no member", "pk", "zip"], b"surplus" + whole)
    method = with_field(whole, "config.json", 8, 10, 12)
    write("method", "config.json is said to be bzip2", ["compression method"], method)
    small = [(f"assets/{i}", bytes(4 << 20)) for i in range(16)]
    many = zip_of([*rest, *small], compress_type=zipfile.ZIP_DEFLATED)
    write("many-bombs", "16 members of 4 MiB of zeros", ["large", "limit"], many)
    version = {**members, "metadata.json": b'{"keras_version": "4.0.0"}'}
    expect("version.keras", "written by Keras 4", ["keras_version"], INSPECT + RUN).write_bytes(packed(version))


# Breaking the weights -----------------------------------------------------------------------------


def weights(members):
    """Archives whose weights are not those that the layer needs."""
    name = "model.weights.h5"
    sound = members[name]

    def write(file, title, data, words=()):
        changed = without(members, name) if data is None else {**members, name: data}
        archive.write_members(expect(file, title, [*words, *WEIGHT_WORDS], RUN), changed)

    def edited(edit):
        buffer = io.BytesIO(sound)
        with h5py.File(buffer, "r+") as file:
            edit(file)
        return buffer.getvalue()

    def replaced(path, **dataset):
        def edit(file):
            del file[path]
            file.create_dataset(path, **dataset)

        return edited(edit)

    def remove_bias(file):
        del file[BIAS]

    def link_kernel(file):
        del file[KERNEL]
        file[KERNEL] = h5py.ExternalLink("/etc/hostname", "/kernel")

    def add_third(file):
        file["layers/dense/vars/2"] = np.zeros((3,), "float32")

    def soft(file):
        del file[KERNEL]
        file[KERNEL] = h5py.SoftLink("/layers/dense/vars/1")

    def circle(file):
        file["layers/dense/around"] = file["layers"]

    def elsewhere(file):
        del file[KERNEL]
        file.create_dataset(KERNEL, (4, 3), "float32", external=[("/etc/hostname", 0, 48)])

    def put_together(file):
        del file[KERNEL]
        layout = h5py.VirtualLayout((4, 3), "float32")
        layout[:] = h5py.VirtualSource("/etc/hostname", "kernel", (4, 3))
        file.create_virtual_dataset(KERNEL, layout)

    write("h5-soft-link.keras", "the kernel is a soft link", edited(soft), ["link"])
    write("h5-circle.keras", "a group is its own grandchild", edited(circle), ["second way"])
    write("h5-elsewhere.keras", "the kernel lies in an external file", edited(elsewhere), ["external"])
    write("h5-virtual.keras", "the kernel is put together from another file", edited(put_together))
    plugin = replaced(KERNEL, data=np.zeros((4, 3), "float32"), compression="lzf")
    write("h5-filter.keras", "the kernel needs a filter that is a plug-in", plugin, ["filter"])
    pairs = np.zeros((4, 3), [("a", "float32"), ("b", "float32")])
    write("h5-pairs.keras", "the kernel holds pairs", replaced(KERNEL, data=pairs), ["holds"])
    beyond = patched(sound, struct.pack("<Q", offset_of(sound, KERNEL)), struct.pack("<Q", 1 << 62))
    write("h5-beyond.keras", "the kernel lies behind the end of the file", beyond)
    bomb = replaced(KERNEL, shape=(4, 3), maxshape=(None, 3), chunks=(1 << 20, 3), compression="gzip", dtype="float32")
    write("h5-chunk.keras", "a chunk of the kernel is larger than the kernel", grown(bomb), ["claims", "size"])
    text = np.array([["a"] * 3] * 4, dtype=h5py.string_dtype())
    write("weights-missing.keras", "there is no model.weights.h5", None)
    write("weight-missing.keras", "the bias of head is not there", edited(remove_bias))
    write("weight-extra.keras", "head has a third weight", edited(add_third), ["extra", "expected"])
    wide = np.zeros((4, 7), "float32")
    write("weight-shape.keras", "the kernel is (4, 7), not (4, 3)", replaced(KERNEL, data=wide))
    flat = np.zeros((12,), "float32")
    write("weight-rank.keras", "the kernel is (12,), not (4, 3)", replaced(KERNEL, data=flat))
    title = "the kernel claims 2**40 rows and stores none"
    huge = replaced(KERNEL, shape=(1 << 40, 3), dtype="float32", chunks=(64, 3))
    write("weight-huge.keras", title, huge, ["large", "size"])
    write("weight-text.keras", "the kernel is text", replaced(KERNEL, data=text), ["type", "string"])
    title = "the kernel is a link to another file"
    write("weight-external.keras", title, edited(link_kernel), ["link", "external"])
    write("h5-truncated.keras", "the HDF5 file is cut at 1000 bytes", sound[:1000], ["eof"])
    write("h5-not.keras", "model.weights.h5 is text", b"no weights here\n" * 20, ["signature"])
    zeroed = sound[:96] + bytes(400) + sound[496:]
    write("h5-zeroed.keras", "400 bytes of the HDF5 file's headers are zero", zeroed)


def offset_of(data, path):
    with h5py.File(io.BytesIO(data), "r") as file:
        return file[path].id.get_offset()


def grown(data):
    """The kernel with as many rows as its one chunk could hold, none of them stored."""
    buffer = io.BytesIO(data)
    with h5py.File(buffer, "r+") as file:
        file[KERNEL].resize((1 << 20, 3))
    return buffer.getvalue()


# Breaking the graph -------------------------------------------------------------------------------


def layer(config, name):
    return next(entry for entry in config["config"]["layers"] if entry["name"] == name)


def tensor_of(config, name):
    """Where the layer's first argument comes from: [producer, call, output]."""
    return layer(config, name)["inbound_nodes"][0]["args"][0]["config"]["keras_history"]


def set_input(name, source):
    def change(config):
        tensor_of(config, name)[:] = source

    return change


def set_option(name, option, value):
    def change(config):
        layer(config, name)["config"][option] = value

    return change


def set_class(name, class_name):
    def change(config):
        layer(config, name)["class_name"] = class_name

    return change


def cycle(config):
    tensor_of(config, "words")[:] = ["head", 0, 0]


def mask_from_nowhere(config):
    mask = layer(config, "rnn")["inbound_nodes"][0]["kwargs"]["mask"]
    mask["config"]["keras_history"][0] = "nowhere"


def same_name(config):
    entry = layer(config, "head")
    entry["name"] = entry["config"]["name"] = "rnn"
    config["config"]["output_layers"][0] = "rnn"


def output_from_nowhere(config):
    config["config"]["output_layers"][0] = "nowhere"


def no_layers(config):
    del config["config"]["layers"]


def other_model(config):
    config.update(module="my_code", class_name="MyModel", registered_name="MyModel")


def foreign(class_name, module=None, registered=None, **settings):
    """A layer that is somebody else's code."""

    def change(config):
        entry = layer(config, "head")
        entry.update(class_name=class_name, module=module or entry["module"], registered_name=registered)
        if settings:
            entry["config"] = {"name": "head", **settings}

    return change


def own_function(config):
    get_file = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "function"}
    layer(config, "head")["config"]["activation"] = get_file


def lambda_activation(config):
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAAAAAAAAAAAAAEAAAACAAAAQwAAAA=="}}
    layer(config, "head")["config"]["activation"] = code


def unsafe_enabled(config):
    """A Lambda of Keras' own function that lets later layers bring compiled Python."""
    call = {"module": "keras.config", "class_name": "function", "registered_name": "function"}
    function = {**call, "config": "enable_unsafe_deserialization"}
    foreign("Lambda", function=function, arguments={})(config)


def lambda_inside(config):
    """Compiled Python in a layer that another layer makes."""
    inner = copy.deepcopy(layer(lambda_config(), "double"))
    foreign("TimeDistributed", layer={key: inner[key] for key in ("module", "class_name", "config")})(config)


def name_traversal(config):
    """A name that leads out of a folder, if anybody makes a path of it."""
    entry = layer(config, "head")
    entry["name"] = entry["config"]["name"] = config["config"]["output_layers"][0] = "../../../head"


def text_layer(vocabulary):
    def change(config):
        settings = {"max_tokens": 9, "vocabulary": vocabulary, "output_mode": "int"}
        foreign("TextVectorization", **settings)(config)

    return change


def pooled(config):
    """A window over windows over windows: each size is a longer formula than the one before."""
    entry = layer(config, "head")
    config["config"]["layers"] = [layer(config, "ids")]
    layer(config, "ids")["config"]["batch_shape"] = [None, None, 4]
    before = "ids"
    for i in range(200):
        pool = copy.deepcopy(entry)
        pool.update(class_name="MaxPooling1D", name=f"pool{i}", build_config={})
        pool["config"] = {"name": f"pool{i}", "pool_size": 3, "strides": 2, "padding": "valid"}
        pool["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [before, 0, 0]
        config["config"]["layers"].append(pool)
        before = f"pool{i}"
    config["config"]["output_layers"] = [[before, 0, 0]]
    config["config"]["input_layers"] = [["ids", 0, 0]]


def joined(config):
    """Time joined with itself, over and over: a mask written out would double each time."""
    entry = layer(config, "head")
    config["config"]["layers"] = [layer(config, "ids"), layer(config, "words")]
    before = "words"
    for i in range(1100):
        join = copy.deepcopy(entry)
        join.update(class_name="Concatenate", name=f"c{i}", build_config={})
        join["config"] = {"name": f"c{i}", "axis": 1}
        x = copy.deepcopy(join["inbound_nodes"][0]["args"][0])
        x["config"] = {"keras_history": [before, 0, 0]}
        join["inbound_nodes"] = [{"args": [[x, x]], "kwargs": {}}]
        config["config"]["layers"].append(join)
        before = f"c{i}"
    config["config"]["output_layers"] = [[before, 0, 0]]


def number_beyond(config):
    """A number that the type of the tensor beside it cannot hold."""
    entry = layer(config, "head")
    entry.update(class_name="Add", module="keras.src.ops.numpy", registered_name="Add", build_config={})
    entry["config"] = {"name": "head"}
    ids = copy.deepcopy(entry["inbound_nodes"][0]["args"][0])
    ids["config"] = {"keras_history": ["ids", 0, 0]}
    entry["inbound_nodes"] = [{"args": [ids, 3000000000], "kwargs": {}}]


def array_beyond(config):
    """Whole numbers of 64 bits that are not exact here."""
    number_beyond(config)
    array = {"class_name": "__numpy__", "config": {"value": [[1 << 61, 1, 2, 3, 4]], "dtype": "int64"}}
    layer(config, "head")["inbound_nodes"][0]["args"][1] = array


def name_delete(config):
    layer(config, "head")["name"] = "he\u007fd"


def nested(config):
    """A model inside a model, fourteen deep, each calling the one below ten times: more calls than there are atoms."""
    ids, head = layer(config, "ids"), layer(config, "head")
    inner = copy.deepcopy(config)
    for depth in range(14):
        name = f"m{depth}"
        x = copy.deepcopy(head["inbound_nodes"][0]["args"][0])
        calls = []
        for call in range(10):
            passed = copy.deepcopy(x)
            passed["config"]["keras_history"] = [name, call - 1, 0] if call else ["ids", 0, 0]
            calls.append({"args": [passed], "kwargs": {"mask": None}})
        entry = {**inner, "name": name, "inbound_nodes": calls}
        entry["config"] = {**inner["config"], "name": name}
        outer = copy.deepcopy(config)
        outer["config"] = {"name": f"around{depth}", "layers": [ids, entry], "input_layers": [["ids", 0, 0]]}
        outer["config"]["output_layers"] = [[name, 10, 0]]
        inner = outer
    config.update(inner)


def long_name(config):
    entry = layer(config, "head")
    entry["name"] = entry["config"]["name"] = "n" * 5000
    config["config"]["output_layers"][0] = "n" * 5000


def control_name(config):
    entry = layer(config, "head")
    entry["name"] = entry["config"]["name"] = "a\x1b[2Jb"
    config["config"]["output_layers"][0] = "a\x1b[2Jb"


def deep(config):
    """Arrays in arrays; the loop spares this script the recursion that the reader is tempted into."""
    layer(config, "head")["inbound_nodes"][0]["kwargs"]["extra"] = "DEEP"


def graphs(config):
    """Configurations that parse and make no sense."""
    graph = "resolve depend order connect unreachable".split()
    units = "unit positive integer number invalid expected type size".split()
    nan, sparkle = float("nan"), set_option("head", "activation", "sparkle")
    minus_five = set_option("ids", "batch_shape", [None, -5])
    for file, title, words, change in (
        ("layer-unknown", "a layer of class FooBar", ["foobar"], set_class("head", "FooBar")),
        ("model-unknown", "a model class of somebody's own", ["mymodel"], other_model),
        ("layers-missing", "the model has no list of layers", ["layers"], no_layers),
        ("cycle", "words reads head reads rnn reads words", ["cycl", "loop", *graph], cycle),
        ("reads-itself", "rnn reads rnn", ["cycl", "loop", *graph], set_input("rnn", ["rnn", 0, 0])),
        ("input-nowhere", "rnn reads no layer", ["nowhere"], set_input("rnn", ["nowhere", 0, 0])),
        ("input-call", "rnn reads the 6th call of words", ["words"], set_input("rnn", ["words", 5, 0])),
        ("input-output", "rnn reads the 4th output of words", ["words"], set_input("rnn", ["words", 0, 3])),
        ("mask-nowhere", "rnn's mask comes from no layer", ["nowhere"], mask_from_nowhere),
        ("output-nowhere", "the model's output is no layer", ["nowhere"], output_from_nowhere),
        ("same-name", "two layers called rnn", ["duplicate", "twice", "unique", "name"], same_name),
        ("units-negative", "Dense(-3)", units, set_option("head", "units", -3)),
        ("units-zero", "Dense(0)", units, set_option("head", "units", 0)),
        ("units-text", 'Dense("three")', units, set_option("head", "units", "three")),
        ("units-nan", "Dense(NaN)", ["nan", *units, *CONFIG_WORDS], set_option("head", "units", nan)),
        ("units-beyond", "Dense(10**30)", ["large", *units], set_option("head", "units", 10**30)),
        ("dtype-unknown", "dtype float13", ["float13"], set_option("head", "dtype", "float13")),
        ("activation-unknown", "activation sparkle", ["sparkle"], sparkle),
        ("key-unknown", "Dense(frobnicate=1)", ["frobnicate"], set_option("head", "frobnicate", 1)),
        ("shape-negative", "an input of -5 steps", ["shape", "dim", "negative"], minus_five),
        ("tfsm", "a SavedModel as a layer", ["tfsm"], foreign("TFSMLayer", filepath="saved_model")),
        ("torch", "a PyTorch module as a layer", ["torch"], foreign("TorchModuleWrapper", module=None)),
        ("jax", "a JAX function as a layer", ["jax"], foreign("JaxLayer")),
        ("flax", "a Flax module as a layer", ["flax"], foreign("FlaxLayer")),
        ("module-foreign", "os.system as a layer", ["system"], foreign("system", "os")),
        ("registered-foreign", "a Dense of somebody's own", ["mine"], foreign("Dense", "mine", "mine>Dense")),
        ("function-foreign", "an activation that downloads", ["activation"], own_function),
        ("lambda-activation", "an activation of compiled Python", ["activation"], lambda_activation),
        ("lambda-enables", "a Lambda that allows compiled Python", ["lambda"], unsafe_enabled),
        ("lambda-inside", "compiled Python inside another layer", ["lambda"], lambda_inside),
        ("name-traversal", "a name like a path out of a folder", ["name"], name_traversal),
        ("vocabulary-path", "a vocabulary at a path", ["vocabulary"], text_layer("/etc/passwd")),
        ("vocabulary-url", "a vocabulary at an address", ["vocabulary"], text_layer("https://example.com/v")),
        ("infinity", "Dense(Infinity)", CONFIG_WORDS, set_option("head", "units", float("inf"))),
        ("name-control", "a name that clears the screen", ["control"], control_name),
        ("name-delete", "a name with a character that deletes", ["control"], name_delete),
        ("array-beyond", "whole numbers of 64 bits beyond 2**53", ["numbers of i64"], array_beyond),
        ("number-beyond", "whole numbers of 32 bits and 3000000000", ["3000000000"], number_beyond),
        ("name-long", "a name of 5000 letters", ["name"], long_name),
        ("shape-product", "2**31 steps, 2**31 times", ["shape", "large"], set_option("ids", "batch_shape", [None, 1 << 31, 1 << 31])),
        ("shape-beyond", "2**62 steps", ["shape", "large"], set_option("ids", "batch_shape", [None, 1 << 62])),
        ("batch-huge", "batches of 2**62", ["shape", "large"], set_option("ids", "batch_shape", [1 << 62, 5])),
        ("epsilon-nan", "LayerNormalization(epsilon=NaN)", ["epsilon"], foreign("LayerNormalization", epsilon=nan)),
        ("shape-nan", "an input of NaN steps", ["batch_shape"], set_option("ids", "batch_shape", [None, nan])),
        ("mask-value-text", 'Masking(mask_value="x")', ["mask_value"], foreign("Masking", mask_value="x")),
        ("sizes", "windows over windows, 200 times", ["sizes"], pooled),
        ("masks", "time joined with itself, 1100 times", ["mask"], joined),
        ("nest", "models in models that come to 10**14 calls", ["written out"], nested),
    ):  # fmt: skip
        broken = copy.deepcopy(config)
        change(broken)
        expect(f"{file}.json", title, words, INSPECT).write_text(json.dumps(broken))

    broken = copy.deepcopy(config)
    deep(broken)
    text = json.dumps(broken).replace('"DEEP"', "[" * 4000 + "]" * 4000)
    words = ["deep", "nest", "depth", "recursion", *CONFIG_WORDS]
    expect("deep.json", "4000 nested arrays", words, INSPECT).write_text(text)

    twice = json.dumps(config).replace('"units": 2', '"units": 2, "units": 7')
    words = ["duplicate", "twice", "units"]
    expect("same-key.json", "Dense has two units", words, INSPECT).write_text(twice)

    words = ["lambda"]
    whole = expect("lambda.h5", "… in the older format", words, INSPECT)
    with h5py.File(whole, "w", track_order=True) as file:
        file.attrs["keras_version"], file.attrs["backend"] = "3.15.1", "tensorflow"
        file.attrs["model_config"] = json.dumps(lambda_config())
        file.create_group("model_weights")
    code = json.dumps(lambda_config())
    expect("lambda.json", "a Lambda with compiled Python in it", words, INSPECT).write_text(code)


def huge_layer(members):
    """Sound, but for a size that must not be allocated before the weights are looked at."""
    config = json.loads(members["config.json"])
    layer(config, "head")["config"]["units"] = 10**12
    changed = {**members, "config.json": json.dumps(config).encode()}
    words = ["unit", "size", "large", "head", *WEIGHT_WORDS]
    archive.write_members(expect("units-huge.keras", "Dense(10**12)", words, RUN), changed)


def vocabularies(members):
    """Look-ups whose vocabulary is elsewhere, or is none; images and bins beyond any use."""
    words = keras.Input((4,), dtype="string", name="words")
    image = keras.Input((6, 6, 3), name="image")
    numbers = keras.layers.StringLookup(vocabulary=["a", "b"], name="lookup")(words)
    bins = keras.layers.Hashing(3, name="hash")(words)
    small = keras.layers.Resizing(3, 3, name="resize")(image)
    config = to_config(keras.Model([words, image], [numbers, bins, small]))
    elsewhere = ["file", "vocabulary", "list"]
    for file, title, said, name, option, value in (
        ("vocabulary-path", "the vocabulary is a file", elsewhere, "lookup", "vocabulary", "/etc/hostname"),
        ("vocabulary-url", "… at an address", elsewhere, "lookup", "vocabulary", "http://localhost/words.txt"),
        ("vocabulary-numbers", "… of numbers", elsewhere, "lookup", "vocabulary", [1, 2]),
        ("vocabulary-twice", "a token twice", ["again"], "lookup", "vocabulary", ["a", "a"]),
        ("unknown-negative", "-2 unknown tokens", ["num_oov_indices"], "lookup", "num_oov_indices", -2),
        ("unknown-huge", "10**15 of them", ["num_oov_indices"], "lookup", "num_oov_indices", 10**15),
        ("bins-none", "no bins", ["num_bins"], "hash", "num_bins", 0),
        ("image-huge", "an image of 10**9 rows", ["height"], "resize", "height", 10**9),
    ):  # fmt: skip
        broken = copy.deepcopy(config)
        set_option(name, option, value)(broken)
        changed = {**members, "config.json": json.dumps(broken).encode()}
        archive.write_members(expect(f"{file}.keras", title, said, RUN), changed)


def losses(members):
    """Models compiled with a loss whose code is not in the file."""
    command = ["evaluate", "{dir}/FILE", "--input", "{dir}/input.npz", "--target", "{dir}/input.npz"]
    for file, title, own in (
        ("loss-registered", "compiled with a registered loss of the user's own", "team>focal"),
        ("loss-function", "compiled with a function as its loss, which was never registered", "masked_loss"),
        ("loss-class", "compiled with a class of the user's own as its loss", {"class_name": "Focal", "config": {}}),
    ):
        if isinstance(own, str):
            loss = {"module": "builtins", "class_name": "function", "config": own, "registered_name": "function"}
        else:
            loss = {"module": "team", "registered_name": "team>Focal", **own}
        config = json.loads(members["config.json"])
        config["compile_config"] = {"optimizer": None, "loss": loss, "loss_weights": None, "metrics": None}
        changed = {**members, "config.json": json.dumps(config).encode()}
        archive.write_members(expect(f"{file}.keras", title, ["--loss"], [command]), changed)


def main():
    environment.require_keras()
    for old in [*HERE.glob("*.keras"), *HERE.glob("*.json"), *HERE.glob("*.h5")]:
        old.unlink()
    members = dense_members()
    archives(members)
    zips(members)
    weights(members)
    huge_layer(members)
    graphs(sentence_config())
    vocabularies(members)
    losses(members)
    np.savez(HERE / "input.npz", x=np.ones((2, 4), "float32"))
    text = json.dumps(dict(sorted(expectations.items())), indent=1, ensure_ascii=False)
    (HERE / "expect.json").write_text(text + "\n")
    print(f"{len(expectations)} files")


if __name__ == "__main__":
    main()
