//! The tree of an HDF5 file, by way of `hdf5-reader`; with `stored`, the only place that knows this library.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use hdf5_reader::error::{Error, Result as ReaderResult};
use hdf5_reader::group::Group;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::messages::link::LinkTarget;
use hdf5_reader::storage::DynStorage;
use hdf5_reader::{
    Dataset, Datatype, ExternalFileResolver, ExternalLinkResolver, Hdf5File, OpenOptions, RawAttribute,
};
use masque_runtime::Tensor;
use masque_runtime::element::{ElementOrder, element_count};
use masque_runtime::quote::{one_line, quoted};
use ndarray::{ArrayD, IxDyn};

use super::error::{attribute, unreadable};
use super::stored::{Stored, Text};
use super::{Description, Weights, WeightsError};

/// How deep groups may be nested. Keras nests four for a layer and two more for every model inside a model.
pub const MAX_DEPTH: usize = 64;
/// How many groups and datasets there may be.
pub const MAX_OBJECTS: usize = 200_000;
/// How many times its size a file may hold in compressed datasets, if that is more than [`ANY_RATIO_BYTES`]. Weights
/// hardly compress at all; deflate reaches 1032.
const MAX_RATIO: u64 = 200;
/// So many bytes may be compressed by any ratio.
const ANY_RATIO_BYTES: u64 = 8 << 20;
/// How long a path may be: every object below a group repeats it.
const MAX_PATH: usize = 4096;
const MAX_CHUNK_BYTES: usize = 64 << 20;
const MAX_READ_BYTES: usize = 16 << 30;
const MAX_OBJECT_HEADER_BYTES: usize = 16 << 20;

/// The groups and datasets of an HDF5 file.
pub struct Hdf5Weights {
    /// By path; the root is there too.
    groups: BTreeMap<String, Group>,
    datasets: BTreeMap<String, Dataset>,
    file_bytes: u64,
}

impl std::fmt::Debug for Hdf5Weights {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (groups, datasets) = (self.groups.keys(), self.datasets.keys());
        f.debug_struct("Hdf5Weights").field("groups", &groups).field("datasets", &datasets).finish()
    }
}

impl Hdf5Weights {
    /// Walks the file that `bytes` are. They are kept, not copied: a memory map is as good as a vector.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Unreadable`] if they are no HDF5 file; what the module's documentation says is refused, each as
    /// its own error.
    pub fn open<T>(bytes: T) -> Result<Hdf5Weights, WeightsError>
    where
        T: AsRef<[u8]> + Send + Sync + 'static,
    {
        let file_bytes = bytes.as_ref().len() as u64;
        Hdf5Weights::open_out_of(bytes, file_bytes)
    }

    /// The same for a file that came compressed: `file_bytes` is what its datasets are held against.
    ///
    /// # Errors
    ///
    /// Those of [`Hdf5Weights::open`].
    pub fn open_out_of<T>(bytes: T, file_bytes: u64) -> Result<Hdf5Weights, WeightsError>
    where
        T: AsRef<[u8]> + Send + Sync + 'static,
    {
        if bytes.as_ref().is_empty() {
            return Err(WeightsError::Unreadable { problem: "it is empty".to_owned() });
        }
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_max_chunk_bytes(MAX_CHUNK_BYTES)
            .with_max_read_bytes(MAX_READ_BYTES)
            .with_max_object_header_bytes(MAX_OBJECT_HEADER_BYTES)
            .with_external_file_resolver(Arc::new(NothingOutside))
            .with_external_link_resolver(Arc::new(NothingOutside));
        let file = Hdf5File::from_owner(bytes, options).map_err(|error| unreadable(&error))?;
        let root = file.root_group().map_err(|error| unreadable(&error))?;
        let weights = Hdf5Weights { groups: BTreeMap::new(), datasets: BTreeMap::new(), file_bytes };
        let mut walk = Walk { file: &file, weights, seen: HashSet::from([root.address()]), claimed: [0, 0] };
        walk.group(String::new(), root, 0)?;
        Ok(walk.weights)
    }

