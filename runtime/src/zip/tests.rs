//! Archives are read without a copy; whatever could be misread, or is built to do harm, is refused.

use std::io::Write as _;

use super::*;

fn deflate(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, content) in members {
        writer.add(name, content).unwrap();
    }
    writer.finish().unwrap()
}

/// A deflated member, made from a stored one by setting the method and the size.
fn deflated(name: &str, packed: &[u8], size: u32, crc: u32) -> Vec<u8> {
    let mut bytes = archive(&[(name, packed)]);
    let directory = find(&bytes, b"PK\x01\x02");
    for (method, sums) in [(8, 14), (directory + 10, directory + 16)] {
        bytes[method] = 8;
        bytes[sums..sums + 4].copy_from_slice(&crc.to_le_bytes());
        bytes[sums + 8..sums + 12].copy_from_slice(&size.to_le_bytes());
    }
    bytes
}

fn find(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).unwrap()
}

fn refusal(bytes: &[u8]) -> ZipError {
    let error = Archive::open(bytes, Limits::MODEL)
        .and_then(|archive| {
            let names: Vec<_> = archive.names().map(str::to_owned).collect();
            names.iter().try_for_each(|name| archive.read(name).map(drop))
        })
        .unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

/// Both of a member's names replaced by another of the same length.
fn renamed(from: &str, to: &[u8]) -> Vec<u8> {
    let mut bytes = archive(&[(from, b"x")]);
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from.as_bytes()) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}

#[test]
fn what_is_written_is_read_back_without_a_copy() {
    let bytes = archive(&[("config.json", b"{}"), ("a/b:0.npy", b""), ("ä b", b"\0\xff")]);
    let archive = Archive::open(&bytes, Limits::MODEL).unwrap();
    assert_eq!(archive.names().collect::<Vec<_>>(), ["config.json", "a/b:0.npy", "ä b"]);
    assert!(matches!(archive.read("config.json").unwrap(), Cow::Borrowed(b"{}")));
    assert_eq!(&*archive.read("ä b").unwrap(), b"\0\xff");
    assert!(archive.contains("a/b:0.npy") && !archive.contains("A/B:0.npy"));
    assert!(matches!(archive.read("nothing"), Err(ZipError::Missing { .. })));
}

#[test]
fn an_archive_of_nothing_is_an_archive() {
    let bytes = archive(&[]);
    let archive = Archive::open(&bytes, Limits::MODEL).unwrap();
    assert_eq!(archive.names().count(), 0);
    assert!(archive.read("x").unwrap_err().to_string().ends_with("it has none"));
}

#[test]
fn deflated_members_are_inflated_and_checked() {
    let content = b"mask ".repeat(1000);
    let (packed, size, crc) = (deflate(&content), 5000, crc32fast::hash(&content));
    let bytes = deflated("m", &packed, size, crc);
    assert_eq!(*Archive::open(&bytes, Limits::MODEL).unwrap().read("m").unwrap(), content);
    assert!(matches!(refusal(&deflated("m", &packed, size, crc ^ 1)), ZipError::Checksum { .. }));
    assert!(matches!(
        refusal(&deflated("m", &packed, 4999, crc)),
        ZipError::Size { expected: 4999, found: 5000, .. }
    ));
    assert!(matches!(refusal(&deflated("m", &packed, 5001, crc)), ZipError::Size { found: 5000, .. }));
    assert!(matches!(refusal(&deflated("m", b"\x07garbage", size, crc)), ZipError::Inflate { .. }));
    let surplus = [&packed[..], b"more"].concat();
    assert!(matches!(refusal(&deflated("m", &surplus, size, crc)), ZipError::Inflate { .. }));
}

#[test]
fn a_bomb_is_refused_by_its_directory_or_stopped_at_its_announced_size() {
    let packed = deflate(&vec![0; 64 << 20]);
    assert!(matches!(refusal(&deflated("b", &packed, 64 << 20, 0)), ZipError::Ratio { .. }));
    assert!(matches!(refusal(&deflated("b", &packed, 1000, 0)), ZipError::Size { found: 1001, .. }));
    let bytes = archive(&[("a", &[0; 600]), ("b", &[0; 600])]);
    let limited = |limits| Archive::open(&bytes, limits).unwrap_err();
    let limits = Limits::MODEL;
    assert!(matches!(
        limited(Limits { member_bytes: 599, ..limits }),
        ZipError::MemberTooLarge { size: 600, .. }
    ));
    assert!(matches!(
        limited(Limits { total_bytes: 1199, ..limits }),
        ZipError::TotalTooLarge { size: 1200, .. }
    ));
    let together = limited(Limits { ratio: 0, any_ratio_bytes: 700, ..limits });
    assert_eq!(together, ZipError::TotalTooLarge { size: 1200, limit: 700 });
    assert!(matches!(limited(Limits { members: 1, ..limits }), ZipError::TooManyMembers { limit: 1 }));
}

#[test]
fn what_is_no_archive_says_so() {
    assert_eq!(refusal(b""), ZipError::Empty);
    assert!(matches!(refusal(b"\x89HDF\r\n\x1a\n and more"), ZipError::NotZip { .. }));
    let whole = archive(&[("a", b"content"), ("b", b"more")]);
    for length in 1..whole.len() {
        refusal(&whole[..length]);
    }
    assert_eq!(refusal(&whole[..whole.len() / 2]), ZipError::Truncated);
}

