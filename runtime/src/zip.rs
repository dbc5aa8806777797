//! Zip archives: read from memory without trusting them, written so that the same members give the same bytes.
//!
//! A zip file says everything twice, in a directory at its end and in a header before each member, and programs differ
//! in which of the two they believe. [`Archive::open`] accepts only files about which there can be no two opinions: both
//! places agree, the members lie one behind another and fill the file from its first byte to the directory, no two
//! names are the same on any file system, and no name could lead anywhere if it were taken for a path. Sizes are held
//! against [`Limits`] before anything is inflated, so that a member costs no more memory than it was allowed.
//!
//! Nothing is ever written to a disk. Stored members are slices of the archive, without a copy.

mod error;
mod name;
mod writer;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Read;

use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord, ZipSliceArchive};

pub use error::ZipError;
pub use writer::Writer;

use crate::quote::quoted;

/// What an archive may ask for. Every limit is inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The number of members, directories included.
    pub members: u64,
    /// The size of one member once inflated.
    pub member_bytes: u64,
    /// The size of all members together once inflated.
    pub total_bytes: u64,
    /// How many times its stored size a member, or the whole archive, may have once inflated, if that is more than
    /// `any_ratio_bytes`.
    pub ratio: u64,
    /// Up to this inflated size members may be compressed by any ratio.
    pub any_ratio_bytes: u64,
}

impl Limits {
    /// For an archive that holds a model. Its JSON compresses well but not by hundreds, its weights hardly at all.
    pub const MODEL: Limits = Limits {
        members: 10_000,
        member_bytes: 16 << 30,
        total_bytes: 32 << 30,
        ratio: 200,
        any_ratio_bytes: 8 << 20,
    };

    /// For an archive of arrays. Padding is zeros, and zeros compress by a thousand.
    pub const ARRAYS: Limits = Limits { any_ratio_bytes: 128 << 20, ..Limits::MODEL };

    /// For an archive of `bytes`: many small bombs are a bomb.
    fn for_size(self, bytes: u64) -> Limits {
        let expanded = bytes.saturating_mul(self.ratio).max(self.any_ratio_bytes);
        Limits { total_bytes: self.total_bytes.min(expanded), ..self }
    }
}

/// An archive whose directory has been checked; what can still fail is inflating a member.
#[derive(Debug)]
pub struct Archive<'a> {
    members: Vec<Member<'a>>,
    /// By case-folded name; one entry a name, which is what makes names that differ only in case a refusal.
    index: HashMap<String, usize>,
}

#[derive(Debug)]
struct Member<'a> {
    name: String,
    packed: &'a [u8],
    deflated: bool,
    size: u64,
    crc: u32,
}

impl<'a> Archive<'a> {
    /// Reads and checks the directory of the archive that `bytes` are, from their first to their last.
    ///
    /// # Errors
    ///
    /// Whatever the module's documentation says is refused, each as its own [`ZipError`].
    pub fn open(bytes: &'a [u8], limits: Limits) -> Result<Archive<'a>, ZipError> {
        let zip = locate(bytes)?;
        let mut archive = Archive { members: Vec::new(), index: HashMap::new() };
        let mut spans = Vec::new();
        let (mut count, mut total) = (0, 0_u64);
        let limits = limits.for_size(bytes.len() as u64);
        for record in zip.entries() {
            let record = record.map_err(error::in_directory)?;
            count += 1;
            if count > limits.members {
                return Err(ZipError::TooManyMembers { limit: limits.members });
            }
            let (member, span) = check_member(bytes, &zip, &record)?;
            total = total.saturating_add(member.size);
            check_size(&member, total, &limits)?;
            spans.push(span);
            archive.insert(member)?;
        }
        if zip.entries_hint() != count {
            return Err(ZipError::Count { expected: zip.entries_hint(), found: count });
        }
        check_spans(spans, zip.directory_offset())?;
        archive.members.retain(|member| !member.name.ends_with('/'));
        archive.index = archive.members.iter().enumerate().map(|(i, m)| (name::fold(&m.name), i)).collect();
        Ok(archive)
    }

    /// The names of all files, in the order of the directory; directories are left out.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// Whether there is a file of exactly this name.
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The content of the file `name`: a slice of the archive if it was stored, inflated otherwise.
    ///
    /// # Errors
    ///
    /// [`ZipError::Missing`] if there is no such file; [`ZipError::Inflate`], [`ZipError::Size`] or
    /// [`ZipError::Checksum`] if its content is not what the directory promised.
    pub fn read(&self, name: &str) -> Result<Cow<'a, [u8]>, ZipError> {
        let member = self
            .find(name)
            .ok_or_else(|| ZipError::Missing { name: quoted(name), present: self.first_names() })?;
        let content =
            if member.deflated { Cow::Owned(inflate(member)?) } else { Cow::Borrowed(member.packed) };
        if content.len() as u64 != member.size {
            return Err(ZipError::Size {
                name: quoted(name),
                expected: member.size,
                found: content.len() as u64,
            });
        }
        let found = crc32fast::hash(&content);
        if found != member.crc {
            return Err(ZipError::Checksum { name: quoted(name), expected: member.crc, found });
        }
        Ok(content)
    }