    /// The paths of the datasets that begin with this.
    pub fn datasets_below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        let from = self.datasets.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(path, _)| path.as_str()).take_while(move |path| path.starts_with(prefix))
    }

    /// Is there a dataset at `path`?
    pub fn has_dataset(&self, path: &str) -> bool {
        self.datasets.contains_key(key(path).as_ref())
    }

    fn dataset(&self, path: &str) -> Result<&Dataset, WeightsError> {
        let missing = || self.missing(path, "dataset", self.datasets.keys());
        self.datasets.get(key(path).as_ref()).ok_or_else(missing)
    }

    fn missing<'a>(
        &self,
        path: &str,
        kind: &'static str,
        present: impl Iterator<Item = &'a String>,
    ) -> WeightsError {
        let mut names: Vec<_> =
            present.filter(|path| !path.is_empty()).take(8).map(|path| quoted(path)).collect();
        if names.is_empty() {
            names.push("none".to_owned());
        }
        WeightsError::Missing { path: path.to_owned(), kind, present: names.join(", ") }
    }

    /// No list of texts may be longer than this.
    fn text_budget(&self) -> usize {
        usize::try_from(self.file_bytes).unwrap_or(usize::MAX)
    }

    fn stored(&self, path: &str, dataset: &Dataset) -> Result<Stored, WeightsError> {
        let raw = dataset.raw_datatype().map_err(|error| content(path, &error))?;
        let datatype = dataset.dtype();
        // HDF5 had no bfloat16 for long: h5py stores two opaque bytes, and Keras the type's name beside them.
        let is_bfloat16 = matches!(datatype, Datatype::Opaque { .. })
            && self.string_attribute(path, "dtype")?.as_deref() == Some("bfloat16");
        Stored::new(datatype, &raw, is_bfloat16).ok_or_else(|| WeightsError::Dtype {
            path: path.to_owned(),
            found: one_line(&format!("{datatype:?}")),
        })
    }
}

impl Weights for Hdf5Weights {
    fn groups(&self) -> Vec<&str> {
        self.groups.keys().map(String::as_str).filter(|path| !path.is_empty()).collect()
    }

    fn datasets(&self) -> Vec<&str> {
        self.datasets.keys().map(String::as_str).collect()
    }

    fn describe(&self, path: &str) -> Result<Description, WeightsError> {
        let dataset = self.dataset(path)?;
        Ok(Description { shape: shape(path, dataset)?, dtype: self.stored(path, dataset)?.dtype() })
    }

    fn read(&self, path: &str) -> Result<Tensor, WeightsError> {
        let dataset = self.dataset(path)?;
        let (shape, stored) = (shape(path, dataset)?, self.stored(path, dataset)?);
        let damaged = |problem| WeightsError::Content { path: path.to_owned(), problem };
        let bytes = dataset.read_raw_bytes().map_err(|error| content(path, &error))?;
        match stored {
            Stored::Plain(element, order) => element
                .tensor(&bytes, order, &shape, ElementOrder::LastFastest)
                .map_err(|error| damaged(error.to_string())),
            Stored::Text(text) => {
                let count = element_count(&shape).unwrap_or(usize::MAX);
                let size = dataset.vlen_reference_size();
                let resolve = |reference: &[u8]| {
                    dataset
                        .resolve_vlen_reference_bytes(reference, 1)
                        .map_err(|error| one_line(&error.to_string()))
                };
                let texts = text.decode(count, &bytes, size, self.text_budget(), resolve).map_err(damaged)?;
                let array = ArrayD::from_shape_vec(IxDyn(&shape), texts);
                array.map(Tensor::Str).map_err(|error| damaged(error.to_string()))
            }
        }
    }

