//! The formats of inputs and answers, in one table: by what they are recognized, who reads and writes them, and whether
//! this build has them.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::FileProblem;
use super::rows::{Reader, Writer};
use super::source::Raw;

/// A format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One example a line, as JSON.
    JsonLines,
    /// All examples in one value of JSON.
    Json,
    /// A table whose fields are separated by commas.
    Csv,
    /// A table whose fields are separated by tabs.
    Tsv,
    /// An archive of arrays.
    Npz,
    /// One array.
    Npy,
    /// Columns in batches, as a file.
    Arrow,
    /// Columns in batches, one after the other.
    ArrowStream,
    /// Columns in groups of rows.
    Parquet,
}

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// Record by record, as lines.
    Lines,
    /// Record by record, as rows of columns.
    Columns,
    /// At once, as arrays.
    Arrays,
}

/// What is to be known of a format.
#[derive(Debug)]
pub struct Facts {
    /// The format.
    pub format: Format,
    /// What `--input-format` and `--output-format` call it.
    pub name: &'static str,
    /// How the names of its files end.
    pub endings: &'static [&'static str],
    /// How its files begin, if that tells it from all others.
    pub start: &'static [u8],
    /// What a file of it is, for people.
    pub words: &'static str,
    /// Are inputs read record by record?
    pub by_record: bool,
    /// How answers are written; none if it is for inputs only.
    pub answers: Option<Answers>,
    /// Of a table: what separates its fields.
    pub separator: Option<u8>,
    /// By columns: what reads and writes it.
    pub(crate) columns: Option<Columns>,
}

/// What reads and writes a format by columns; nothing where its feature is not built.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) feature: &'static str,
    pub(crate) code: Option<(Reader, Writer)>,
}

#[cfg(feature = "arrow")]
const ARROW: [Option<(Reader, Writer)>; 2] =
    [Some((super::arrow::read, super::arrow::file)), Some((super::arrow::read, super::arrow::stream))];
#[cfg(not(feature = "arrow"))]
const ARROW: [Option<(Reader, Writer)>; 2] = [None; 2];
#[cfg(feature = "parquet")]
const PARQUET: Option<(Reader, Writer)> = Some((super::parquet::read, super::parquet::file));
#[cfg(not(feature = "parquet"))]
const PARQUET: Option<(Reader, Writer)> = None;

const FACTS: Facts = Facts {
    format: Format::JsonLines,
    name: "",
    endings: &[],
    start: b"",
    words: "",
    by_record: false,
    answers: None,
    separator: None,
    columns: None,
};

/// All formats.
pub const FORMATS: &[Facts] = &[
    Facts {
        format: Format::JsonLines,
        name: "jsonl",
        endings: &["jsonl", "ndjson"],
        words: "JSON lines",
        by_record: true,
        answers: Some(Answers::Lines),
        ..FACTS
    },
    Facts { format: Format::Json, name: "json", endings: &["json"], words: "JSON", ..FACTS },
    Facts {
        format: Format::Csv,
        name: "csv",
        endings: &["csv"],
        words: "a table",
        by_record: true,
        separator: Some(b','),
        ..FACTS
    },
    Facts {
        format: Format::Tsv,
        name: "tsv",
        endings: &["tsv", "tab"],
        words: "a table",
        by_record: true,
        separator: Some(b'\t'),
        ..FACTS
    },
    Facts {
        format: Format::Npz,
        name: "npz",
        endings: &["npz"],
        start: b"PK\x03\x04",
        words: "an .npz archive of arrays",
        answers: Some(Answers::Arrays),
        ..FACTS
    },
    Facts {
        format: Format::Npy,
        name: "npy",
        endings: &["npy"],
        start: b"\x93NUMPY",
        words: "an .npy array",
        answers: Some(Answers::Arrays),
        ..FACTS
    },
    Facts {
        format: Format::Arrow,
        name: "arrow",
        endings: &["arrow", "feather"],
        start: b"ARROW1\0\0",
        words: "an Arrow file",
        by_record: true,
        answers: Some(Answers::Columns),
        columns: Some(Columns { feature: "arrow", code: ARROW[0] }),
        ..FACTS
    },
    Facts {
        format: Format::ArrowStream,
        name: "arrows",
        endings: &["arrows"],
        start: b"\xff\xff\xff\xff",
        words: "an Arrow stream",
        by_record: true,
        answers: Some(Answers::Columns),
        columns: Some(Columns { feature: "arrow", code: ARROW[1] }),
        ..FACTS
    },
    Facts {
        format: Format::Parquet,
        name: "parquet",
        endings: &["parquet", "pq"],
        // Behind the four letters a description begins, of a page or, without any row, of the file.
        start: b"PAR1\x15",
        words: "a Parquet file",
        by_record: true,
        answers: Some(Answers::Columns),
        columns: Some(Columns { feature: "parquet", code: PARQUET }),
        ..FACTS
    },
];

/// An archive of one file.
pub(super) struct Archive {
    /// How it begins.
    pub(super) start: &'static [u8],
    /// How its names end.
    pub(super) ending: &'static str,
    /// For people.
    pub(super) name: &'static str,
    /// What decompresses it; nothing where the feature of its name is not built.
    pub(super) open: Option<fn(Raw) -> Box<dyn Read + Send>>,
}

