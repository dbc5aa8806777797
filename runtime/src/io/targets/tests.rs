//! What may be written where.

use tempfile::TempDir;

use super::*;

/// A folder with files of every kind in it.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let array = crate::Tensor::F32(ndarray::arr1(&[1.0]).into_dyn());
    let archive = crate::npz::write(vec![], &[("a".into(), array.clone())]).unwrap();
    let files: [(&str, &[u8]); 8] = [
        ("none", b""),
        ("array.npz", &archive),
        ("array.npy", &crate::npy::write(&array)),
        ("lines.jsonl", b"{\"output_0\": [1.0]}\n{\"output_0\": [2.0]}\n"),
        ("table.masks", b"call   class   output   status   mask\n"),
        ("program", b"\x7fELF and so on\x89MASQUE\n"),
        ("other.zip", b"PK\x03\x04 and the rest of an archive with config.json in it"),
        ("notes.txt", b"{\nnot for masque\n}"),
    ];
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn refusal(targets: &Targets) -> String {
    targets.check().unwrap_err().to_string()
}

#[test]
fn a_file_is_replaced_by_its_own_kind() {
    let folder = folder();
    for (kind, own) in [
        (Kind::Data(Format::Npz), "array.npz"),
        (Kind::Data(Format::Npy), "array.npy"),
        (Kind::Data(Format::JsonLines), "lines.jsonl"),
        (Kind::MaskTable, "table.masks"),
        (Kind::Executable, "program"),
    ] {
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy();
            let allowed = Targets::new(false).write(&path, kind).check();
            assert_eq!(allowed.is_ok(), name == own || name == "none", "{kind:?} {name}: {allowed:?}");
            Targets::new(true).write(&path, kind).check().unwrap();
        }
    }
}

#[test]
fn what_is_read_is_never_written() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("sub")).unwrap();
    std::fs::hard_link(path("array.npz"), path("hard.npz")).unwrap();
    std::os::unix::fs::symlink(path("array.npz"), path("soft.npz")).unwrap();
    std::os::unix::fs::symlink("soft.npz", path("softer.npz")).unwrap();
    for name in ["array.npz", "sub/../array.npz", "hard.npz", "soft.npz", "softer.npz"] {
        for force in [false, true] {
            for [input, output] in [["array.npz", name], [name, "array.npz"]] {
                let message = refusal(
                    Targets::new(force).read(path(input)).write(path(output), Kind::Data(Format::Npz)),
                );
                assert!(message.contains("is the same file and would be lost"), "{name}: {message}");
            }
        }
    }
    let two = |x: &str, y: &str| {
        Targets::new(true)
            .write(path(x), Kind::Data(Format::Npz))
            .write(path(y), Kind::Data(Format::Npz))
            .check()
            .map_err(|e| e.to_string())
    };
    two("array.npz", "new.npz").unwrap();
    for [x, y] in [["new.npz", "new.npz"], ["new.npz", "sub/../new.npz"], ["array.npz", "hard.npz"]] {
        assert!(two(x, y).unwrap_err().ends_with(": two outputs would be written to this file"));
    }
}

#[test]
fn folders_links_and_devices_are_looked_at() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let refused = |name: &str| refusal(Targets::new(true).write(path(name), Kind::Data(Format::Npz)));
    assert!(refused("gone/out.npz").contains("out.npz: there is no folder \""));
    assert!(refused("notes.txt/out.npz").contains("there is no folder"));
    assert!(refused(".").ends_with(": it is a folder; expected the name of a file"));
    std::os::unix::fs::symlink("gone.npz", path("dead.npz")).unwrap();
    assert!(refused("dead.npz").ends_with("a symbolic link to a file that is not there"));
    let device = refusal(Targets::new(true).write("/dev/null", Kind::Data(Format::Npz)));
    assert_eq!(device, "/dev/null: it is no plain file; expected the name of a file");
    let count = || std::fs::read_dir(folder.path()).unwrap().count();
    let before = count();
    Targets::new(false).write(path("new.npz"), Kind::Data(Format::Npz)).check().unwrap();
    assert_eq!(count(), before, "looking leaves nothing behind");
}

#[test]
fn a_read_only_file_is_kept() {
    let folder = folder();
    let path = folder.path().join("array.npz");
    let mut permissions = std::fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&path, permissions).unwrap();
    assert!(
        refusal(Targets::new(false).write(&path, Kind::Data(Format::Npz))).contains("read-only; --force")
    );
    Targets::new(true).write(&path, Kind::Data(Format::Npz)).check().unwrap();
}
