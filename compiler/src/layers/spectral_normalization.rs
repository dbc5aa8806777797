//! `SpectralNormalization` at inference: the layer inside, its mask included.
//!
//! Keras casts what the layer inside gives to the element type that came in. For a table of rows, whose input are
//! integers, that cuts off all behind the point, and the mask with it.

use masque_ir::ops::OpError;
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use serde_json::json;

use crate::layer::{
    Advice, Arguments, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Masking, Scope, ShapeError,
    Supports, Way, WeightPlace, WeightSpec,
};

pub(super) static SPECTRAL_NORMALIZATION: LayerDef = LayerDef {
    class: "SpectralNormalization",
    supports_masking: Supports::Never,
    masks: "that of the layer inside",
    parse,
};

/// The layers with a kernel, or a table of rows, right inside. (Keras would take a wrapper in a wrapper, too.)
const KERNELS: [&str; 12] = [
    "Conv1D",
    "Conv1DTranspose",
    "Conv2D",
    "Conv2DTranspose",
    "Conv3D",
    "Conv3DTranspose",
    "Dense",
    "DepthwiseConv1D",
    "DepthwiseConv2D",
    "EinsumDense",
    "Embedding",
    "ReversibleEmbedding",
];

#[derive(Debug)]
struct SpectralNormalization {
    layer: Box<dyn Layer>,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["power_iterations"]);
    let (class, settings) = config.layer("layer")?;
    let def = super::find(&class).filter(|def| KERNELS.contains(&def.class));
    let def = def.ok_or_else(|| super::unfit("layer", format!("one of {}", KERNELS.join(", ")), &class))?;
    let mut inner = Config::new(settings)?;
    let layer = (def.parse)(&mut inner)?;
    config.keep("layer", json!({"class_name": class, "config": inner.finish()?}));
    Ok(Box::new(SpectralNormalization { layer }))
}

impl Layer for SpectralNormalization {
    /// Keras says no, and warns; the layer inside carries its mask on all the same.
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(Advice::by_position(
            "Keras says so of the wrapper; when the model runs, the mask comes through all the same",
            &[Way::Inner, Way::Zero],
        ))
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        let same_type = arguments.first().is_some_and(|x| x.dtype == DType::F32);
        let rule = if same_type { self.layer.call_masks(arguments).rule } else { MaskRule::Lost };
        rule.into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let outputs = self.layer.infer(arguments)?;
        let dtype = arguments.first().map_or(DType::F32, |x| x.dtype);
        Ok(outputs.into_iter().map(|output| output.with_dtype(dtype)).collect())
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
                scales: None,
                transposed: false,
            }));
        }
        weights.extend(inner.into_iter().map(|spec| spec.inside("layer", "layer")));
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let dtype = scope.builder.type_of(&arguments.data()[0]).dtype;
        let outputs = self.layer.lower(&mut scope.inside("layer"), arguments)?;
        outputs.iter().map(|output| scope.cast(output, dtype)).collect()
    }
}
