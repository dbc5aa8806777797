//! `SpectralNormalization` at inference: the layer inside, its mask included.

use masque_ir::ops::OpError;
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};
use serde_json::json;

use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, MaskRule, Scope, ShapeError, Supports, WeightPlace,
    WeightSpec,
};

pub(super) static SPECTRAL_NORMALIZATION: LayerDef = LayerDef {
    class: "SpectralNormalization",
    supports_masking: Supports::Never,
    masks: "that of the layer inside",
    parse,
};

#[derive(Debug)]
struct SpectralNormalization {
    layer: Box<dyn Layer>,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["power_iterations"]);
    let (class, settings) = config.layer("layer")?;
    // A wrapper in a wrapper could go on for as long as a file has room; Keras wants a kernel right inside.
    let kernels = ["Dense", "Embedding", "EinsumDense"];
    let def = super::find(&class).filter(|def| kernels.contains(&def.class));
    let def = def
        .ok_or_else(|| ConfigError::new("layer", "Dense, EinsumDense or Embedding", &class.clone().into()))?;
    let mut inner = Config::new(settings)?;
    let layer = (def.parse)(&mut inner)?;
    config.keep("layer", json!({"class_name": class, "config": inner.finish()?}));
    Ok(Box::new(SpectralNormalization { layer }))
}

impl Layer for SpectralNormalization {
    fn supports_masking(&self) -> bool {
        // Keras says no, and warns; the layer inside carries its mask on all the same.
        false
    }

    fn mask_rule(&self, arguments: &Arguments<Type>) -> MaskRule {
        self.layer.mask_rule(arguments)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.layer.infer(arguments)
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let inner = self.layer.weights(arguments)?;
        let mut weights = vec![];
        // What training looks at: Keras keeps both in the file, and nothing is computed with them here.
        if let Some(kernel) = inner.first() {
            let place = |dataset: &str| WeightPlace::Dataset(dataset.to_owned());
            let columns = kernel.ty.shape.last().cloned().unwrap_or_else(|| Dim::constant(1));
            let vector = Type::new(kernel.ty.dtype, vec![Dim::constant(1), columns]);
            let known = [("kernel", kernel.ty.clone(), "vars/0"), ("vector_u", vector, "vars/1")];
            weights.extend(known.map(|(name, ty, dataset)| WeightSpec {
                name: name.to_owned(),
                ty,
                place: place(dataset),
                trained: name == "kernel",
            }));
        }
        weights.extend(inner.into_iter().map(|spec| spec.inside("layer", "layer")));
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        self.layer.lower(&mut scope.inside("layer"), arguments)
    }
}
