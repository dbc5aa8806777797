//! `Flatten`: all axes behind the batch become one; a mask over one of them has no meaning any more.

use masque_ir::ops::{OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};

use crate::layer::{
    Advice, Arguments, Config, ConfigError, Layer, LayerDef, Masking, Scope, ShapeError, Supports, Way,
};

pub(super) static FLATTEN: LayerDef =
    LayerDef { class: "Flatten", supports_masking: Supports::Never, masks: "lost", parse };

/// What to do about masks.
const ADVICE: Advice = Advice::of(
    "it joins the positions with the features, so that what follows weighs padding like everything else",
    &[Way::Scores, Way::Squeeze, Way::Average, Way::Recurrent, Way::Zero],
);

#[derive(Debug)]
struct Flatten {
    channels_first: bool,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let formats = [("channels_last", false), ("channels_first", true)];
    Ok(Box::new(Flatten { channels_first: config.word("data_format", false, &formats)? }))
}

impl Flatten {
    fn flat(x: &Type) -> Vec<Dim> {
        let inner = x.shape.iter().skip(1).fold(Dim::constant(1), |product, dim| &product * dim);
        x.shape.iter().take(1).cloned().chain([inner]).collect()
    }
}

impl Layer for Flatten {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(ADVICE)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments
            .first()
            .filter(|x| x.rank() > 0)
            .ok_or_else(|| ShapeError::new("a batch", "no axes"))?;
        Ok(vec![Type::new(x.dtype, Flatten::flat(x))])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut x = arguments.data()[0].clone();
        let rank = scope.builder.type_of(&x).rank() as u32;
        if self.channels_first && rank > 2 {
            let perm = [0].into_iter().chain(2..rank).chain([1]).collect();
            x = scope.builder.emit(Shape::Transpose { perm }, &[x])?;
        }
        let shape = Flatten::flat(&scope.builder.type_of(&x));
        Ok(vec![scope.builder.emit(Shape::Reshape { shape: shape.into() }, &[x])?])
    }
}
