//! Around a model, `TimeDistributed` is three calls: batch and steps are made one axis, the model is called, and both
//! come apart again. The front end writes them; no file of Keras has these operations.

use masque_ir::ops::Shape;

use super::super::time_distributed::{fold, unfold};
use super::built::{Built, emit, refuse, shape_of, tensor};
use super::def;
use crate::layer::LayerDef;

/// Batch and steps of `inputs` `[batch, steps, ...]` as one axis. A mask would have to come apart as well.
pub(in crate::layers) static FOLD_STEPS: LayerDef = def("ops.FoldSteps", |_| {
    let folded = Built::new(&["inputs", "mask"], |scope, arguments| {
        let x = tensor(arguments, "inputs")?;
        let expected = "a tensor [batch, steps, ...] with at least three axes, and without a mask, for a model on every step";
        if let Some(mask) = arguments.mask() {
            return refuse(expected, format!("a mask {}", scope.builder.type_of(mask)));
        }
        if shape_of(scope, &x).len() < 3 {
            return refuse(expected, scope.builder.type_of(&x));
        }
        emit(scope, Shape::Reshape { shape: fold(&shape_of(scope, &x)).into() }, &[&x])
    });
    folded.boxed()
});

/// What a model gave for each step, `inputs`, with batch and steps as they are in `steps`.
pub(in crate::layers) static UNFOLD_STEPS: LayerDef = def("ops.UnfoldSteps", |_| {
    let apart = Built::new(&["inputs", "steps"], |scope, arguments| {
        let (y, steps) = (tensor(arguments, "inputs")?, shape_of(scope, &tensor(arguments, "steps")?));
        let [batch, steps, ..] = steps.as_slice() else { return refuse("batch and steps", steps.len()) };
        let shape = unfold(&[batch.clone(), steps.clone()], &shape_of(scope, &y));
        emit(scope, Shape::Reshape { shape: shape.into() }, &[&y])
    });
    apart.boxed()
});