    fn first_names(&self) -> String {
        let names: Vec<_> = self.names().take(8).map(quoted).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    fn find(&self, name: &str) -> Option<&Member<'a>> {
        let member = &self.members[*self.index.get(&name::fold(name))?];
        (member.name == name).then_some(member)
    }

    fn insert(&mut self, member: Member<'a>) -> Result<(), ZipError> {
        let key = name::fold(member.name.trim_end_matches('/'));
        if let Some(first) = self.index.insert(key, self.members.len()) {
            return Err(ZipError::Duplicate {
                name: quoted(&member.name),
                first: quoted(&self.members[first].name),
            });
        }
        self.members.push(member);
        Ok(())
    }
}

/// Finds the directory, and checks that nothing comes behind it and that it is all here.
fn locate(bytes: &[u8]) -> Result<ZipSliceArchive<&[u8]>, ZipError> {
    if bytes.is_empty() {
        return Err(ZipError::Empty);
    }
    let zip = ZipArchive::from_slice(bytes).map_err(|error| error::at_end(error, bytes))?;
    let surplus = (bytes.len() as u64).saturating_sub(zip.end_offset());
    if surplus > 0 {
        return Err(ZipError::Surplus { bytes: surplus, place: "behind the archive".into() });
    }
    let disks = usize::try_from(zip.eocd_offset()).ok().and_then(|end| bytes.get(end + 4..end + 8));
    if disks.is_some_and(|disks| disks != [0; 4] && disks != [0xff; 4]) {
        return Err(ZipError::ManyDisks);
    }
    Ok(zip)
}

/// The bytes a member takes: its header and content, and behind that perhaps a descriptor.
struct Span {
    name: String,
    start: u64,
    end: u64,
    descriptor: bool,
}

/// One member by its directory entry, after its own header has confirmed it.
fn check_member<'a>(
    bytes: &'a [u8],
    zip: &ZipSliceArchive<&[u8]>,
    record: &ZipFileHeaderRecord<'_>,
) -> Result<(Member<'a>, Span), ZipError> {
    let name = name::check(record.file_path().as_bytes())?.to_owned();
    let named = || quoted(&name);
    check_kind(record, &name)?;
    let unresolved = u64::from(u32::MAX);
    let sizes =
        [record.compressed_size_hint(), record.uncompressed_size_hint(), record.local_header_offset()];
    if sizes.contains(&unresolved) {
        return Err(ZipError::Zip64 { what: format!("member {} gives no 64-bit size or offset", named()) });
    }
    let entry = zip.get_entry(record.wayfinder()).map_err(|error| ZipError::Header {
        name: named(),
        problem: crate::quote::one_line(&error.to_string()),
    })?;
    check_local_header(record, &entry, &name)?;
    let (start, end) = entry.compressed_data_range();
    let packed = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let packed = packed.and_then(|(start, end)| bytes.get(start..end)).ok_or(ZipError::Truncated)?;
    let member = Member {
        packed,
        deflated: record.compression_method() == CompressionMethod::DEFLATE,
        size: record.uncompressed_size_hint(),
        crc: record.crc32(),
        name: name.clone(),
    };
    let descriptor = record.flags().has_data_descriptor();
    Ok((member, Span { name, start: record.local_header_offset(), end, descriptor }))
}

/// Refuses what is neither a plain file nor a directory, or is packed in a way that is not read here.
fn check_kind(record: &ZipFileHeaderRecord<'_>, name: &str) -> Result<(), ZipError> {
    const KIND: u32 = 0o170_000;
    const FILE: u32 = 0o100_000;
    let flags = record.flags();
    if flags.is_encrypted() || flags.has_strong_encryption() || flags.is_masked() {
        return Err(ZipError::Encrypted { name: quoted(name) });
    }
    let method = record.compression_method();
    if ![CompressionMethod::STORE, CompressionMethod::DEFLATE].contains(&method) {
        return Err(ZipError::Method { name: quoted(name), method: method.as_u16() });
    }
    let kind = record.mode().value() & KIND;
    let accepted =
        if record.is_dir() { record.uncompressed_size_hint() == 0 } else { [FILE, 0].contains(&kind) };
    if !accepted {
        return Err(ZipError::NotAFile { name: quoted(name), mode: kind });
    }
    Ok(())
}

