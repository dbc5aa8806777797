//! `Add`, `Subtract`, `Average`, `Multiply`, `Maximum` and `Minimum`: one tensor of several, element by element.
//!
//! A tensor with fewer axes than another gets axes of size 1 behind the batch, and loses its mask to that.

use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::ty::broadcast;
use masque_ir::{DType, Dim, Sizes, Type};

use super::merging::{common_dtype, converted, listed, several};
use crate::layer::{
    Arguments, CallMasks, Layer, LayerDef, MaskRule, Masking, Reads, Scope, ShapeError, Signature, Supports,
    Takes,
};

pub(super) static ADD: LayerDef = def("Add", |_| Ok(Box::new(Merge::Add)));
pub(super) static AVERAGE: LayerDef = def("Average", |_| Ok(Box::new(Merge::Average)));
pub(super) static MAXIMUM: LayerDef = def("Maximum", |_| Ok(Box::new(Merge::Maximum)));
pub(super) static MINIMUM: LayerDef = def("Minimum", |_| Ok(Box::new(Merge::Minimum)));
pub(super) static MULTIPLY: LayerDef = def("Multiply", |_| Ok(Box::new(Merge::Multiply)));
pub(super) static SUBTRACT: LayerDef = def("Subtract", |_| Ok(Box::new(Merge::Subtract)));

type Parse = fn(&mut crate::layer::Config) -> Result<Box<dyn Layer>, crate::layer::ConfigError>;

