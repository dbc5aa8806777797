//! `.keras` archives: `metadata.json`, `config.json`, `model.weights.h5` and vocabulary assets in a zip file, or in a
//! folder.

use std::borrow::Cow;
use std::path::Path;

use masque_runtime::zip::{Archive, Limits};

use super::flatten::flatten;
use super::json::{self, ConfigText};
use super::keras::{self, Dialect};
use super::weights::{Vocabulary, WeightSource, groups};
use super::{Descriptions, Problem, RawModel, read_file, version};

const WEIGHTS: &str = "model.weights.h5";

/// What holds the members.
pub(super) enum Members<'a> {
    /// A zip file.
    Zip {
        /// Its directory.
        archive: Archive<'a>,
        /// How many bytes it has.
        size: u64,
    },
    /// A folder with the same files in it.
    Folder(&'a Path),
}

impl<'a> Members<'a> {
    /// The members of a zip file.
    pub(super) fn of_zip(bytes: &'a [u8]) -> Result<Members<'a>, Problem> {
        Ok(Members::Zip { archive: Archive::open(bytes, Limits::MODEL)?, size: bytes.len() as u64 })
    }

    fn contains(&self, name: &str) -> bool {
        match self {
            Members::Zip { archive, .. } => archive.contains(name),
            Members::Folder(folder) => inside(folder, name).is_some_and(|path| path.is_file()),
        }
    }

    /// The size of the zip file.
    fn size(&self) -> Option<u64> {
        match self {
            Members::Zip { size, .. } => Some(*size),
            Members::Folder(_) => None,
        }
    }

    /// A hash over the files that a model needs.
    pub(super) fn everything(&self) -> Result<String, Problem> {
        let mut hash = blake3::Hasher::new();
        for name in ["config.json", "metadata.json", WEIGHTS].into_iter().filter(|name| self.contains(name)) {
            hash.update(name.as_bytes());
            hash.update(&self.read(name)?);
        }
        Ok(hash.finalize().to_hex().to_string())
    }

    fn read(&self, name: &str) -> Result<Cow<'_, [u8]>, Problem> {
        match self {
            Members::Zip { archive, .. } => Ok(archive.read(name)?),
            Members::Folder(folder) => match inside(folder, name) {
                Some(path) => read_file(&path)
                    .map(Cow::Owned)
                    .map_err(|source| Problem::Member { name: name.to_owned(), source }),
                None => Err(Problem::Member {
                    name: name.to_owned(),
                    source: std::io::ErrorKind::InvalidFilename.into(),
                }),
            },
        }
    }
}

/// A file of the folder; none if the name would lead out of it.
fn inside(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    name.split('/').all(plain).then(|| folder.join(name))
}

/// Reads a whole archive; the weights stay in their own format until they are asked for.
pub(super) fn read(members: &Members<'_>, known: &Descriptions) -> Result<(RawModel, WeightSource), Problem> {
    if members.contains("saved_model.pb") && !members.contains("config.json") {
        return Err(Problem::SavedModel);
    }
    let config = members.read("config.json")?;
    let config = ConfigText::parse("config.json", &config)?;
    let dialect = match members.contains("metadata.json") {
        true => version::dialect_of(&json::parse("metadata.json", &members.read("metadata.json")?)?)?,
        false => Dialect::Keras3,
    };
    let mut nested = keras::read(&config, dialect)?;
    known.expand(&mut nested)?;
    let groups = groups(&nested);
    let file = match members.contains(WEIGHTS) {
        true => Some(members.read(WEIGHTS)?.into()),
        false => None,
    };
    let weights = file.map(|file| WeightSource::by_group(vec![file], &nested).carried_in(members.size()));
    let mut weights = weights.unwrap_or_else(WeightSource::none);
    let raw = flatten(nested)?;
    for (layer, group) in groups {
        let asset = format!("assets/{group}/vocabulary.txt");
        if members.contains(&asset) {
            weights.learn(&layer, Vocabulary::from_asset(&asset, &members.read(&asset)?)?);
        }
    }
    weights.learn_from_settings(&raw)?;
    Ok((raw, weights))
}
