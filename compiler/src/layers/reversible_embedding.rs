//! `ReversibleEmbedding`: an `Embedding` that, called with `reverse=True`, goes back from its rows to a number for each
//! row: a product with the table, or with a matrix of its own.

use masque_ir::activation::Activation;
use masque_ir::ops::{self, Activate, Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use super::embedding::{self, Embedding};
use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Masking, Passed, Scope, ShapeError,
    Signature, Supports, Takes, WeightPlace, WeightSpec,
};

pub(super) static REVERSIBLE_EMBEDDING: LayerDef = LayerDef {
    class: "ReversibleEmbedding",
    supports_masking: Supports::If("mask_zero"),
    masks: "born: inputs != 0, if mask_zero; ends, if reverse; else lost",
    parse,
};

#[derive(Debug)]
struct ReversibleEmbedding {
    embedding: Embedding,
    /// Is the table also the matrix of the way back?
    tied: bool,
    /// Numbers of the way back are bent to stay between this and its negative.
    soft_cap: Option<f64>,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    if let Some(other) = config.take("reverse_dtype").filter(|dtype| dtype != "float32") {
        return Err(ConfigError::new("reverse_dtype", "float32, or nothing", &other));
    }
    Ok(Box::new(ReversibleEmbedding {
        tied: config.bool("tie_weights", true)?,
        soft_cap: config.optional_number("logit_soft_cap")?,
        embedding: embedding::settings(config)?,
    }))
}

/// Is the call one of the way back?
fn reverse<T>(arguments: &Arguments<T>) -> bool {
    matches!(arguments.get("reverse"), Some(Passed::Constant(Json::Bool(true))))
}

impl Layer for ReversibleEmbedding {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "reverse"]).taking(&[("reverse", Takes::Flag)])
    }

    fn masking(&self) -> Masking {
        Masking::supported(self.embedding.masking().supported)
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        let masks = self.embedding.call_masks(arguments);
        match masks.rule {
            MaskRule::Born(_) if reverse(arguments) => MaskRule::Ends.into(),
            _ => masks,
        }
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        if !reverse(arguments) {
            return self.embedding.infer(arguments);
        }
        let columns = Dim::constant(self.embedding.columns);
        let expected = || format!("numbers whose last axis has the size {columns}");
        let x = arguments.first().ok_or_else(|| ShapeError::new(expected(), "none"))?;
        if x.rank() < 2 || x.dtype == DType::Str || x.shape.last() != Some(&columns) {
            return Err(ShapeError::new(expected(), x));
        }
        let front = x.shape[..x.rank() - 1].iter().cloned();
        let shape: Vec<Dim> = front.chain([Dim::constant(self.embedding.rows)]).collect();
        Ok(vec![Type::new(DType::F32, shape)])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let mut weights = self.embedding.weights(arguments)?;
        if !self.tied {
            let shape = [self.embedding.columns, self.embedding.rows];
            let mut back = WeightSpec::new("reverse_embeddings", "", shape).scaled(3, [1]);
            // Behind the scales of the other table, where there are any.
            let [now, before] = ["vars/1", "vars/2"].map(str::to_owned);
            back.place = WeightPlace::Renamed { now, before };
            weights.push(back);
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        if !reverse(arguments) {
            return self.embedding.lower(scope, arguments);
        }
        let x = scope.float(&arguments.data()[0])?;
        let kernel = match self.tied {
            true => {
                scope.builder.emit(Shape::Transpose { perm: vec![1, 0] }, &[scope.weight("embeddings")])?
            }
            false => scope.weight("reverse_embeddings"),
        };
        let linear = ops::Dense::Dense { activation: Activation::Linear };
        let mut logits = scope.builder.emit(linear, &[x, kernel, Operand::Absent])?;
        if let Some(cap) = self.soft_cap {
            let cap = scope.builder.number(&logits, cap);
            let small = scope.builder.emit(Elementwise::Div, &[logits, cap.clone()])?;
            let bent = scope.builder.emit(Activate::Activate { f: Activation::Tanh }, &[small])?;
            logits = scope.builder.emit(Elementwise::Mul, &[bent, cap])?;
        }
        Ok(vec![logits])
    }
}