const fn def(class: &'static str, parse: Parse) -> LayerDef {
    LayerDef { class, supports_masking: Supports::Always, masks: "union", parse }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Merge {
    Add,
    Average,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
}

/// The shape with axes of size 1 behind the batch, up to a rank.
fn widened(shape: &[Dim], rank: usize) -> Sizes {
    let missing = rank.saturating_sub(shape.len());
    let (batch, rest) = shape.split_at(shape.len().min(1));
    let ones = std::iter::repeat_n(Dim::constant(1), missing);
    batch.iter().cloned().chain(ones).chain(rest.iter().cloned()).collect()
}

/// A tensor and its mask, spread over the tensor's last axis.
type Masked = (Operand, Option<Operand>);

impl Merge {
    fn op(self) -> Elementwise {
        match self {
            Merge::Add | Merge::Average => Elementwise::Add,
            Merge::Maximum => Elementwise::Max,
            Merge::Minimum => Elementwise::Min,
            Merge::Multiply => Elementwise::Mul,
            Merge::Subtract => Elementwise::Sub,
        }
    }

    /// Do masks decide which numbers take part?
    fn computes_with_masks(self) -> bool {
        matches!(self, Merge::Maximum | Merge::Minimum | Merge::Multiply)
    }

    /// Where one side is masked the other one stands in for it.
    fn extreme(self, scope: &mut Scope<'_>, inputs: Vec<Masked>) -> Result<Operand, OpError> {
        let mut inputs = inputs.into_iter();
        let Some((mut all, mut all_mask)) = inputs.next() else { return Ok(Operand::Absent) };
        for (mut x, mask) in inputs {
            if let Some(mask) = &mask {
                x = scope.builder.emit(Elementwise::Select, &[mask.clone(), x, all.clone()])?;
            }
            if let Some(mask) = &all_mask {
                all = scope.builder.emit(Elementwise::Select, &[mask.clone(), all, x.clone()])?;
            }
            all_mask = match (all_mask, mask) {
                (Some(left), Some(right)) => Some(scope.builder.emit(Elementwise::Or, &[left, right])?),
                _ => None,
            };
            all = scope.builder.emit(self.op(), &[all, x])?;
        }
        Ok(all)
    }

    /// Masked factors count as 1; where all are masked the product is 0.
    fn product(self, scope: &mut Scope<'_>, inputs: Vec<Masked>) -> Result<Operand, OpError> {
        let masks: Option<Vec<Operand>> = inputs.iter().map(|(_, mask)| mask.clone()).collect();
        let mut product: Option<Operand> = None;
        for (x, mask) in inputs {
            let one = scope.builder.number(&x, 1.0);
            let x = match mask {
                Some(mask) => scope.builder.emit(Elementwise::Select, &[mask, x, one])?,
                None => x,
            };
            product = Some(match product {
                Some(product) => scope.builder.emit(Elementwise::Mul, &[product, x])?,
                None => x,
            });
        }
        let product = product.unwrap_or(Operand::Absent);
        let Some(masks) = masks else { return Ok(product) };
        let mut any: Option<Operand> = None;
        for mask in masks {
            any = Some(match any {
                Some(any) => scope.builder.emit(Elementwise::Or, &[any, mask])?,
                None => mask,
            });
        }
        let zero = scope.builder.number(&product, 0.0);
        match any {
            Some(any) => scope.builder.emit(Elementwise::Select, &[any, product, zero]),
            None => Ok(product),
        }
    }
}

impl Layer for Merge {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs"]).taking(&[("inputs", Takes::Tensors)])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED.reading(if self.computes_with_masks() { Reads::Own } else { Reads::Nothing })
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        MaskRule::Union.into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let inputs = several(arguments)?;
        if *self == Merge::Subtract && inputs.len() != 2 {
            return Err(ShapeError::new("two tensors", inputs.len()));
        }
        let rank = inputs.iter().map(Type::rank).max().unwrap_or(0);
        let wide: Vec<Sizes> = inputs.iter().map(|x| widened(&x.shape, rank)).collect();
        let shape = wide[1..].iter().try_fold(wide[0].clone(), |shape, x| broadcast(&shape, x));
        let shape =
            shape.ok_or_else(|| ShapeError::new("shapes of one rank that broadcast", listed(inputs)))?;
        let masks = arguments.masks.iter().zip(inputs).filter(|(_, x)| x.rank() == rank);
        for (mask, x) in masks.filter_map(|(mask, x)| Some((mask.as_ref()?, x))) {
            if mask.rank() + 1 != x.rank() {
                return Err(ShapeError::new(format!("a mask of all axes of {x} but the last"), mask));
            }
        }
        let dtype = if *self == Merge::Average { DType::F32 } else { common_dtype(inputs) };
        if dtype == DType::Bool {
            return Err(ShapeError::new("numbers", listed(inputs)));
        }
        Ok(vec![Type { dtype, shape }])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut inputs = vec![];
        let converted = converted(scope, arguments.data())?;
        let rank = converted.iter().map(|x| scope.builder.type_of(x).rank()).max().unwrap_or(0);
        for (place, mut x) in converted.into_iter().enumerate() {
            let shape = scope.builder.type_of(&x).shape;
            let mut mask = arguments.masks.get(place).cloned().flatten();
            if *self == Merge::Average {
                x = scope.float(&x)?;
            }
            if shape.len() < rank {
                mask = None;
                x = scope.builder.emit(Shape::Reshape { shape: widened(&shape, rank) }, &[x])?;
            }
            let mask = mask.map(|mask| scope.builder.trail_axes(&mask, rank)).transpose()?;
            inputs.push((x, mask));
        }
        match self {
            Merge::Multiply => return Ok(vec![self.product(scope, inputs)?]),
            Merge::Maximum | Merge::Minimum => return Ok(vec![self.extreme(scope, inputs)?]),
            _ => (),
        }
        let count = inputs.len() as f64;
        let mut all = inputs[0].0.clone();
        for (x, _) in &inputs[1..] {
            all = scope.builder.emit(self.op(), &[all, x.clone()])?;
        }
        if *self == Merge::Average {
            let count = scope.builder.number(&all, count);
            all = scope.builder.emit(Elementwise::Div, &[all, count])?;
        }
        Ok(vec![all])
    }
}