#[test]
fn bytes_outside_of_members_are_refused() {
    let bytes = archive(&[("a", b"content")]);
    for disguised in [[b"#!/bin/sh\n", &bytes[..]].concat(), [&bytes[..], b"tail"].concat()] {
        assert!(matches!(refusal(&disguised), ZipError::Surplus { .. }));
    }
}

#[test]
fn names_that_could_be_misread_are_refused() {
    let bad: [&[u8]; 8] = [
        b"/etc/pw",
        b"../conf",
        b"a/../bc",
        b"a\\b\\c.d",
        b"C:/abcd",
        b"ab\0cdef",
        b"ab\ncdef",
        b"ab\xffcdef",
    ];
    for name in bad {
        assert!(matches!(refusal(&renamed("renamed", name)), ZipError::Name { .. }), "{name:?}");
        if let Ok(name) = std::str::from_utf8(name) {
            assert!(Writer::new(Vec::new()).add(name, b"").is_err());
        }
    }
}

#[test]
fn names_that_meet_on_some_file_system_are_refused() {
    for (first, second) in [("same", "same"), ("Straße", "STRAßE"), ("dir/", "DIR")] {
        let bytes = archive(&[(first, b""), (second, b"")]);
        assert!(matches!(refusal(&bytes), ZipError::Duplicate { .. }), "{first} {second}");
    }
}

#[test]
fn both_headers_have_to_agree() {
    let bytes = archive(&[("name", b"content")]);
    let directory = find(&bytes, b"PK\x01\x02");
    // Flags, method, checksum, compressed size, size and name, in the header before the content and in the directory.
    for field in [6, 8, 14, 18, 22, 30] {
        for at in [field, directory + if field < 30 { field + 2 } else { 46 }] {
            let mut changed = bytes.clone();
            changed[at] ^= if field == 6 { 4 } else { 8 };
            refusal(&changed);
        }
    }
    let mut encrypted = bytes.clone();
    encrypted[6] |= 1;
    encrypted[directory + 8] |= 1;
    assert!(matches!(refusal(&encrypted), ZipError::Encrypted { .. }));
    let mut exotic = bytes.clone();
    exotic[8] = 12;
    exotic[directory + 10] = 12;
    assert!(matches!(refusal(&exotic), ZipError::Method { method: 12, .. }));
}

#[test]
fn overlapping_members_and_false_counts_are_refused() {
    let bytes = archive(&[("a", b"one"), ("b", b"two")]);
    let end = find(&bytes, b"PK\x05\x06");
    let mut counted = bytes.clone();
    counted[end + 8] = 3;
    counted[end + 10] = 3;
    assert_eq!(refusal(&counted), ZipError::Count { expected: 3, found: 2 });
    let inner = archive(&[("b", b"two")]);
    let outer = archive(&[("a", &inner[..find(&inner, b"PK\x01\x02")])]);
    // Both directories behind the outer member, whose content is the inner one.
    let directory = find(&outer, b"PK\x01\x02");
    let entry = |bytes: &[u8], offset: u32| {
        let start = bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
        let mut entry = bytes[start..start + 47].to_vec();
        entry[42..46].copy_from_slice(&offset.to_le_bytes());
        entry
    };
    let mut bytes = outer[..directory].to_vec();
    let entries = [entry(&outer, 0), entry(&inner, 31)].concat();
    bytes.extend(&entries);
    bytes.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    bytes.extend((entries.len() as u32).to_le_bytes());
    bytes.extend((directory as u32).to_le_bytes());
    bytes.extend([0, 0]);
    assert!(matches!(refusal(&bytes), ZipError::Overlap { .. }));
}

#[test]
fn false_64_bit_records_are_refused() {
    let bytes = archive(&[("a", b"one")]);
    let directory = find(&bytes, b"PK\x01\x02");
    let mut unresolved = bytes.clone();
    unresolved[directory + 24..directory + 28].fill(0xff);
    assert!(matches!(refusal(&unresolved), ZipError::Zip64 { .. }));
    let end = find(&bytes, b"PK\x05\x06");
    let mut record = bytes[..end].to_vec();
    record.extend(b"PK\x06\x06");
    record.extend(44_u64.to_le_bytes());
    record.extend([0; 12]);
    for field in [9, 9, 47, directory as u64] {
        record.extend(field.to_le_bytes());
    }
    record.extend(b"PK\x06\x07\0\0\0\0");
    record.extend((end as u64).to_le_bytes());
    record.extend(1_u32.to_le_bytes());
    record.extend(&bytes[end..]);
    assert!(matches!(refusal(&record), ZipError::Zip64 { .. }));
}

#[test]
fn no_damage_panics() {
    let content = deflate(&b"ids 1 2 3 ".repeat(50));
    let bytes = deflated("model.weights.h5", &content, 500, crc32fast::hash(&b"ids 1 2 3 ".repeat(50)));
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut changed = bytes.clone();
        for _ in 0..1 + state % 3 {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = (state >> 33) as usize % changed.len();
            changed[at] = (state >> 20) as u8;
        }
        if let Ok(archive) = Archive::open(&changed, Limits::MODEL) {
            for name in archive.names() {
                let _ = archive.read(name);
            }
        }
    }
}