/// Compares what the directory says of a member with what the member says of itself.
fn check_local_header(
    record: &ZipFileHeaderRecord<'_>,
    entry: &rawzip::ZipSliceEntry<'_>,
    name: &str,
) -> Result<(), ZipError> {
    let differ = |field, directory: u64, member: u64| {
        if directory == member {
            return Ok(());
        }
        Err(ZipError::HeadersDiffer { name: quoted(name), field, directory, member })
    };
    let local = entry.local_header();
    if local.file_path().as_bytes() != record.file_path().as_bytes() {
        let member = quoted(&String::from_utf8_lossy(local.file_path().as_bytes()));
        return Err(ZipError::NamesDiffer { name: quoted(name), member });
    }
    differ("flags", record.flags().bits().into(), local.flags().bits().into())?;
    let (method, found) = (record.compression_method(), local.compression_method());
    differ("compression method", method.as_u16().into(), found.as_u16().into())?;
    let said = match entry.data_descriptor() {
        Ok(None) => [local.crc32().into(), local.compressed_size_hint(), local.uncompressed_size_hint()],
        Ok(Some(end)) => [end.crc32().into(), end.compressed_size(), end.uncompressed_size()],
        Err(_) => return Err(ZipError::Truncated),
    };
    differ("checksum", record.crc32().into(), said[0])?;
    differ("compressed size", record.compressed_size_hint(), said[1])?;
    differ("size", record.uncompressed_size_hint(), said[2])?;
    if record.compression_method() == CompressionMethod::STORE {
        differ("size of a stored member", record.uncompressed_size_hint(), record.compressed_size_hint())?;
    }
    Ok(())
}

fn check_size(member: &Member<'_>, total: u64, limits: &Limits) -> Result<(), ZipError> {
    let (name, size) = (quoted(&member.name), member.size);
    if size > limits.member_bytes || usize::try_from(size).is_err() {
        return Err(ZipError::MemberTooLarge { name, size, limit: limits.member_bytes });
    }
    let packed = member.packed.len() as u64;
    if size > limits.any_ratio_bytes && size > packed.saturating_mul(limits.ratio) {
        return Err(ZipError::Ratio { name, packed, size, limit: limits.ratio });
    }
    if total > limits.total_bytes {
        return Err(ZipError::TotalTooLarge { size: total, limit: limits.total_bytes });
    }
    Ok(())
}

/// Members have to follow one another from the first byte of the file to its directory.
fn check_spans(mut spans: Vec<Span>, directory: u64) -> Result<(), ZipError> {
    const LONGEST_DESCRIPTOR: u64 = 24;
    spans.sort_by_key(|span| span.start);
    spans.push(Span { name: String::new(), start: directory, end: directory, descriptor: false });
    let (mut end, mut slack, mut before) = (0, 0, None);
    for span in spans {
        if span.start < end {
            let other = before.map_or_else(|| "the start".to_owned(), |name: String| quoted(&name));
            return Err(ZipError::Overlap { name: quoted(&span.name), other });
        }
        let surplus = span.start - end;
        if surplus > slack {
            let place = match before {
                None => "before the first member".to_owned(),
                Some(name) => format!("behind member {}", quoted(&name)),
            };
            return Err(ZipError::Surplus { bytes: surplus, place });
        }
        slack = if span.descriptor { LONGEST_DESCRIPTOR } else { 0 };
        (end, before) = (span.end, Some(span.name));
    }
    Ok(())
}

/// Inflates at most one byte more than the size that the directory gives and the limits have allowed.
fn inflate(member: &Member<'_>) -> Result<Vec<u8>, ZipError> {
    let failed = |problem: String| ZipError::Inflate { name: quoted(&member.name), problem };
    let mut content = Vec::new();
    let capacity = usize::try_from(member.size).unwrap_or(usize::MAX);
    content.try_reserve_exact(capacity).map_err(|error| failed(error.to_string()))?;
    let mut decoder = flate2::bufread::DeflateDecoder::new(member.packed);
    decoder
        .by_ref()
        .take(member.size.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|error| failed(crate::quote::one_line(&error.to_string())))?;
    if content.len() as u64 == member.size && decoder.total_in() != member.packed.len() as u64 {
        return Err(failed("there is data behind its end".into()));
    }
    Ok(content)
}

#[cfg(test)]
mod tests;
