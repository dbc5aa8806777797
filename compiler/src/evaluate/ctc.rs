//! Connectionist temporal classification: how unlikely it is that the steps, each the probability of every class, spell
//! the label. A step may say nothing (class 0) or repeat the one before it.
//!
//! A label is filled up with 0 behind its end. A 0 within it, and a label that needs more steps than there are, are
//! refused: Keras gives a number for them that depends on its backend.

use ndarray::{Array1, ArrayD, ArrayView2, Axis, Ix2, Ix3};

use super::LossError;
use super::arrays::{log_softmax, log_sum_exp};
use super::classes::place_of;

/// One loss for each example: targets are classes `[batch, length]`, predictions logits `[batch, steps, classes]`.
pub(super) fn losses(y: &ArrayD<f64>, p: &ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
    let wrong = |what, expected: &str, found: &ArrayD<f64>| LossError::Shape {
        what,
        expected: expected.to_owned(),
        found: found.shape().to_vec(),
    };
    let logits = p.clone().into_dimensionality::<Ix3>();
    let batch = logits.map_err(|_| wrong("predictions", "[batch, steps, classes]", p))?.len_of(Axis(0));
    let labels = y.view().into_dimensionality::<Ix2>().ok().filter(|labels| labels.nrows() == batch);
    let labels = labels.ok_or_else(|| wrong("target", &format!("[{batch}, length]"), y))?;
    let logs = log_softmax(p, Axis(2));
    let mut losses = Array1::zeros(batch);
    for (example, label) in labels.rows().into_iter().enumerate() {
        let length = label.iter().filter(|&&class| class != 0.0).count();
        let bad = |problem| LossError::Label { example, problem };
        if label.iter().take(length).any(|&class| class == 0.0) {
            return Err(bad(
                "has a 0 within it; 0 stands for nothing, and only fills a label up behind its end",
            ));
        }
        let classes = label.iter().take(length).map(|&class| place_of(class, p.len_of(Axis(2))));
        let classes = classes.collect::<Result<Vec<_>, _>>()?;
        let repeats = classes.windows(2).filter(|pair| pair[0] == pair[1]).count();
        if length + repeats > p.len_of(Axis(1)) {
            return Err(bad("needs more steps than the predictions have"));
        }
        let steps = logs.index_axis(Axis(0), example);
        let steps = steps
            .into_dimensionality::<Ix2>()
            .map_err(|_| wrong("predictions", "[batch, steps, classes]", p))?;
        losses[example] = -spelled(steps, &classes);
    }
    Ok(losses.into_dyn())
}

/// The logarithm of the probability of all ways to spell a label. Places are the label's classes with nothing before,
/// between and behind them; a step stays, goes on by one place, or by two if that leaves out nothing but a nothing.
fn spelled(steps: ArrayView2<'_, f64>, label: &[usize]) -> f64 {
    let places: Vec<usize> = label.iter().flat_map(|&class| [0, class]).chain([0]).collect();
    let mut reached = vec![f64::NEG_INFINITY; places.len()];
    for (time, step) in steps.rows().into_iter().enumerate() {
        let before = std::mem::take(&mut reached);
        reached = (0..places.len())
            .map(|place| {
                let skips = place >= 2 && places[place] != 0 && places[place] != places[place - 2];
                let ways = (place.saturating_sub(if skips { 2 } else { 1 })..=place).map(|from| before[from]);
                let here = match time {
                    0 if place < 2 => 0.0,
                    0 => f64::NEG_INFINITY,
                    _ => log_sum_exp(ways),
                };
                here + step[places[place]]
            })
            .collect();
    }
    log_sum_exp(reached[reached.len().saturating_sub(2)..].iter().copied())
}
