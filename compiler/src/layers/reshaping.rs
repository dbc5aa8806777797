//! `Reshape`, `Permute` and `RepeatVector`: the same elements under other axes.

use masque_ir::ops::{OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{Dim, Sizes, Type};
use serde_json::Value as Json;

use super::spatial::losing;
use crate::layer::config::LARGEST_SIZE;
use crate::layer::{
    Advice, Arguments, Config, ConfigError, Layer, Masking, Scope, ShapeError, Way, infer_by_lowering,
};

losing!(RESHAPE, "Reshape", reshape);
losing!(PERMUTE, "Permute", permute);
losing!(REPEAT_VECTOR, "RepeatVector", |config| Ok(Box::new(RepeatVector { times: config.size("n")? })));

/// A list of integers.
fn integers(config: &mut Config, key: &str, expected: &str) -> Result<(Vec<i64>, Json), ConfigError> {
    let value = config.take(key).unwrap_or(Json::Null);
    let numbers = value.as_array().and_then(|list| list.iter().map(Json::as_i64).collect());
    let numbers = numbers.ok_or_else(|| ConfigError::new(key, expected, &value))?;
    config.keep(key, value.clone());
    Ok((numbers, value))
}

#[derive(Debug)]
struct Reshape {
    /// The sizes behind the batch; the absent one is what the others leave.
    target: Vec<Option<i64>>,
}

fn reshape(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let expected = "a list of positive sizes, one of them -1 at most";
    let (numbers, value) = integers(config, "target_shape", expected)?;
    let sizes = numbers.iter().all(|size| *size == -1 || (1..=LARGEST_SIZE).contains(size));
    if !sizes || numbers.iter().filter(|&&size| size == -1).count() > 1 {
        return Err(ConfigError::new("target_shape", expected, &value));
    }
    let target = numbers.into_iter().map(|size| (size > 0).then_some(size)).collect();
    Ok(Box::new(Reshape { target }))
}

impl Reshape {
    /// The shape of the result; none where the elements cannot be spread over it.
    fn shape(&self, x: &Type) -> Option<Sizes> {
        let product = |sizes: &mut dyn Iterator<Item = Dim>| {
            sizes.fold(Dim::constant(1), |product, size| &product * &size)
        };
        let elements = product(&mut x.shape.iter().skip(1).cloned());
        let named = product(&mut self.target.iter().flatten().copied().map(Dim::constant));
        let left = match (elements.exact_div(&named), elements.known()) {
            (Some(left), _) => left,
            (None, Some(_)) => return None,
            (None, None) => elements.floor_div(named.known().filter(|&named| named > 0)?),
        };
        let open = self.target.contains(&None);
        if !open && left.known().is_some_and(|left| left != 1) {
            return None;
        }
        let sizes = self.target.iter().map(|size| size.map_or(left.clone(), Dim::constant));
        Some(x.shape.first().cloned().into_iter().chain(sizes).collect())
    }

    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        let expected = || format!("a batch whose elements fill {:?}", self.target);
        let x = arguments.first().ok_or_else(|| ShapeError::new(expected(), "none"))?;
        let fits = x.rank() > 0 && self.shape(x).is_some();
        if fits { Ok(()) } else { Err(ShapeError::new(expected(), x)) }
    }
}

impl Layer for Reshape {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(Advice::of(
            "it puts elements under other axes, and does not say which of them is the axis of the mask",
            &[Way::Scores, Way::Squeeze, Way::EachStep, Way::Before, Way::Zero],
        ))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = arguments.data()[0].clone();
        let ty = scope.builder.type_of(&x);
        let shape = self.shape(&ty).unwrap_or_else(|| ty.shape.clone());
        Ok(vec![scope.builder.emit(Shape::Reshape { shape }, &[x])?])
    }
}

#[derive(Debug)]
struct Permute {
    perm: Vec<u32>,
}

fn permute(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let expected = "the axes behind the batch, numbered from 1, each once";
    let (dims, value) = integers(config, "dims", expected)?;
    let mut sorted = dims.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(1..=dims.len() as i64) {
        return Err(ConfigError::new("dims", expected, &value));
    }
    Ok(Box::new(Permute { perm: [0].into_iter().chain(dims.into_iter().map(|axis| axis as u32)).collect() }))
}

impl Layer for Permute {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(Advice::of(
            "it moves axes, and not those of the mask: a layer after it would mix padding into its rows",
            &[Way::EachStep, Way::Zero],
        ))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        match arguments.first() {
            Some(x) if x.rank() == self.perm.len() => Ok(()),
            x => Err(ShapeError::new(
                format!("a tensor with {} axes", self.perm.len()),
                x.map_or("none".into(), Type::to_string),
            )),
        }?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(vec![scope.builder.emit(Shape::Transpose { perm: self.perm.clone() }, &arguments.data()[..1])?])
    }
}

#[derive(Debug)]
struct RepeatVector {
    times: i64,
}

impl Layer for RepeatVector {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(Advice::of(
            "it makes new positions out of one vector, about which the mask says nothing",
            &[Way::Zero],
        ))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        match arguments.first() {
            Some(x) if x.rank() == 2 => Ok(()),
            x => Err(ShapeError::new("[batch, features]", x.map_or("none".into(), Type::to_string))),
        }?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut shape = scope.builder.type_of(&arguments.data()[0]).shape;
        shape.insert(1, Dim::constant(1));
        let x = scope.builder.emit(Shape::Reshape { shape: shape.clone() }, &arguments.data()[..1])?;
        shape[1] = Dim::constant(self.times);
        Ok(vec![scope.builder.emit(Shape::Broadcast { shape }, &[x])?])
    }
}
