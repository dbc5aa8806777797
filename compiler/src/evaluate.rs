//! Losses with masks, as Keras 3.15 reduces them (`keras.losses`, reduction `sum_over_batch_size`).
//!
//! With ℓ the loss of each position (its last axis already reduced) and m the mask of the predictions:
//! `sum(ℓ·m) / sum(m)`, 0 if nothing is valid; without a mask the plain mean.

use ndarray::{ArrayD, Axis, Zip};

use masque_runtime::Tensor;

/// A loss by Keras' name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// `mean((y - p)^2)` over the last axis.
    MeanSquaredError,
    /// `mean(|y - p|)` over the last axis.
    MeanAbsoluteError,
    /// `mean(-y·log p - (1 - y)·log(1 - p))` over the last axis, p kept 1e-7 away from 0 and 1.
    BinaryCrossentropy,
    /// `-sum(y·log(p / sum p))` over the last axis, the quotient kept 1e-7 away from 0 and 1.
    CategoricalCrossentropy,
    /// The same, with y the number of the right class.
    SparseCategoricalCrossentropy,
}

/// What is wrong with predictions and targets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LossError {
    /// No loss has this name.
    #[error("unknown loss `{0}`: expected one of {1}")]
    Unknown(String, String),
    /// Predictions and targets do not go together.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// Which of them.
        what: String,
        /// What goes with the predictions.
        expected: Vec<usize>,
        /// What was given.
        found: Vec<usize>,
    },
    /// Texts are no targets.
    #[error("{0}: expected numbers, found texts")]
    Text(String),
    /// A class that the predictions do not have.
    #[error("target: expected classes from 0 to {last}, found {found}")]
    Class {
        /// The last class.
        last: i64,
        /// What was given.
        found: i64,
    },
}

const NAMES: &[(&str, Loss)] = &[
    ("binary_crossentropy", Loss::BinaryCrossentropy),
    ("categorical_crossentropy", Loss::CategoricalCrossentropy),
    ("mae", Loss::MeanAbsoluteError),
    ("mean_absolute_error", Loss::MeanAbsoluteError),
    ("mean_squared_error", Loss::MeanSquaredError),
    ("mse", Loss::MeanSquaredError),
    ("sparse_categorical_crossentropy", Loss::SparseCategoricalCrossentropy),
];

impl std::str::FromStr for Loss {
    type Err = LossError;
    fn from_str(name: &str) -> Result<Loss, LossError> {
        let known = || NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let found = NAMES.iter().find(|(other, _)| *other == name).map(|(_, loss)| *loss);
        found.ok_or_else(|| LossError::Unknown(name.chars().take(60).collect(), known()))
    }
}

/// How far a probability stays away from 0 and 1 (`keras.config.epsilon()`).
const EPSILON: f64 = 1e-7;

/// The loss of predictions `[B, …, C]` against targets of the same shape (for sparse classes without the last axis,
/// or with a last axis of size 1), and an optional mask over the leading axes.
///
/// # Errors
///
/// [`LossError`] if shapes do not go together or a class does not exist.
pub fn loss(
    loss: Loss,
    predictions: &Tensor,
    targets: &Tensor,
    mask: Option<&ArrayD<bool>>,
) -> Result<f64, LossError> {
    let p = numbers("predictions", predictions)?;
    let y = numbers("target", targets)?;
    let losses = positions(loss, &p, &y)?;
    let Some(mask) = mask else { return Ok(losses.mean().unwrap_or(0.0)) };
    let shape = |found: &[usize]| LossError::Shape {
        what: "mask".into(),
        expected: losses.shape().to_vec(),
        found: found.to_vec(),
    };
    let mut mask = mask.clone();
    while mask.ndim() < losses.ndim() {
        let behind = Axis(mask.ndim());
        mask = mask.insert_axis(behind);
    }
    let mask = mask.broadcast(losses.raw_dim()).ok_or_else(|| shape(mask.shape()))?;
    let (mut sum, mut count) = (0.0, 0.0);
    Zip::from(&losses).and(&mask).for_each(|loss, &valid| {
        if valid {
            sum += loss;
            count += 1.0;
        }
    });
    Ok(if count == 0.0 { 0.0 } else { sum / count })
}

