//! Records in archives of zstd.

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

fn zstd(text: &str) -> Vec<u8> {
    compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)
}

#[test]
fn a_zstd_archive_is_what_it_holds() {
    let options = Options { threads: 2, ..Options::default() };
    let with = |name: &str, input: &[u8]| run_with(&clean(), name, input, Job::default(), options);
    let input = sentences(9000);
    let expected = run(&clean(), &input, Job::default()).answers;
    let (first, second) = input.split_at(input.len() / 2 + 1);
    // What is between the frames is to be passed over.
    let archive = [&zstd(first)[..], b"\x50\x2a\x4d\x18\x05\0\0\0notes", &zstd(second)].concat();
    for name in ["in.jsonl.zst", "in.jsonl"] {
        let found = with(name, &archive);
        assert!(found.answers == expected && found.failure.is_none(), "{name}: {:?}", found.failure);
    }
    let table = with("in.csv.zst", &zstd("1,2\n3,4\n"));
    assert_eq!(table.answers, run(&clean(), "[1, 2]\n[3, 4]", Job::default()).answers);
    let cut = Some("the zstd archive is cut short: it ends before its data does".to_owned());
    for length in [archive.len() - 1, archive.len() / 2 + 3, 5] {
        let found = with("in.jsonl.zst", &archive[..length]);
        assert_eq!(
            found.failure.map(|failure| failure.split_once("the ").map(|(_, rest)| format!("the {rest}"))),
            Some(cut.clone()),
            "{length}"
        );
        assert!(expected.starts_with(&found.answers), "{length}");
    }
    let more = [&archive[..], b"more"].concat();
    assert!(with("in.jsonl.zst", &more).failure.unwrap().starts_with("the zstd archive is "));
}

/// An archive by the program of that name, and one with another sum in it.
#[test]
fn a_sum_that_is_not_that_of_the_data_is_damage() {
    let mut archive = b"\x28\xb5\x2f\xfd\x04\x58\x41\0\0[1]\n[2]\n\xd4\xf0\x74\x6c".to_vec();
    let with =
        |archive: &[u8]| run_with(&clean(), "in.jsonl.zst", archive, Job::default(), Options::default());
    assert_eq!(with(&archive).answers, run(&clean(), "[1]\n[2]\n", Job::default()).answers);
    archive[17] ^= 1;
    let damage = "the zstd archive is damaged: its checksum is another one";
    assert_eq!(with(&archive).failure.as_deref(), Some(damage));
}
