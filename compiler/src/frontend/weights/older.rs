//! Weights as Keras 1 kept them, and kernels as Theano did.
//!
//! Keras 1 had a weight for every gate of a recurrent layer, kernels with the number of filters first where channels
//! come first, and an axis of size 1 in kernels along one axis. Theano turns kernels round before it multiplies, so that
//! a kernel that it trained is the other way round.

use masque_runtime::Tensor;
use ndarray::{ArrayD, Axis, concatenate};

use super::super::hdf5::WeightsError;
use super::files::Files;
use crate::layer::WeightSpec;

/// By what a file was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// By Keras 1, whose first versions do not say so?
    keras1: bool,
    theano: bool,
}

impl Written {
    /// What a whole model's file says of itself.
    pub(super) fn of(files: &Files) -> Result<Written, WeightsError> {
        let version = files.text("", "keras_version")?;
        let backend = files.text("", "backend")?;
        let keras1 = version.is_none_or(|version| version.starts_with("1."));
        Ok(Written { keras1, theano: backend.is_some_and(|backend| backend == "theano") })
    }
}

/// The datasets of each weight, where those of recurrent layers are one for each gate; `None` if they are not.
pub(super) fn by_gate(weights: &[(&str, &WeightSpec)], paths: &[String]) -> Option<Vec<Vec<String>>> {
    let (mut found, mut left, mut at) = (vec![], paths, 0);
    while at < weights.len() {
        match weights[at..].get(..3).and_then(gates) {
            Some(order) => {
                let (own, rest) = left.split_at_checked(3 * order.len())?;
                let of = |part: usize| order.iter().map(|gate| own[3 * gate + part].clone()).collect();
                found.extend((0..3).map(of));
                (left, at) = (rest, at + 3);
            }
            None => {
                let (own, rest) = left.split_first()?;
                found.push(vec![own.clone()]);
                (left, at) = (rest, at + 1);
            }
        }
    }
    left.is_empty().then_some(found)
}

/// The order in which the gates of a recurrent layer of these weights were kept: an LSTM's candidate came second.
fn gates(weights: &[(&str, &WeightSpec)]) -> Option<&'static [usize]> {
    let ends = weights.iter().zip(["kernel", "recurrent_kernel", "bias"]);
    let named = ends.into_iter().all(|((_, spec), name)| spec.name.rsplit('/').next() == Some(name));
    let [units, columns] = super::shape(weights[1].1).try_into().ok()?;
    match columns.checked_div(units)? {
        3 if named => Some(&[0, 1, 2]),
        4 if named => Some(&[0, 2, 1, 3]),
        _ => None,
    }
}

/// Reads a weight.
pub(super) fn read(
    files: &Files,
    paths: &[String],
    spec: &WeightSpec,
    written: Written,
) -> Result<Tensor, WeightsError> {
    let wanted = super::shape(spec);
    let name = spec.name.rsplit('/').next().unwrap_or_default();
    let kernel = wanted.len() > 2 && matches!(name, "kernel" | "recurrent_kernel");
    let [path] = paths else { return joined(files, paths, &wanted) };
    if !kernel || written == Written::default() {
        return files.read_expected(path, &wanted);
    }
    let mut array = super::to_f32(files.read(path)?);
    if written.keras1 {
        array = in_order(array, path, &wanted, spec.transposed)?;
    }
    if array.shape() != wanted {
        let found = array.shape().to_vec();
        return Err(WeightsError::Shape { path: path.clone(), expected: wanted, found });
    }
    if written.theano {
        (0..wanted.len() - 2).for_each(|axis| array.invert_axis(Axis(axis)));
    }
    Ok(Tensor::F32(array.as_standard_layout().into_owned()))
}

/// The gates beside each other.
fn joined(files: &Files, paths: &[String], wanted: &[usize]) -> Result<Tensor, WeightsError> {
    let parts =
        paths.iter().map(|path| files.read(path).map(super::to_f32)).collect::<Result<Vec<_>, _>>()?;
    let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
    let last = Axis(wanted.len().saturating_sub(1));
    let fits = parts.iter().all(|part| part.ndim() == wanted.len());
    let whole = fits.then(|| concatenate(last, &views).ok()).flatten();
    whole.filter(|whole| whole.shape() == wanted).map(Tensor::F32).ok_or_else(|| WeightsError::Shape {
        path: paths.first().cloned().unwrap_or_default(),
        expected: wanted.to_vec(),
        found: parts.first().map_or_else(Vec::new, |part| part.shape().to_vec()),
    })
}

