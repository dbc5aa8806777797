//! Mutations of archives that leave them archives: a member is changed, and directory and checksums are written anew.

use libfuzzer_sys::fuzzer_mutate;
use masque_runtime::zip::{Archive, Limits, Writer};

use crate::{Random, json};

/// Mutates an archive in place; gives its new length, or `None` if it is no archive, or there is no place to grow into.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, random: &mut Random) -> Option<usize> {
    let mut members = members(&data[..size])?;
    let config = members.iter().position(|(name, _)| name == "config.json").filter(|_| !random.once_in(3));
    let at = config.unwrap_or_else(|| random.below(members.len()));
    match random.below(32) {
        0 => drop(members.remove(at)),
        1 => {
            let twin = (format!("{}x", members[at].0), members[at].1.clone());
            members.push(twin);
        }
        2 => members.rotate_left(at),
        _ => {
            let (name, content) = &mut members[at];
            let length = content.len();
            let room = max_size.saturating_sub(size) + length;
            content.resize(room.max(length), 0);
            let changed =
                name.ends_with(".json").then(|| json::mutate(content, length, room, random)).flatten();
            let changed = changed.unwrap_or_else(|| fuzzer_mutate(content, length, room));
            content.truncate(changed);
        }
    }
    let archive = pack(&members)?;
    let fits = archive.len() <= max_size.min(data.len());
    fits.then(|| data[..archive.len()].copy_from_slice(&archive))?;
    Some(archive.len())
}

/// Every member: its name and what it holds.
pub fn members(archive: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let archive = Archive::open(archive, Limits::MODEL).ok()?;
    let members = archive.names().map(|name| Some((name.to_owned(), archive.read(name).ok()?.into_owned())));
    members.collect::<Option<Vec<_>>>().filter(|members| !members.is_empty())
}

/// An archive of these members, stored as they are.
pub fn pack(members: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut writer = Writer::new(vec![]);
    for (name, content) in members {
        writer.add(name, content).ok()?;
    }
    writer.finish().ok()
}
