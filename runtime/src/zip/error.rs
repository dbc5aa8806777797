//! Why an archive is refused.

use rawzip::{Error, ErrorKind};

/// Why an archive, or a member of it, is refused. Each message is one line and names the member.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// There are no bytes at all.
    #[error("the file is empty, expected a zip archive")]
    Empty,
    /// The bytes are something else.
    #[error("not a zip archive: expected it to begin with \"PK\", found {found}")]
    NotZip {
        /// The first bytes.
        found: String,
    },
    /// The bytes begin like an archive, but its end is missing.
    #[error("the zip archive is truncated: its directory is missing or incomplete")]
    Truncated,
    /// The directory is not a list of members.
    #[error("the zip archive's directory is damaged: {problem}")]
    Directory {
        /// What is wrong.
        problem: String,
    },
    /// An archive split over several disks.
    #[error("the zip archive is one part of several, expected a single file")]
    ManyDisks,
    /// The 64-bit form is announced, but its records are missing or contradict the others.
    #[error("the zip archive's 64-bit records are wrong: {what}")]
    Zip64 {
        /// Which record.
        what: String,
    },
    /// The directory's length is not what the end of the archive says.
    #[error("the zip archive's directory should list {expected} members, found {found}")]
    Count {
        /// The announced number.
        expected: u64,
        /// The number of entries.
        found: u64,
    },
    /// More members than [`Limits::members`](super::Limits::members).
    #[error("the zip archive has more than {limit} members")]
    TooManyMembers {
        /// The limit.
        limit: u64,
    },
    /// Bytes that belong to no member.
    #[error("the zip archive has {bytes} bytes {place} that belong to no member")]
    Surplus {
        /// How many.
        bytes: u64,
        /// Where.
        place: String,
    },
    /// A name that is not a plain relative one.
    #[error("zip member {name} is refused for its name: {problem}")]
    Name {
        /// The member.
        name: String,
        /// What is wrong with its name.
        problem: &'static str,
    },
    /// Two names that are the same, or would be where case does not count.
    #[error("zip member {name} is there twice: {first} came before it")]
    Duplicate {
        /// The second member.
        name: String,
        /// The first.
        first: String,
    },
    /// A link, a device, or a directory with content.
    #[error("zip member {name} is neither a plain file nor an empty directory (mode {mode:o})")]
    NotAFile {
        /// The member.
        name: String,
        /// The file type bits.
        mode: u32,
    },
    /// An encrypted member.
    #[error("zip member {name} is encrypted; save the archive without a password")]
    Encrypted {
        /// The member.
        name: String,
    },
    /// A compression method that is not read here.
    #[error("zip member {name} has compression method {method}, expected 0 (stored) or 8 (deflated)")]
    Method {
        /// The member.
        name: String,
        /// Its method.
        method: u16,
    },
    /// The header before a member is missing or damaged.
    #[error("zip member {name} has no readable header: {problem}")]
    Header {
        /// The member.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A member goes by another name in its own header.
    #[error("zip member {name} calls itself {member} in its own header")]
    NamesDiffer {
        /// The name in the directory.
        name: String,
        /// The name in the member's header.
        member: String,
    },
    /// A member's own header contradicts the directory.
    #[error(
        "zip member {name} has two {field} values: {directory} in the directory, {member} in its own header"
    )]
    HeadersDiffer {
        /// The member.
        name: String,
        /// What is said twice.
        field: &'static str,
        /// As the directory has it.
        directory: u64,
        /// As the member has it.
        member: u64,
    },
    /// Two members share bytes.
    #[error("zip member {name} overlaps {other}")]
    Overlap {
        /// The member that begins later.
        name: String,
        /// The one it begins inside of.
        other: String,
    },
    /// Larger than [`Limits::member_bytes`](super::Limits::member_bytes).
    #[error("zip member {name} is too large: {size} bytes once inflated, expected at most {limit}")]
    MemberTooLarge {
        /// The member.
        name: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Larger than [`Limits::total_bytes`](super::Limits::total_bytes).
    #[error("the zip archive is too large: {size} bytes once inflated, expected at most {limit}")]
    TotalTooLarge {
        /// The size of the members up to the one that is too much.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Compressed more than [`Limits::ratio`](super::Limits::ratio) allows: a bomb.
    #[error(
        "zip member {name} would grow from {packed} to {size} bytes, expected at most {limit} times its size"
    )]
    Ratio {
        /// The member.
        name: String,
        /// Its compressed size.
        packed: u64,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A member's compressed content is damaged.
    #[error("zip member {name} cannot be inflated: {problem}")]
    Inflate {
        /// The member.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A member is longer or shorter than announced.
    #[error("zip member {name} should be {expected} bytes once inflated, found {found} or more")]
    Size {
        /// The member.
        name: String,
        /// The announced size.
        expected: u64,
        /// The number of bytes inflated before stopping.
        found: u64,
    },
    /// A member's content is not what was saved.
    #[error("zip member {name} is damaged: expected checksum {expected:08x}, found {found:08x}")]
    Checksum {
        /// The member.
        name: String,
        /// The announced checksum.
        expected: u32,
        /// The checksum of the content.
        found: u32,
    },
    /// There is no member of that name.
    #[error("the zip archive has no member {name}; it has {present}")]
    Missing {
        /// The name asked for.
        name: String,
        /// The first few names.
        present: String,
    },
}

/// An error met while looking for the end of the archive.
pub(super) fn at_end(error: Error, bytes: &[u8]) -> ZipError {
    if bytes.starts_with(b"PK") {
        return match error.kind() {
            ErrorKind::MissingEndOfCentralDirectory | ErrorKind::Eof => ZipError::Truncated,
            _ => in_directory(error),
        };
    }
    let found: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    ZipError::NotZip { found: format!("the bytes {}", found.join(" ")) }
}

/// An error met while reading the directory.
pub(super) fn in_directory(error: Error) -> ZipError {
    const ZIP64_END: u32 = 0x0606_4b50;
    match error.kind() {
        ErrorKind::Eof => ZipError::Truncated,
        ErrorKind::InvalidSignature { actual: ZIP64_END, .. } => {
            ZipError::Zip64 { what: "they contradict the end of the archive".into() }
        }
        _ => ZipError::Directory { problem: crate::quote::one_line(&error.to_string()) },
    }
}
