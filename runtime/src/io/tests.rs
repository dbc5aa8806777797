//! Inputs in every form, outputs in every form, and nothing half written.

use ndarray::{arr1, arr2};

use super::*;
use crate::testing::model;

fn outputs() -> Named {
    vec![("output_0".into(), Tensor::F32(arr2(&[[0.5, 0.25], [1.0, 0.0]]).into_dyn()))]
}

#[test]
fn inputs_come_in_every_form() {
    let (plan, _) = model();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        read_inputs(&plan, &Place::File(path))
    };
    let ids = Tensor::I32(arr2(&[[4, 5], [6, 0]]).into_dyn());
    let expected = vec![("ids".to_owned(), ids.clone())];
    let archive = npz::write(Vec::new(), &expected).unwrap();
    assert_eq!(write("a.npz", &archive).unwrap(), expected);
    assert_eq!(write("a.NPY", &npy::write(&ids)).unwrap(), expected);
    assert_eq!(write("a.jsonl", b"{\"ids\": [4, 5]}\n[6]\n").unwrap(), expected);
    assert_eq!(write("b.jsonl", b"\xef\xbb\xbf{\"ids\": [4, 5]}\n[6]\n").unwrap(), expected);
    assert_eq!(write("a.csv", b"\xef\xbb\xbf4,5\n6,0\n").unwrap(), expected);
    assert_eq!(write("a.tsv", b"4\t5\n6\t0\n").unwrap(), expected);
    assert_eq!(write("a.json", b"{\"ids\": [[4, 5], [6]]}").unwrap(), expected);
    assert_eq!(write("b.json", b"[{\"ids\": [4, 5]}, [6]]").unwrap(), expected);
    assert_eq!(write("no-name", &archive).unwrap(), expected);
    assert_eq!(write("an.npz", &npy::write(&ids)).unwrap(), expected);
    let message = |name: &str, content: &[u8]| write(name, content).unwrap_err().to_string();
    let unknown = message("a.txt", b"");
    assert!(unknown.contains("a.txt: its name should end in .jsonl, .json, .csv, .tsv, .npz"), "{unknown}");
    assert!(unknown.ends_with(", or --input-format say what it holds"), "{unknown}");
    assert!(message("a.jsonl", b"[1]\n\xff").ends_with("a.jsonl: line 2: not UTF-8 text"));
    assert!(message("a.csv", b"\xff\xfe1\x00").ends_with("line 1: not UTF-8 text but perhaps UTF-16"));
    assert!(message("b.npz", b"PK").contains("b.npz: "));
    assert!(read_inputs(&plan, &Place::File("/no/such.npz".into())).is_err());
}

#[test]
fn outputs_go_where_the_ending_says() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let write = |name: &str, outputs: &Named| write_outputs(&Place::File(path(name)), outputs);
    write("a.npz", &outputs()).unwrap();
    assert_eq!(npz::read(&std::fs::read(path("a.npz")).unwrap()).unwrap(), outputs());
    write("a.jsonl", &outputs()).unwrap();
    let lines = std::fs::read_to_string(path("a.jsonl")).unwrap();
    assert_eq!(lines, "{\"output_0\": [0.5, 0.25]}\n{\"output_0\": [1.0, 0.0]}\n");
    write("a.npy", &outputs()).unwrap();
    let two = [outputs(), outputs()].concat();
    assert!(write("b.npy", &two).unwrap_err().to_string().contains("2 outputs"));
    assert!(write("b.txt", &outputs()).is_err());
    assert!(write_masks(&path("m.jsonl"), &outputs()).is_err());
    let names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_failed_write_leaves_everything_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jsonl");
    std::fs::write(&path, "before").unwrap();
    let uneven = [outputs(), vec![("x".into(), Tensor::F32(arr1(&[1.0]).into_dyn()))]].concat();
    assert!(write_outputs(&Place::File(path.clone()), &uneven).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "before");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(replace(folder.path(), |_| io::Result::Ok(())).is_err());
}

#[cfg(unix)]
#[test]
fn a_link_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (link, file) = (folder.path().join("link.jsonl"), folder.path().join("file.jsonl"));
    std::fs::write(&file, "before").unwrap();
    std::os::unix::fs::symlink("file.jsonl", &link).unwrap();
    write_outputs(&Place::File(link.clone()), &outputs()).unwrap();
    assert!(link.is_symlink() && std::fs::read_to_string(&file).unwrap().starts_with("{\"output_0\""));
}

#[test]
fn a_dash_is_the_standard_stream() {
    assert_eq!(Place::from(PathBuf::from("-")), Place::Standard);
    assert_eq!(Place::from(PathBuf::from("./-")), Place::File("./-".into()));
}

#[test]
fn what_killed_runs_have_left_is_taken_away_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    let names = [
        "a.jsonl.12-0.unfinished",
        "a.jsonl.13-0.unfinished",
        "a.jsonl.x-0.unfinished",
        "b.jsonl.12-0.unfinished",
    ];
    let files: Vec<std::fs::File> = names
        .iter()
        .map(|name| {
            let file = std::fs::File::create(path(name)).unwrap();
            file.set_modified(old).unwrap();
            file
        })
        .collect();
    // Somebody still writes the second one.
    files[1].lock().unwrap();
    write_outputs(&Place::File(path("a.jsonl")), &outputs()).unwrap();
    let is_there = names.map(|name| path(name).exists());
    assert_eq!(is_there, [false, true, true, true]);
}
