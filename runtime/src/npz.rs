//! The `.npz` format: named arrays, a zip archive of `.npy` files.

use std::io::{self, Write};

use crate::Tensor;
use crate::npy::{self, NpyError};
use crate::quote::quoted;
use crate::zip::{Archive, Limits, Writer, ZipError};

/// Why an archive of arrays is refused. Each message is one line and names the array.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpzError {
    /// The archive itself.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// One of its arrays.
    #[error("array {name}: {error}")]
    Array {
        /// The array.
        name: String,
        /// What is wrong with it.
        #[source]
        error: NpyError,
    },
    /// A member that is not called `….npy`.
    #[error("member {name} is not an array, expected a name that ends in \".npy\"")]
    NotAnArray {
        /// The member.
        name: String,
    },
}

/// Reads every array of an archive, stored or compressed, in the archive's order.
///
/// # Errors
///
/// [`NpzError`], naming the array; the archive is held against [`Limits::ARRAYS`].
pub fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, NpzError> {
    let archive = Archive::open(bytes, Limits::ARRAYS)?;
    let read_one = |member: &str| {
        let name = member.strip_suffix(".npy").ok_or(NpzError::NotAnArray { name: quoted(member) })?;
        let content = archive.read(member)?;
        let tensor = npy::read(&content).map_err(|error| NpzError::Array { name: quoted(name), error })?;
        Ok((name.to_owned(), tensor))
    };
    archive.names().map(read_one).collect()
}

/// Writes an archive of the arrays in their order, stored; the same arrays give the same bytes.
///
/// # Errors
///
/// [`io::ErrorKind::InvalidInput`] if a name cannot name a zip member or the archive grows past 4 GiB; errors of `out`.
pub fn write<W: Write>(out: W, arrays: &[(String, Tensor)]) -> io::Result<W> {
    let mut writer = Writer::new(out);
    for (name, tensor) in arrays {
        writer.add(&format!("{name}.npy"), &npy::write(tensor))?;
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;

    #[test]
    fn arrays_come_back_as_they_were_written() {
        let arrays = vec![
            ("output_0".to_owned(), Tensor::F32(arr1(&[1.5, f32::NEG_INFINITY]).into_dyn())),
            ("gru:0".to_owned(), Tensor::Bool(arr1(&[true, false]).into_dyn())),
            ("inner/text".to_owned(), Tensor::Str(arr1(&[String::new(), "añ😀".into()]).into_dyn())),
        ];
        let bytes = write(Vec::new(), &arrays).unwrap();
        assert_eq!(read(&bytes).unwrap(), arrays);
        assert_eq!(bytes, write(Vec::new(), &arrays).unwrap());
    }

    #[test]
    fn the_archives_of_numpy_are_read() {
        let expected = [
            ("ids".to_owned(), Tensor::I64(ndarray::arr2(&[[4, 2, 0], [7, 0, 0]]).into_dyn())),
            (
                "text".to_owned(),
                Tensor::Str(ndarray::arr2(&[["a dog"], ["über"]]).mapv(str::to_owned).into_dyn()),
            ),
        ];
        for bytes in
            [&include_bytes!("../tests/data/stored.npz")[..], include_bytes!("../tests/data/deflated.npz")]
        {
            assert_eq!(read(bytes).unwrap(), expected);
        }
    }

    #[test]
    fn objects_are_refused_by_the_name_of_their_array() {
        let message = read(include_bytes!("../tests/data/objects.npz")).unwrap_err().to_string();
        assert!(message.contains("\"ragged\"") && message.contains("pickled objects"), "{message}");
        let mut writer = Writer::new(Vec::new());
        writer.add("readme.txt", b"hello").unwrap();
        let error = read(&writer.finish().unwrap()).unwrap_err();
        assert_eq!(error, NpzError::NotAnArray { name: "\"readme.txt\"".into() });
    }
}
