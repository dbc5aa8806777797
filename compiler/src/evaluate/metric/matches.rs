//! The share of predictions that are right.

use ndarray::{ArrayD, ArrayView1, Axis};

use super::super::arrays::{each, same_rank, same_shape};
use super::super::classes::class_numbers;
use super::super::{LossError, Scored};

/// When is a prediction right?
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Matches {
    /// It is the target.
    Equal,
    /// It lies above the threshold, and the target is 1; or neither.
    Binary { threshold: f64 },
    /// Its largest class is that of the target.
    Categorical,
    /// Its largest class is the target.
    Sparse,
    /// The target's largest class is among its `k` largest.
    CategoricalTop { k: i64 },
    /// The target is among its `k` largest.
    SparseTop { k: i64 },
    /// What Keras takes `accuracy` for: by the shapes of predictions and targets.
    ByShape,
}

impl Matches {
    /// 1 where a prediction is right, else 0.
    pub(super) fn values(self, scored: &Scored) -> Result<ArrayD<f64>, LossError> {
        let (targets, predictions) = (&scored.targets, &scored.predictions);
        match self {
            Matches::ByShape => by_shape(targets.shape(), predictions.shape()).values(scored),
            Matches::Equal => elementwise(targets, predictions, |y, p| y == p),
            Matches::Binary { threshold } => {
                let threshold = f64::from(threshold as f32);
                elementwise(targets, predictions, |y, p| y == f64::from(u8::from(p > threshold)))
            }
            Matches::Categorical | Matches::CategoricalTop { .. } => {
                same_shape(targets, predictions)?;
                let last = Axis(targets.ndim() - 1);
                let classes = targets.map_axis(last, |row| largest(row) as f64);
                self.of_classes(&classes, predictions)
            }
            Matches::Sparse | Matches::SparseTop { .. } => {
                let (classes, _) = class_numbers(targets, predictions)?;
                self.of_classes(&classes, predictions)
            }
        }
    }

    fn of_classes(self, classes: &ArrayD<f64>, predictions: &ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
        let right = |row: ArrayView1<'_, f64>, class: f64| match self {
            Matches::CategoricalTop { k } | Matches::SparseTop { k } => among(row, class, k),
            _ => largest(row) as f64 == class,
        };
        let mut values = ArrayD::zeros(classes.raw_dim());
        let rows = predictions.lanes(Axis(predictions.ndim() - 1));
        for ((value, &class), row) in values.iter_mut().zip(classes).zip(rows) {
            *value = f64::from(u8::from(right(row, class)));
        }
        Ok(values)
    }
}

fn elementwise(
    y: &ArrayD<f64>,
    p: &ArrayD<f64>,
    right: impl Fn(f64, f64) -> bool,
) -> Result<ArrayD<f64>, LossError> {
    let (y, p) = same_rank(y.clone(), p.clone());
    same_shape(&y, &p)?;
    Ok(each(&y, &p, |y, p| f64::from(u8::from(right(y, p)))))
}

fn by_shape(y: &[usize], p: &[usize]) -> Matches {
    match (y.last(), p.last()) {
        (_, None | Some(1)) => Matches::Binary { threshold: 0.5 },
        (last, _) if y.len() < p.len() || last == Some(&1) => Matches::Sparse,
        _ => Matches::Categorical,
    }
}

/// The first of the largest.
fn largest(row: ArrayView1<'_, f64>) -> usize {
    let mut best = 0;
    for (place, number) in row.iter().enumerate() {
        if *number > row[best] {
            best = place;
        }
    }
    best
}

/// Are fewer than `k` classes larger than this one? A row that is not finite tells nothing.
fn among(row: ArrayView1<'_, f64>, class: f64, k: i64) -> bool {
    let known = class >= 0.0 && class < row.len() as f64 && row.iter().all(|number| number.is_finite());
    known && (row.iter().filter(|&&number| number > row[class as usize]).count() as i64) < k
}
