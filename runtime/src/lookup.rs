//! Tokens to numbers: places in a list, bins, counts. What the operations of that family mean, in one place for the
//! interpreter and for the kernel that keeps its list.

use std::collections::HashMap;

use masque_ir::DType;
use masque_ir::ops::Spread;
use ndarray::{ArrayD, ArrayViewD, Dimension};

use crate::cast::cast;
use crate::elements::{Element, collect, demand};
use crate::error::OpFailure;
use crate::hash::{farm_hash_64, join, sip_hash_64};
use crate::quote::quoted;
use crate::tensor::{Tensor, TensorView};

/// The key under which Keras joins hashes.
const CROSSING_KEY: u64 = 0x00de_cafc_affe;

/// The places of tokens in a list.
#[derive(Clone, Debug)]
pub enum Places {
    /// Of texts.
    Texts(HashMap<Box<str>, i64>),
    /// Of integers.
    Integers(HashMap<i64, i64>),
}

impl Places {
    /// Looks where each token stands first; `None` if the list holds neither texts nor integers.
    pub fn new(list: &TensorView<'_>) -> Option<Places> {
        fn places<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, i64> {
            let mut places = HashMap::new();
            for (place, key) in keys.enumerate() {
                places.entry(key).or_insert(place as i64);
            }
            places
        }
        Some(match list {
            TensorView::Str(list) => Places::Texts(places(list.iter().map(|text| text.as_str().into()))),
            TensorView::I64(list) => Places::Integers(places(list.iter().copied())),
            TensorView::I32(list) => Places::Integers(places(list.iter().map(|&number| number.into()))),
            _ => return None,
        })
    }

    /// The place of every token, -1 where it has none.
    ///
    /// # Errors
    /// [`OpFailure`]: tokens of another kind than the list's, or one that is required and not there.
    pub fn find(&self, x: &TensorView<'_>, required: bool) -> Result<Tensor, OpFailure> {
        let found = match (self, x) {
            (Places::Texts(places), TensorView::Str(x)) => {
                let place = |text: &String| places.get(text.as_str()).copied();
                each(x, |text| place(text).ok_or_else(|| quoted(text)), required)
            }
            (Places::Integers(places), TensorView::I64(x)) => {
                each(x, |number| places.get(number).copied().ok_or_else(|| number.to_string()), required)
            }
            (Places::Integers(places), TensorView::I32(x)) => {
                let place = |number: i32| places.get(&i64::from(number)).copied();
                each(x, |&number| place(number).ok_or_else(|| number.to_string()), required)
            }
            (_, x) => Err(OpFailure::ElementType { found: x.dtype() }),
        };
        found.map(Tensor::I64)
    }
}

fn each<T: Element>(
    x: &ArrayViewD<'_, T>,
    place: impl Fn(&T) -> Result<i64, String>,
    required: bool,
) -> Result<ArrayD<i64>, OpFailure> {
    const NOT_THERE: i64 = -1;
    if required {
        for (position, token) in x.indexed_iter() {
            place(token)
                .map_err(|token| OpFailure::Unknown { token, position: position.slice().to_vec() })?;
        }
    }
    collect(x.shape(), x.iter().map(|token| place(token).unwrap_or(NOT_THERE)))
}

/// The bin of every token.
///
/// # Errors
/// [`OpFailure`]: elements that are neither texts nor integers, or no bins.
pub fn bucket(x: &TensorView<'_>, bins: i64, by: Spread) -> Result<Tensor, OpFailure> {
    let bins = bins_of(bins)?;
    let hash = |text: &str| match by {
        Spread::Sip { first, second } => sip_hash_64([first as u64, second as u64], text.as_bytes()),
        Spread::Farm | Spread::Remainder => farm_hash_64(text.as_bytes()),
    };
    let bin = |hash: u64| (hash % bins) as i64;
    let of_number = |number: i64| match by {
        Spread::Remainder => (i128::from(number).rem_euclid(i128::from(bins))) as i64,
        Spread::Farm | Spread::Sip { .. } => bin(hash(&number.to_string())),
    };
    let found = match x {
        TensorView::Str(x) => collect(x.shape(), x.iter().map(|text| bin(hash(text)))),
        TensorView::I64(x) => collect(x.shape(), x.iter().map(|&number| of_number(number))),
        TensorView::I32(x) => collect(x.shape(), x.iter().map(|&number| of_number(number.into()))),
        other => Err(OpFailure::ElementType { found: other.dtype() }),
    };
    found.map(Tensor::I64)
}

