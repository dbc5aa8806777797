//! Weights files, opened: one, or the shards of one.

use std::sync::Arc;

use masque_runtime::Tensor;

use super::super::hdf5::{Hdf5Weights, Weights, WeightsError};

/// The HDF5 files that a model's weights are spread over. Each path is looked for in the order of the files.
pub(super) struct Files(Vec<Hdf5Weights>);

impl Files {
    pub(super) fn open(files: &[Arc<[u8]>]) -> Result<Files, WeightsError> {
        files.iter().map(|bytes| Hdf5Weights::open(Arc::clone(bytes))).collect::<Result<_, _>>().map(Files)
    }

    /// The paths of all datasets.
    pub(super) fn datasets(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|file| file.datasets())
    }

    pub(super) fn has_dataset(&self, path: &str) -> bool {
        self.0.iter().any(|file| file.describe(path).is_ok())
    }

    /// The file with that object; the first one if there is no such object, whose error then says so.
    pub(super) fn with(&self, path: &str) -> Result<&Hdf5Weights, WeightsError> {
        let found = self.0.iter().find(|file| file.datasets().binary_search(&path).is_ok());
        found
            .or(self.0.first())
            .ok_or_else(|| WeightsError::Unreadable { problem: "there is no file".to_owned() })
    }

    pub(super) fn shape(&self, path: &str) -> Result<Vec<usize>, WeightsError> {
        Ok(self.with(path)?.describe(path)?.shape)
    }

    pub(super) fn read(&self, path: &str) -> Result<Tensor, WeightsError> {
        self.with(path)?.read(path)
    }

    pub(super) fn read_expected(&self, path: &str, shape: &[usize]) -> Result<Tensor, WeightsError> {
        self.with(path)?.read_expected(path, shape)
    }

    /// The texts of a list attribute of a group.
    pub(super) fn list(&self, group: &str, name: &str) -> Result<Option<Vec<String>>, WeightsError> {
        match self.0.first() {
            Some(file) => file.string_list_attribute(group, name),
            None => Ok(None),
        }
    }
}