    fn strings(&self, path: &str, name: &str) -> Result<Option<Vec<String>>, WeightsError> {
        let key = key(path);
        let (group, dataset) = (self.groups.get(key.as_ref()), self.datasets.get(key.as_ref()));
        let attributes = match (group, dataset) {
            (Some(group), _) => group.raw_attributes(),
            (_, Some(dataset)) => dataset.raw_attributes(),
            _ => return Err(self.missing(path, "object", self.groups.keys())),
        };
        let refuse = |problem| attribute(path, name, problem);
        let attributes = attributes.map_err(|error| refuse(one_line(&error.to_string())))?;
        let Some(found) = attributes.iter().find(|attribute| attribute.name() == name) else {
            return Ok(None);
        };
        let resolve = |reference: &[u8]| {
            let resolved = match (group, dataset) {
                (Some(group), _) => group.resolve_vlen_reference_bytes(reference, 1),
                (_, Some(dataset)) => dataset.resolve_vlen_reference_bytes(reference, 1),
                _ => Ok(Vec::new()),
            };
            resolved.map_err(|error| one_line(&error.to_string()))
        };
        let root = self.groups.get("").map_or(8, Group::offset_size);
        attribute_texts(found, 8 + usize::from(root), self.text_budget(), resolve).map(Some).map_err(refuse)
    }
}

/// A path as it is looked up. Keras 2 on Windows joined the names of groups by backslashes.
fn key(path: &str) -> Cow<'_, str> {
    let path = path.trim_start_matches('/');
    if path.contains('\\') { path.replace('\\', "/").into() } else { path.into() }
}

