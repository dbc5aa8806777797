//! Operations of `keras.ops`, one family a file.
//!
//! An operation drops masks without a word: Keras never looks. What it *makes* may be a mask: an operation says which
//! symbolic mask its result is, so that a mask that came through a file (Keras writes its own mask arithmetic into
//! model files) is the same mask as one that was inferred.

mod along;
mod arrange;
mod attend;
mod built;
mod convolutions;
mod elementwise;
mod fold;
mod formula;
mod formulas;
mod frames;
mod functions;
mod linear;
mod losses;
mod nan;
mod order;
mod own;
mod pairs;
mod pieces;
mod products;
mod reduce;
mod scatter;
mod shapes;
mod spectra;
mod stacks;
mod steps;
mod subscripts;
mod windows;

pub(super) use along::*;
pub(super) use arrange::{CONCATENATE, EMPTY_LIKE, EXPAND_DIMS, ONES_LIKE, ZEROS_LIKE};
pub(super) use attend::*;
pub(super) use convolutions::*;
pub(super) use elementwise::*;
pub(super) use fold::*;
pub(super) use formulas::*;
pub(super) use frames::*;
pub(super) use functions::*;
pub(super) use linear::*;
pub(super) use losses::*;
pub(super) use nan::*;
pub(super) use order::*;
pub(super) use own::*;
pub(super) use pairs::*;
pub(super) use pieces::*;
pub(super) use products::*;
pub(super) use reduce::ANY;
pub(super) use scatter::*;
pub(super) use shapes::*;
pub(super) use spectra::*;
pub(super) use stacks::*;
pub(super) use steps::*;
pub(super) use windows::*;

use masque_ir::DType;
use masque_ir::mask::MaskId;

use crate::layer::{Config, ConfigError, Layer, LayerDef, MaskParts, Supports};

/// Operations that will stay out, and why.
pub(super) fn refusal(class: &str) -> Option<&'static str> {
    Some(match class.strip_prefix("ops.")? {
        "AssociativeScan" | "Cond" | "ForiLoop" | "Function" | "JVP" | "Map" | "Scan" | "Switch"
        | "VectorizedMap" | "WhileLoop" => "it is given Python functions, and nothing in a model file is run",
        "Eig" | "Polar" | "ViewAsComplex" | "ViewAsReal" => {
            "it works on complex numbers, which masque does not have"
        }
        "Bincount" | "Histogram" | "Nonzero" | "Unique" => {
            "the size of its result depends on the values, and masque knows all shapes before it runs"
        }
        "ConvTranspose" => {
            "Keras 3.15 mixes up its settings and cannot run it; the layers Conv1DTranspose and so on do"
        }
        "ElasticTransform" => "its numbers are random",
        "Ndim" => "it gives no tensor; the number of axes is known without it",
        "Argpartition" => "Keras leaves open in which order its result is; use argsort",
        "Nextafter" => "of f32 numbers Keras computes it in f64 and loses it again",
        _ => return None,
    })
}

const fn def(class: &'static str, parse: fn(&mut Config) -> Result<Box<dyn Layer>, ConfigError>) -> LayerDef {
    LayerDef { class, supports_masking: Supports::Never, masks: "lost, silently", parse }
}

/// The masks that the tensors among the arguments are; none if one of them is no mask.
fn masks_of(parts: &MaskParts<'_>) -> Option<Vec<MaskId>> {
    parts
        .arguments
        .iter()
        .flat_map(|(_, passed)| passed.tensors())
        .map(|tensor| parts.mask_of(*tensor))
        .collect()
}

/// What two element types are computed in.
fn common(left: DType, right: DType) -> DType {
    match (left, right) {
        (a, b) if a == b => a,
        (DType::Bool, other) | (other, DType::Bool) => other,
        (a, b) if a.is_int() && b.is_int() => DType::I64,
        (DType::F64, _) | (_, DType::F64) => DType::F64,
        _ => DType::F32,
    }
}
