//! Weights files, opened: one, or the shards of one.

use std::sync::Arc;

use masque_ir::DType;
use masque_runtime::Tensor;

use super::super::hdf5::{Hdf5Weights, Weights, WeightsError};

/// The HDF5 files that a model's weights are spread over. Each path is looked for in the order of the files.
pub(super) struct Files(Vec<Hdf5Weights>);

impl Files {
    /// `carrier` is the size of the archive that they came in, if they did.
    pub(super) fn open(files: &[Arc<[u8]>], carrier: Option<u64>) -> Result<Files, WeightsError> {
        let open = |bytes: &Arc<[u8]>| {
            let size = bytes.len() as u64;
            Hdf5Weights::open_out_of(Arc::clone(bytes), carrier.map_or(size, |carrier| carrier.min(size)))
        };
        files.iter().map(open).collect::<Result<_, _>>().map(Files)
    }

    /// The paths of the datasets that begin with this.
    pub(super) fn datasets_below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().flat_map(move |file| file.datasets_below(prefix))
    }

    pub(super) fn has_dataset(&self, path: &str) -> bool {
        self.0.iter().any(|file| file.has_dataset(path))
    }

    /// The file with that object; the first one if there is no such object, whose error then says so.
    pub(super) fn with(&self, path: &str) -> Result<&Hdf5Weights, WeightsError> {
        let found = self.0.iter().find(|file| file.has_dataset(path));
        found
            .or(self.0.first())
            .ok_or_else(|| WeightsError::Unreadable { problem: "there is no file".to_owned() })
    }

    pub(super) fn shape(&self, path: &str) -> Result<Vec<usize>, WeightsError> {
        Ok(self.with(path)?.describe(path)?.shape)
    }

    /// The element type of the tensor that it is read as.
    pub(super) fn dtype(&self, path: &str) -> Result<DType, WeightsError> {
        Ok(self.with(path)?.describe(path)?.dtype)
    }

    pub(super) fn read(&self, path: &str) -> Result<Tensor, WeightsError> {
        self.with(path)?.read(path)
    }

    pub(super) fn read_expected(&self, path: &str, shape: &[usize]) -> Result<Tensor, WeightsError> {
        self.with(path)?.read_expected(path, shape)
    }

    /// A text attribute of a group.
    pub(super) fn text(&self, group: &str, name: &str) -> Result<Option<String>, WeightsError> {
        self.0.first().map_or(Ok(None), |file| file.string_attribute(group, name))
    }

    /// The texts of a list attribute of a group.
    pub(super) fn list(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, WeightsError> {
        match self.0.first() {
            Some(file) => file.string_list_attribute(group, name),
            None => Ok(None),
        }
    }
}