/// The texts of an attribute; none, of whatever type, are no texts.
fn attribute_texts(
    attribute: &RawAttribute,
    reference: usize,
    budget: usize,
    resolve: impl Fn(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<Vec<String>, String> {
    let message = attribute.message();
    let count = message.dataspace.num_elements().map_err(|error| one_line(&error.to_string()))?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let count = usize::try_from(count).map_err(|_| "it is too long".to_owned())?;
    let not_text = || format!("expected text, found {}", one_line(&format!("{:?}", message.datatype)));
    let text = Text::new(&message.datatype).ok_or_else(not_text)?;
    text.decode(count, &message.raw_data, reference, budget, resolve)
}

/// The one walk over the tree.
struct Walk<'a> {
    file: &'a Hdf5File,
    weights: Hdf5Weights,
    /// The addresses of the objects met so far.
    seen: HashSet<u64>,
    /// The bytes that the datasets met so far claim: those stored as they are, and those stored in chunks, which may be
    /// compressed.
    claimed: [u64; 2],
}

impl Walk<'_> {
    fn group(&mut self, path: String, group: Group, depth: usize) -> Result<(), WeightsError> {
        if depth > MAX_DEPTH {
            return Err(WeightsError::Limit { path, what: "are nested too deep", limit: MAX_DEPTH });
        }
        self.check_links(&path, &group)?;
        let (groups, datasets) = group.members().map_err(|error| unreadable(&error))?;
        self.weights.groups.insert(path.clone(), group);
        for dataset in datasets {
            let path = self.enter(&path, dataset.name(), dataset.address())?;
            self.check_storage(&path, &dataset)?;
            self.weights.datasets.insert(path, dataset);
        }
        for group in groups {
            let path = self.enter(&path, group.name(), group.address())?;
            self.group(path, group, depth + 1)?;
        }
        Ok(())
    }

    /// The path of a child, which must be a new object with a proper name.
    fn enter(&mut self, group: &str, name: &str, address: u64) -> Result<String, WeightsError> {
        let impossible = |part: &str| matches!(part, "" | "." | "..") || part.contains(['/', '\0']);
        if name.split('\\').any(impossible) {
            return Err(WeightsError::Name { path: group.to_owned(), name: name.to_owned() });
        }
        let name = key(name);
        let path = if group.is_empty() { name.into_owned() } else { format!("{group}/{name}") };
        if path.len() > MAX_PATH {
            let path = path.chars().take(MAX_PATH).collect();
            return Err(WeightsError::Limit { path, what: "have a path that is too long", limit: MAX_PATH });
        }
        if self.seen.len() >= MAX_OBJECTS {
            return Err(WeightsError::Limit { path, what: "have too many objects", limit: MAX_OBJECTS });
        }
        let known = self.weights.groups.contains_key(&path) || self.weights.datasets.contains_key(&path);
        if known || !self.seen.insert(address) {
            return Err(WeightsError::Link {
                path,
                kind: "a second way to an object already met".to_owned(),
            });
        }
        Ok(path)
    }

    /// Refuses the links that a group's header lists. What else leads out of the file meets [`NothingOutside`]; what
    /// leads to another place in it arrives at an object that has been met.
    fn check_links(&self, path: &str, group: &Group) -> Result<(), WeightsError> {
        let header = self.file.get_or_parse_header(group.address()).map_err(|error| unreadable(&error))?;
        for message in &header.messages {
            let HdfMessage::Link(link) = message else { continue };
            let kind = match &link.target {
                LinkTarget::Hard { .. } => continue,
                LinkTarget::Soft { path } => format!("a soft link to {}", quoted(path)),
                LinkTarget::External { filename, .. } => {
                    format!("an external link to the file {}", quoted(filename))
                }
            };
            let path = format!("{path}/{}", link.name);
            return Err(WeightsError::Link { path: path.trim_start_matches('/').to_owned(), kind });
        }
        Ok(())
    }

    /// Holds what a dataset claims against what the file can hold.
    fn check_storage(&mut self, path: &str, dataset: &Dataset) -> Result<(), WeightsError> {
        let header = self.file.get_or_parse_header(dataset.address()).map_err(|error| unreadable(&error))?;
        let mut packed = false;
        for message in &header.messages {
            match message {
                HdfMessage::ExternalFiles(_) => {
                    let place = "in an external file".to_owned();
                    return Err(WeightsError::Elsewhere { path: path.to_owned(), place });
                }
                HdfMessage::DataLayout(layout) if matches!(layout.layout, DataLayout::Chunked { .. }) => {
                    packed = true;
                }
                _ => {}
            }
        }
        let limit = match packed {
            true => self.weights.file_bytes.saturating_mul(MAX_RATIO).max(ANY_RATIO_BYTES),
            false => self.weights.file_bytes,
        };
        let refuse = |claimed| Err(WeightsError::Size { path: path.to_owned(), claimed, limit });
        let Some(bytes) = dataset.raw_byte_len().ok().and_then(|bytes| u64::try_from(bytes).ok()) else {
            return refuse("more than 2^64".to_owned());
        };
        if bytes > limit {
            return refuse(bytes.to_string());
        }
        let claimed = &mut self.claimed[usize::from(packed)];
        *claimed = claimed.saturating_add(bytes);
        if *claimed > limit {
            return refuse(format!("{bytes}, with the datasets before it more than there are,"));
        }
        Ok(())
    }
}

/// Refuses every file beside the one that was opened.
struct NothingOutside;

impl ExternalFileResolver for NothingOutside {
    fn resolve_external_file(&self, name: &str) -> ReaderResult<Option<DynStorage>> {
        Err(Error::Other(format!("its elements are in the external file {}", quoted(name))))
    }
}

impl ExternalLinkResolver for NothingOutside {
    fn resolve_external_link(&self, name: &str) -> ReaderResult<Option<Hdf5File>> {
        Err(Error::Other(format!("there is an external link to the file {}", quoted(name))))
    }
}

fn shape(path: &str, dataset: &Dataset) -> Result<Vec<usize>, WeightsError> {
    let sizes = dataset.shape().iter().map(|&size| usize::try_from(size));
    let too_large = |_| WeightsError::Content {
        path: path.to_owned(),
        problem: format!("no array has the shape {:?}", dataset.shape()),
    };
    sizes.collect::<Result<_, _>>().map_err(too_large)
}

fn content(path: &str, error: &Error) -> WeightsError {
    WeightsError::Content { path: path.to_owned(), problem: one_line(&error.to_string()) }
}