#[cfg(feature = "zstd")]
const ZSTD: Option<fn(Raw) -> Box<dyn Read + Send>> = Some(|bytes| Box::new(super::zstd::Frames::new(bytes)));
#[cfg(not(feature = "zstd"))]
const ZSTD: Option<fn(Raw) -> Box<dyn Read + Send>> = None;

/// All archives.
pub(super) const ARCHIVES: &[Archive] = &[
    Archive {
        start: b"\x1f\x8b",
        ending: "gz",
        name: "gzip",
        open: Some(|bytes| Box::new(MultiGzDecoder::new(bytes))),
    },
    Archive { start: b"\x28\xb5\x2f\xfd", ending: "zst", name: "zstd", open: ZSTD },
];

impl Format {
    /// What is to be known of it.
    pub fn facts(self) -> &'static Facts {
        &FORMATS[self as usize]
    }

    /// The same format, if it was not left out of the build.
    pub(super) fn present(self) -> Result<Format, FileProblem> {
        match &self.facts().columns {
            Some(Columns { feature, code: None }) => {
                Err(FileProblem::NoFeature { what: self.facts().words, feature })
            }
            _ => Ok(self),
        }
    }

    /// What reads it as rows, if it is by columns.
    pub(crate) fn reader(self) -> Option<Reader> {
        self.facts().columns.as_ref().and_then(|columns| columns.code).map(|(reader, _)| reader)
    }

    /// What writes it as rows, if it is by columns.
    pub(crate) fn writer(self) -> Option<Writer> {
        self.facts().columns.as_ref().and_then(|columns| columns.code).map(|(_, writer)| writer)
    }

    /// The format of a name on a command line.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in one line.
    pub(crate) fn named(name: &str, is_output: bool) -> Result<Format, String> {
        let may_be = |facts: &&Facts| !is_output || facts.answers.is_some();
        let found = FORMATS.iter().filter(may_be).find(|facts| facts.name == name);
        let names = || FORMATS.iter().filter(may_be).map(|facts| facts.name);
        found.map(|facts| facts.format).ok_or_else(|| format!("expects {}, found {name}", either(names())))
    }

    /// The format of inputs that a file's name says; what is in an archive has its ending before that of the archive.
    pub(super) fn of_inputs(path: &Path) -> Option<Format> {
        let last = ending(path);
        match path.file_stem().filter(|_| ARCHIVES.iter().any(|archive| archive.ending == last)) {
            Some(inner) => of_ending(&ending(Path::new(inner))),
            None => of_ending(&last),
        }
    }

    /// The format of answers that a file's name says.
    ///
    /// # Errors
    ///
    /// [`FileProblem::Ending`] with the endings that would do.
    pub(crate) fn of_outputs(path: &Path) -> Result<Format, FileProblem> {
        let known = of_ending(&ending(path)).filter(|format| format.facts().answers.is_some());
        known.ok_or_else(|| FileProblem::Ending(endings(|facts| facts.answers.is_some()), "output"))
    }
}

impl Facts {
    fn is_present(&self) -> bool {
        self.columns.as_ref().is_none_or(|columns| columns.code.is_some())
    }
}

fn of_ending(ending: &str) -> Option<Format> {
    FORMATS.iter().find(|facts| facts.endings.contains(&ending)).map(|facts| facts.format)
}

/// The first ending of each of these formats.
pub(super) fn endings(which: impl Fn(&Facts) -> bool) -> String {
    let endings: Vec<String> = FORMATS
        .iter()
        .filter(|facts| facts.is_present() && which(facts))
        .map(|facts| format!(".{}", facts.endings[0]))
        .collect();
    either(endings.iter().map(String::as_str))
}

/// `a, b or c`.
fn either<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// What is behind the last point of a file's name, in small letters.
fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase()).unwrap_or_default()
}

/// What this build reads and writes, archives included.
pub(crate) fn present() -> impl Iterator<Item = &'static str> {
    let archives = ARCHIVES.iter().filter(|archive| archive.open.is_some()).map(|archive| archive.ending);
    FORMATS.iter().filter(|facts| facts.is_present()).map(|facts| facts.name).chain(archives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_stands_in_its_place() {
        for (place, facts) in FORMATS.iter().enumerate() {
            assert_eq!(facts.format as usize, place, "{}", facts.name);
            assert_eq!(facts.endings[0], facts.name);
            assert_eq!(Format::named(facts.name, false), Ok(facts.format));
        }
    }

    #[test]
    fn names_say_what_files_are() {
        let of = |name: &str| Format::of_inputs(Path::new(name));
        assert_eq!(of("a.jsonl.gz"), Some(Format::JsonLines));
        assert_eq!(of("b.NDJSON"), Some(Format::JsonLines));
        assert_eq!(of("c.tsv"), Some(Format::Tsv));
        assert_eq!([of("d.gz"), of("csv"), of("e.csv.bz2")], [None; 3]);
        let refusal = Format::named("xlsx", true).unwrap_err();
        assert!(refusal.starts_with("expects jsonl, npz") && refusal.ends_with(", found xlsx"), "{refusal}");
    }
}
