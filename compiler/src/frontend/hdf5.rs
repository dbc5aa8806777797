//! Weights, and what else Keras keeps in HDF5 files.
//!
//! HDF5 is a file system in a file, with links, files beside it and sizes that are only claims. [`Hdf5Weights`] is the
//! small part of it that a model needs: a tree of groups, datasets of numbers, attributes of text. It walks the tree
//! once when it is opened, within bounds, and refuses a file in which
//!
//! - an object is reached twice, by a link or in a circle, or lies beside the file: links to other files, data in other
//!   files, datasets put together from others;
//! - a dataset claims more bytes than a file of this size can hold, or all of them together do;
//! - the tree is deeper than [`MAX_DEPTH`] or has more than [`MAX_OBJECTS`] objects.
//!
//! Everything after that is a look-up in this tree. [`Weights`] is all that the rest of the compiler sees of it.

mod error;
mod file;
mod stored;

use masque_ir::DType;
use masque_runtime::Tensor;

pub use error::WeightsError;
pub use file::{Hdf5Weights, MAX_DEPTH, MAX_OBJECTS};

/// What a dataset holds, known without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The size along every axis.
    pub shape: Vec<usize>,
    /// The element type of the tensor that it is read as.
    pub dtype: DType,
}

/// A tree of groups and datasets with text attributes.
///
/// A path is the names from the root, joined by `/`; the root is the empty path, and a leading `/` does not matter.
pub trait Weights {
    /// The paths of all groups but the root, sorted.
    fn groups(&self) -> Vec<&str>;

    /// The paths of all datasets, sorted.
    fn datasets(&self) -> Vec<&str>;

    /// What the dataset at `path` holds.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Missing`] if there is none, [`WeightsError::Dtype`] if no tensor has its element type.
    fn describe(&self, path: &str) -> Result<Description, WeightsError>;

    /// The dataset at `path`. Half floats and `bfloat16` are widened to `f32`, small integers to `i32`.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::describe`], and [`WeightsError::Content`] if its elements are damaged.
    fn read(&self, path: &str) -> Result<Tensor, WeightsError>;

    /// The texts of the attribute `name` of the object at `path`; `None` if it has no such attribute. An attribute
    /// without elements is an empty list whatever its type: Keras writes empty lists of names as floats.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Missing`] if there is no such object, [`WeightsError::Attribute`] if the attribute is no text.
    fn strings(&self, path: &str, name: &str) -> Result<Option<Vec<String>>, WeightsError>;

    /// The dataset at `path`, if it holds numbers in this shape; nothing is read otherwise.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Shape`], [`WeightsError::Text`], and those of [`Weights::read`].
    fn read_expected(&self, path: &str, shape: &[usize]) -> Result<Tensor, WeightsError> {
        let found = self.describe(path)?;
        if found.shape != shape {
            let (expected, found) = (shape.to_vec(), found.shape);
            return Err(WeightsError::Shape { path: path.to_owned(), expected, found });
        }
        if found.dtype == DType::Str {
            return Err(WeightsError::Text { path: path.to_owned() });
        }
        self.read(path)
    }

    /// The text of the attribute `name`, which has to be a single one.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::strings`], and [`WeightsError::Attribute`] if there are none or several.
    fn string_attribute(&self, path: &str, name: &str) -> Result<Option<String>, WeightsError> {
        let Some(strings) = self.strings(path, name)? else {
            return Ok(None);
        };
        match <[String; 1]>::try_from(strings) {
            Ok([string]) => Ok(Some(string)),
            Err(strings) => {
                let problem = format!("expected one text, found {}", strings.len());
                Err(error::attribute(path, name, problem))
            }
        }
    }

    /// The texts of the attribute `name`, or of `name0`, `name1`, … one after another: Keras splits lists that are too
    /// long for one attribute.
    ///
    /// # Errors
    ///
    /// Those of [`Weights::strings`].
    fn string_list_attribute(&self, path: &str, name: &str) -> Result<Option<Vec<String>>, WeightsError> {
        if let Some(whole) = self.strings(path, name)? {
            return Ok(Some(whole));
        }
        let mut all = None;
        for part in 0.. {
            let Some(strings) = self.strings(path, &format!("{name}{part}"))? else {
                break;
            };
            all.get_or_insert_with(Vec::new).extend(strings);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests;
