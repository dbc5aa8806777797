//! Around a model, `TimeDistributed` is three calls: batch and steps are made one axis, the model is called, and both
//! come apart again. The front end writes them; no file of Keras has these operations.

use masque_ir::ops::Shape;

use super::super::time_distributed::{fold, unfold};
use super::built::{Built, emit, refuse, shape_of, tensor};
use super::def;
use crate::layer::{LayerDef, MaskRule};

/// Batch and steps of `inputs` `[batch, steps, ...]` as one axis, in its mask as well.
pub(in crate::layers) static FOLD_STEPS: LayerDef = LayerDef {
    masks: "batch and steps as one axis",
    ..def("ops.FoldSteps", |_| {
        let folded = Built::new(&["inputs"], |scope, arguments| {
            let x = tensor(arguments, "inputs")?;
            if shape_of(scope, &x).len() < 3 {
                let expected =
                    "a tensor [batch, steps, ...] with at least three axes, for a model on every step";
                return refuse(expected, scope.builder.type_of(&x));
            }
            emit(scope, Shape::Reshape { shape: fold(&shape_of(scope, &x)).into() }, &[&x])
        });
        folded.with_masks(MaskRule::FoldSteps).boxed()
    })
};

/// What a model gave for each step, `inputs`, with batch and steps as they are in `steps`.
pub(in crate::layers) static UNFOLD_STEPS: LayerDef = LayerDef {
    masks: "that of steps",
    ..def("ops.UnfoldSteps", |_| {
        let apart = Built::new(&["steps", "inputs"], |scope, arguments| {
            let (y, steps) = (tensor(arguments, "inputs")?, shape_of(scope, &tensor(arguments, "steps")?));
            let [batch, steps, ..] = steps.as_slice() else { return refuse("batch and steps", steps.len()) };
            let shape = unfold(&[batch.clone(), steps.clone()], &shape_of(scope, &y));
            emit(scope, Shape::Reshape { shape: shape.into() }, &[&y])
        });
        apart.with_masks(MaskRule::UnfoldSteps).boxed()
    })
};
