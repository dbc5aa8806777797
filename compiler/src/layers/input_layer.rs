//! `InputLayer`: where a caller's tensor comes in.

use masque_ir::ops::OpError;
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Scope, ShapeError, Signature,
    Supports,
};

pub(super) static INPUT_LAYER: LayerDef =
    LayerDef { class: "InputLayer", supports_masking: Supports::Never, masks: "none", parse };

#[derive(Debug)]
struct InputLayer {
    ty: Type,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["optional", "ragged", "sparse"]);
    let shape = config.take("shape").unwrap_or(Json::Null);
    let dims: Vec<Dim> = serde_json::from_value(shape.clone())
        .map_err(|_| ConfigError::new("shape", "a list of sizes and symbols", &shape))?;
    if dims
        .iter()
        .any(|dim| dim.known().is_some_and(|size| !(0..=crate::layer::config::LARGEST_SIZE).contains(&size)))
    {
        return Err(ConfigError::new("shape", "sizes that are not negative, nor too large", &shape));
    }
    config.keep("shape", shape);
    let dtype = config.take("dtype").unwrap_or_else(|| "float32".into());
    let element = match dtype.as_str() {
        Some("bfloat16" | "float16" | "float32") => DType::F32,
        Some("float64") => DType::F64,
        Some("int8" | "int16" | "int32" | "uint8" | "uint16") => DType::I32,
        Some("int64" | "uint32") => DType::I64,
        Some("bool") => DType::Bool,
        Some("string") => DType::Str,
        _ => {
            return Err(ConfigError::new(
                "dtype",
                "a type of floats, an integer type, bool or string",
                &dtype,
            ));
        }
    };
    if dtype != "float32" {
        config.keep("dtype", dtype);
    }
    Ok(Box::new(InputLayer { ty: Type { dtype: element, shape: dims.into() } }))
}

impl Layer for InputLayer {
    fn signature(&self) -> Signature {
        Signature::of(&[])
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        MaskRule::Ends.into()
    }

    fn infer(&self, _: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        Ok(vec![self.ty.clone()])
    }

    fn lower(&self, scope: &mut Scope<'_>, _: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(vec![scope.builder.input("input", self.ty.clone())])
    }
}
