//! A layer of a class that nobody knows: the types of what it gives are as they are said, its computation is a hole.
//!
//! Its settings are three: `config`, what the file has; `gives`, the types; `masks`, the rule where it is stated.

use masque_ir::ops::OpError;
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use serde_json::{Value as Json, json};

use crate::layer::literals::{element_type_holding, name_of};
use crate::layer::{
    Advice, Arguments, CallMasks, Config, ConfigError, Constants, Effect, Kind, Layer, MaskRule, Masking,
    Reads, Scope, ShapeError, Signature,
};

/// What a layer of an unknown class does with masks, as far as it is stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpaqueRule {
    /// It passes on the mask of its first input: `supports_masking = True`.
    Keep,
    /// It uses its mask, or needs none after it: `compute_mask` gives `None`.
    Ends,
    /// It knows nothing of masks, and Keras drops them.
    Lost,
}

impl OpaqueRule {
    /// Every rule with its name in settings and on the command line.
    pub const NAMED: [(&'static str, OpaqueRule); 3] =
        [("keep", OpaqueRule::Keep), ("ends", OpaqueRule::Ends), ("lost", OpaqueRule::Lost)];

    /// The rule of that name.
    pub fn named(name: &str) -> Option<OpaqueRule> {
        OpaqueRule::NAMED.into_iter().find(|(known, _)| *known == name).map(|(_, rule)| rule)
    }

    /// The name.
    pub fn name(self) -> &'static str {
        OpaqueRule::NAMED.into_iter().find(|(_, rule)| *rule == self).map_or("", |(name, _)| name)
    }
}

#[derive(Debug)]
struct Opaque {
    gives: Vec<Given>,
    rule: Option<OpaqueRule>,
}

/// The type of an output. A size that is not said is that of the first input along the same axis.
#[derive(Debug)]
struct Given {
    dtype: DType,
    shape: Vec<Option<Dim>>,
}

/// Is that what the settings of such a layer look like?
pub(crate) fn is_opaque(settings: &serde_json::Map<String, Json>) -> bool {
    settings.contains_key("gives")
        && settings.keys().all(|key| ["config", "gives", "masks"].contains(&&**key))
}

pub(crate) fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let gives = config.take("gives").unwrap_or(Json::Null);
    let read = gives.as_array().filter(|gives| !gives.is_empty());
    let read: Option<Vec<Given>> = read.and_then(|gives| gives.iter().map(given).collect());
    let expected = "a list with dtype and shape of each output";
    let types = read.ok_or_else(|| ConfigError::new("gives", expected, &gives))?;
    config.keep("gives", gives);
    if let Some(Json::Object(own)) = config.take("config") {
        let own = Config::new(own)?.everything();
        if !own.is_empty() {
            config.keep("config", own.into_iter().collect::<serde_json::Map<_, _>>());
        }
    }
    let rule = match config.take("masks") {
        None => None,
        Some(name) => {
            let rule = name.as_str().and_then(OpaqueRule::named);
            config.keep("masks", name.clone());
            Some(rule.ok_or_else(|| ConfigError::new("masks", "keep, ends or lost", &name))?)
        }
    };
    Ok(Box::new(Opaque { gives: types, rule }))
}

fn given(value: &Json) -> Option<Given> {
    let dtype = match value.get("dtype")?.as_str()? {
        "string" => DType::Str,
        name => element_type_holding(name)?,
    };
    let size = |size: &Json| match size {
        Json::Null => Some(None),
        Json::String(text) => text.parse().ok().map(Some),
        size => size.as_i64().filter(|&size| size >= 0).map(|size| Some(Dim::constant(size))),
    };
    let shape = value.get("shape")?.as_array()?.iter().map(size).collect::<Option<_>>()?;
    Some(Given { dtype, shape })
}

/// A type as the settings have it.
pub(crate) fn setting(ty: &Type) -> Json {
    let size = |size: &Dim| match size.known() {
        Some(number) => json!(number),
        None => json!(size.to_string()),
    };
    json!({ "dtype": name_of(ty.dtype), "shape": ty.shape.iter().map(size).collect::<Vec<_>>() })
}

impl Opaque {
    fn types(&self, first: Option<&Type>) -> Result<Vec<Type>, ShapeError> {
        let ty = |given: &Given| {
            let size = |(axis, size): (usize, &Option<Dim>)| {
                let as_input = || first.and_then(|first| first.shape.get(axis)).cloned();
                size.clone().or_else(as_input).ok_or_else(|| {
                    let expected = format!("the size of axis {axis} of what it gives, stated by --opaque");
                    ShapeError::new(expected, "no input with such an axis")
                })
            };
            let shape: Vec<Dim> = given.shape.iter().enumerate().map(size).collect::<Result<_, _>>()?;
            Ok(Type::new(given.dtype, shape))
        };
        self.gives.iter().map(ty).collect()
    }
}

impl Layer for Opaque {
    fn kind(&self) -> Kind {
        Kind::Opaque
    }

    fn signature(&self) -> Signature {
        Signature::of(&["inputs", crate::layer::arguments::ANY])
    }

    fn outputs(&self, _: &Constants) -> u32 {
        u32::try_from(self.gives.len()).unwrap_or(u32::MAX)
    }

    /// What it computes with is not known: no claim is made of it.
    fn masking(&self) -> Masking {
        Masking::supported(self.rule != Some(OpaqueRule::Lost))
            .reading(Reads::Nothing)
            .advised(Advice::of("it is stated to lose masks", &[]))
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        match self.rule {
            None => CallMasks::new(MaskRule::Unknown).with_effect(Effect::Unknown),
            Some(OpaqueRule::Keep) => MaskRule::Keep.into(),
            Some(OpaqueRule::Ends) => MaskRule::Ends.into(),
            Some(OpaqueRule::Lost) => MaskRule::Lost.into(),
        }
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.types(arguments.all_data().next())
    }

    /// What it gives is read by the calls after it as inputs are.
    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let first = arguments.all_data().next().map(|x| scope.builder.type_of(x));
        // Inference has found the same types.
        let types = self.types(first.as_ref()).unwrap_or_default();
        Ok(types.into_iter().map(|ty| scope.builder.input("output", ty)).collect())
    }
}
