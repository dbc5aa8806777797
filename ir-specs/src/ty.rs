//! Element types, and the types of values: `f32[B, T, 6]`.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::dim::{Bindings, Dim, Names};

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DType {
    /// 32-bit IEEE float.
    F32,
    /// 64-bit IEEE float.
    F64,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// Truth value; a mask has this type, true = a valid position.
    Bool,
    /// UTF-8 text.
    Str,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 6] = [DType::F32, DType::F64, DType::I32, DType::I64, DType::Bool, DType::Str];

    /// The name in the text form, and the size of one element in bytes (none for text).
    const fn row(self) -> (&'static str, Option<usize>) {
        match self {
            DType::F32 => ("f32", Some(4)),
            DType::F64 => ("f64", Some(8)),
            DType::I32 => ("i32", Some(4)),
            DType::I64 => ("i64", Some(8)),
            DType::Bool => ("bool", Some(1)),
            DType::Str => ("str", None),
        }
    }

    /// The name in the text form.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The size of one element in bytes; text has none.
    pub const fn size(self) -> Option<usize> {
        self.row().1
    }

    /// Is it a float?
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64)
    }

    /// Is it an integer?
    pub const fn is_int(self) -> bool {
        matches!(self, DType::I32 | DType::I64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The sizes along all axes, outermost first. Types are copied a lot, so copies share what they hold until one of them
/// is changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sizes(Arc<Vec<Dim>>);

impl Deref for Sizes {
    type Target = Vec<Dim>;
    fn deref(&self) -> &Vec<Dim> {
        &self.0
    }
}

impl DerefMut for Sizes {
    fn deref_mut(&mut self) -> &mut Vec<Dim> {
        Arc::make_mut(&mut self.0)
    }
}

impl From<Vec<Dim>> for Sizes {
    fn from(sizes: Vec<Dim>) -> Sizes {
        Sizes(Arc::new(sizes))
    }
}

impl<const N: usize> From<[Dim; N]> for Sizes {
    fn from(sizes: [Dim; N]) -> Sizes {
        Vec::from(sizes).into()
    }
}

impl From<&[Dim]> for Sizes {
    fn from(sizes: &[Dim]) -> Sizes {
        sizes.to_vec().into()
    }
}

impl FromIterator<Dim> for Sizes {
    fn from_iter<I: IntoIterator<Item = Dim>>(sizes: I) -> Sizes {
        sizes.into_iter().collect::<Vec<_>>().into()
    }
}

impl IntoIterator for Sizes {
    type Item = Dim;
    type IntoIter = std::vec::IntoIter<Dim>;
    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<'a> IntoIterator for &'a Sizes {
    type Item = &'a Dim;
    type IntoIter = std::slice::Iter<'a, Dim>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// The type of a value: element type and size along every axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Type {
    /// The element type.
    pub dtype: DType,
    /// The size along every axis, outermost first.
    pub shape: Sizes,
}

impl Type {
    /// A tensor type.
    pub fn new(dtype: DType, shape: impl Into<Sizes>) -> Type {
        Type { dtype, shape: shape.into() }
    }

    /// A tensor without axes.
    pub fn scalar(dtype: DType) -> Type {
        Type { dtype, shape: Sizes::default() }
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements.
    pub fn elements(&self) -> Dim {
        self.shape.iter().fold(Dim::constant(1), |product, dim| &product * dim)
    }

    /// The number of elements where every size is known; `None` also if it is out of range.
    pub fn known_elements(&self) -> Option<i64> {
        self.shape.iter().try_fold(1i64, |product, dim| product.checked_mul(dim.known()?))
    }

    /// The same shape with another element type.
    pub fn with_dtype(&self, dtype: DType) -> Type {
        Type { dtype, shape: self.shape.clone() }
    }

    /// The type with other names for its symbols.
    pub fn renamed(&self, names: &Names) -> Type {
        Type { dtype: self.dtype, shape: self.shape.iter().map(|dim| dim.renamed(names)).collect() }
    }

    /// The sizes in one run; `None` if a symbol is unbound or a size out of range.
    pub fn eval(&self, bindings: &Bindings) -> Option<Vec<usize>> {
        self.shape.iter().map(|dim| usize::try_from(dim.eval(bindings)?).ok()).collect()
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype)?;
        for (place, dim) in self.shape.iter().enumerate() {
            write!(f, "{}{dim}", if place > 0 { ", " } else { "" })?;
        }
        f.write_str("]")
    }
}

/// Resolves an axis that may count from the end, as Keras writes them; `None` if there is no such axis.
pub fn resolve_axis(axis: i64, rank: usize) -> Option<usize> {
    let rank_signed = i64::try_from(rank).ok()?;
    let resolved = if axis < 0 { axis.checked_add(rank_signed)? } else { axis };
    usize::try_from(resolved).ok().filter(|&resolved| resolved < rank)
}

/// The shape that two shapes broadcast to, numpy's rule from the right. Where both sizes are unknown the left
/// one stands for both: that they agree is checked when the model runs. `None` if known sizes contradict.
pub fn broadcast(left: &[Dim], right: &[Dim]) -> Option<Sizes> {
    let rank = left.len().max(right.len());
    let axis_of =
        |shape: &[Dim], axis: usize| (axis + shape.len()).checked_sub(rank).map(|place| shape[place].clone());
    (0..rank)
        .map(|axis| match (axis_of(left, axis), axis_of(right, axis)) {
            (Some(a), Some(b)) => unify(&a, &b),
            (a, b) => a.or(b),
        })
        .collect()
}

fn unify(left: &Dim, right: &Dim) -> Option<Dim> {
    if left == right || right.is_one() {
        return Some(left.clone());
    }
    match (left.known(), right.known()) {
        (Some(1), _) => Some(right.clone()),
        (Some(_), Some(_)) => None,
        (Some(_), None) => Some(left.clone()),
        (None, Some(_)) => Some(right.clone()),
        (None, None) => Some(left.clone()),
    }
}