fn numbers(what: &str, tensor: &Tensor) -> Result<ArrayD<f64>, LossError> {
    match tensor {
        Tensor::F32(array) => Ok(array.mapv(f64::from)),
        Tensor::F64(array) => Ok(array.clone()),
        Tensor::I32(array) => Ok(array.mapv(f64::from)),
        Tensor::I64(array) => Ok(array.mapv(|x| x as f64)),
        Tensor::Bool(array) => Ok(array.mapv(|x| f64::from(u8::from(x)))),
        Tensor::Str(_) => Err(LossError::Text(what.to_owned())),
    }
}

/// The loss of every position: the last axis reduced.
fn positions(loss: Loss, p: &ArrayD<f64>, y: &ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
    if p.ndim() == 0 {
        return Err(LossError::Shape { what: "predictions".into(), expected: vec![1], found: vec![] });
    }
    let last = Axis(p.ndim() - 1);
    if loss == Loss::SparseCategoricalCrossentropy {
        return sparse(p, y);
    }
    let y = like(p, y)?;
    let mean = |f: fn(f64, f64) -> f64| {
        let each = Zip::from(p).and(&y).map_collect(|&p, &y| f(p, y));
        each.mean_axis(last).unwrap_or_else(|| ArrayD::zeros(p.index_axis(last, 0).raw_dim()))
    };
    Ok(match loss {
        Loss::MeanSquaredError => mean(|p, y| (p - y) * (p - y)),
        Loss::MeanAbsoluteError => mean(|p, y| (p - y).abs()),
        Loss::BinaryCrossentropy => mean(|p, y| {
            let p = p.clamp(EPSILON, 1.0 - EPSILON);
            -(y * p.ln() + (1.0 - y) * (1.0 - p).ln())
        }),
        Loss::CategoricalCrossentropy | Loss::SparseCategoricalCrossentropy => {
            let logs = log_shares(p);
            -(&logs * &y).sum_axis(last)
        }
    })
}

/// The targets in the shape of the predictions: a trailing axis of size 1 may be missing, or too much.
fn like(p: &ArrayD<f64>, y: &ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
    let mut fitted = y.clone();
    if fitted.ndim() + 1 == p.ndim() && p.shape().last() == Some(&1) {
        fitted = fitted.insert_axis(Axis(y.ndim()));
    } else if fitted.ndim() == p.ndim() + 1 && y.shape().last() == Some(&1) {
        fitted = fitted.index_axis_move(Axis(p.ndim()), 0);
    }
    let error = || LossError::Shape {
        what: "target".into(),
        expected: p.shape().to_vec(),
        found: y.shape().to_vec(),
    };
    if fitted.shape() == p.shape() { Ok(fitted) } else { Err(error()) }
}

fn sparse(p: &ArrayD<f64>, y: &ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
    let last = Axis(p.ndim() - 1);
    let front = &p.shape()[..p.ndim() - 1];
    let y =
        if y.ndim() == p.ndim() && y.shape().last() == Some(&1) { y.index_axis(last, 0) } else { y.view() };
    if y.shape() != front {
        return Err(LossError::Shape {
            what: "target".into(),
            expected: front.to_vec(),
            found: y.shape().to_vec(),
        });
    }
    let classes = p.len_of(last) as i64;
    if let Some(&found) = y.iter().find(|&&class| !(0..classes).contains(&(class as i64))) {
        return Err(LossError::Class { last: classes - 1, found: found as i64 });
    }
    let logs = log_shares(p);
    let mut losses = ArrayD::zeros(y.raw_dim());
    for ((loss, &class), row) in losses.iter_mut().zip(y.iter()).zip(logs.rows()) {
        *loss = -row[class as usize];
    }
    Ok(losses)
}

/// `log(p / sum p)` along the last axis, the quotient kept away from 0 and 1.
fn log_shares(p: &ArrayD<f64>) -> ArrayD<f64> {
    let last = Axis(p.ndim() - 1);
    let sums = p.sum_axis(last).insert_axis(last);
    (p / &sums).mapv(|share| share.clamp(EPSILON, 1.0 - EPSILON).ln())
}