fn bins_of(bins: i64) -> Result<u64, OpFailure> {
    u64::try_from(bins)
        .ok()
        .filter(|&bins| bins > 0)
        .ok_or_else(|| OpFailure::mismatch("at least one bin", bins))
}

/// The bin into which the elements at each place of all parts fall together.
///
/// # Errors
/// [`OpFailure`]: elements that are neither texts nor integers, parts of several shapes, or no bins.
pub fn cross(parts: &[TensorView<'_>], bins: i64) -> Result<Tensor, OpFailure> {
    let bins = bins_of(bins)?;
    let shape = parts.first().map_or(&[][..], TensorView::shape);
    let mut crossed = collect(shape, std::iter::repeat_n(0i64, shape.iter().product()))?;
    crossed.fill(CROSSING_KEY as i64);
    for part in parts {
        if part.shape() != shape {
            return Err(OpFailure::mismatch(format!("a shape {shape:?}"), format!("{:?}", part.shape())));
        }
        let step = |all: &mut i64, hash: u64| *all = join(*all as u64, hash) as i64;
        match part {
            TensorView::Str(x) => {
                crossed.iter_mut().zip(x).for_each(|(all, text)| step(all, farm_hash_64(text.as_bytes())));
            }
            TensorView::I64(x) => {
                crossed.iter_mut().zip(x).for_each(|(all, &number)| step(all, number as u64))
            }
            TensorView::I32(x) => {
                crossed.iter_mut().zip(x).for_each(|(all, &number)| step(all, i64::from(number) as u64));
            }
            other => return Err(OpFailure::ElementType { found: other.dtype() }),
        }
    }
    crossed.mapv_inplace(|hash| (hash as u64 % bins) as i64);
    Ok(Tensor::I64(crossed))
}

/// How often each number below `size` stands along the last axis, or the sums of the weights that stand beside it.
///
/// # Errors
/// [`OpFailure`]: elements that are no integers, a negative one, weights of another shape, or a result too large.
pub fn tally(x: &TensorView<'_>, weights: Option<&TensorView<'_>>, size: i64) -> Result<Tensor, OpFailure> {
    let size = usize::try_from(size).map_err(|_| OpFailure::mismatch("a size", size))?;
    let x = cast(x, DType::I64)?;
    let x = x.as_i64().ok_or(OpFailure::ElementType { found: x.dtype() })?;
    let negative = x.indexed_iter().find(|(_, number)| **number < 0);
    if let Some((position, &number)) = negative {
        return Err(OpFailure::Negative { number, position: position.slice().to_vec() });
    }
    match weights {
        None => tallied(x, &ArrayD::from_elem(x.raw_dim(), 1i64), size).map(Tensor::I64),
        Some(TensorView::F32(weights)) => tallied(x, &weights.to_owned(), size).map(Tensor::F32),
        Some(TensorView::F64(weights)) => tallied(x, &weights.to_owned(), size).map(Tensor::F64),
        Some(other) => Err(OpFailure::ElementType { found: other.dtype() }),
    }
}

fn tallied<T: Element + Copy + Default + std::ops::AddAssign>(
    x: &ArrayD<i64>,
    weights: &ArrayD<T>,
    size: usize,
) -> Result<ArrayD<T>, OpFailure> {
    if x.shape() != weights.shape() || x.ndim() == 0 {
        let expected = format!("weights {:?}, one for each number", x.shape());
        return Err(OpFailure::mismatch(expected, format!("{:?}", weights.shape())));
    }
    let shape = [&x.shape()[..x.ndim() - 1], &[size]].concat();
    let (count, _) = demand::<T>(&shape)?;
    let mut tallied = collect(&shape, std::iter::repeat_n(T::default(), count))?;
    for ((numbers, weights), mut row) in x.rows().into_iter().zip(weights.rows()).zip(tallied.rows_mut()) {
        for (&number, &weight) in numbers.iter().zip(weights) {
            if let Some(sum) = usize::try_from(number).ok().and_then(|number| row.get_mut(number)) {
                *sum += weight;
            }
        }
    }
    Ok(tallied)
}