/// A kernel with its axes in today's order: from space, channels, filters, or from filters, channels, space. That of a
/// transposed convolution has its channels last today.
fn in_order(
    array: ArrayD<f32>,
    path: &str,
    wanted: &[usize],
    transposed: bool,
) -> Result<ArrayD<f32>, WeightsError> {
    let rank = array.ndim();
    if rank < 3 {
        return Ok(array);
    }
    let swapped = |axes: [usize; 2]| if transposed { [axes[1], axes[0]] } else { axes };
    let from_filters: Vec<usize> = (2..rank).chain(swapped([1, 0])).collect();
    let from_space: Vec<usize> = (0..rank - 2).chain(swapped([rank - 2, rank - 1])).collect();
    let turned = array.clone().permuted_axes(from_filters);
    // A kernel along one axis has a second one of size 1.
    let narrow = |array: ArrayD<f32>| match array.shape() {
        [_, 1, _, _] if wanted.len() == 3 => array.index_axis_move(Axis(1), 0),
        _ => array,
    };
    let [straight, turned] = [array.permuted_axes(from_space), turned].map(narrow);
    match (straight.shape() == wanted, turned.shape() == wanted) {
        (true, true) => {
            let problem =
                format!("{path}: a kernel of Keras 1 whose axes have sizes that do not tell them apart");
            Err(WeightsError::Unreadable { problem })
        }
        (false, true) => Ok(turned),
        _ => Ok(straight),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array, ArrayD};

    use super::{by_gate, in_order};
    use crate::layer::WeightSpec;

    #[test]
    fn gates_stand_in_the_order_of_keras_1() {
        let specs = [
            WeightSpec::new("kernel", "", [3, 8]),
            WeightSpec::new("recurrent_kernel", "", [2, 8]),
            WeightSpec::new("bias", "", [8]),
            WeightSpec::new("kernel", "", [2, 5]),
        ];
        let weights: Vec<_> = specs.iter().map(|spec| ("x", spec)).collect();
        let paths: Vec<String> = (0..13).map(|number| number.to_string()).collect();
        let found = by_gate(&weights, &paths).unwrap();
        assert_eq!(
            found,
            [vec!["0", "6", "3", "9"], vec!["1", "7", "4", "10"], vec!["2", "8", "5", "11"], vec!["12"]]
        );
        assert_eq!(by_gate(&weights, &paths[..12]), None);
    }

    #[test]
    fn kernels_of_keras_1_come_in_three_shapes() {
        let counted = |shape: &[usize]| -> ArrayD<f32> {
            Array::from_iter((0..shape.iter().product::<usize>()).map(|x| x as f32))
                .into_shape_with_order(shape)
                .unwrap()
        };
        let element = |shape: &[usize], wanted: &[usize], at: &[usize]| {
            in_order(counted(shape), "w", wanted, false).unwrap()[at]
        };
        // [length, 1, channels, filters] and [filters, channels, length, 1].
        assert_eq!(element(&[3, 1, 2, 4], &[3, 2, 4], &[2, 1, 3]), 23.0);
        assert_eq!(element(&[4, 2, 3, 1], &[3, 2, 4], &[2, 0, 1]), 8.0);
        assert_eq!(element(&[5, 2, 3, 4], &[3, 4, 2, 5], &[0, 1, 0, 0]), 1.0);
        assert!(in_order(counted(&[3, 3, 3, 3]), "w", &[3, 3, 3, 3], false).is_err());
        // [rows, columns, channels, filters] and [filters, channels, rows, columns], transposed.
        let transposed = |shape: &[usize]| in_order(counted(shape), "w", &[5, 2, 4, 3], true).unwrap();
        assert_eq!(transposed(&[5, 2, 3, 4])[[0, 1, 2, 1]], 18.0);
        assert_eq!(transposed(&[4, 3, 5, 2])[[1, 0, 2, 1]], 72.0);
    }
}
