//! `GroupNormalization`: groups of channels of one example, over all its other axes. Padding takes part.

use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use super::axes::{inverse_root, numbers, resolve, sizes};
use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, Masking, Scope, ShapeError, Supports, WeightSpec,
};

pub(super) static GROUP_NORMALIZATION: LayerDef =
    LayerDef { class: "GroupNormalization", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
struct GroupNormalization {
    /// -1: a group for every channel.
    groups: i64,
    axis: i64,
    epsilon: f64,
    center: bool,
    scale: bool,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let groups = config.integer("groups", Some(32))?;
    if groups != -1 && groups < 1 {
        return Err(ConfigError::new("groups", "a positive number, or -1", &groups.into()));
    }
    Ok(Box::new(GroupNormalization {
        groups,
        axis: config.integer("axis", Some(-1))?,
        epsilon: config.number("epsilon", 0.001)?,
        center: config.bool("center", true)?,
        scale: config.bool("scale", true)?,
    }))
}

impl GroupNormalization {
    /// The channels' axis, how many groups there are, and how many channels there are in each.
    fn groups(&self, x: &Type) -> Result<(usize, i64, i64), ShapeError> {
        let axes = resolve(&[self.axis], x)?;
        let channels = sizes(&axes, x)?[0];
        let groups = if self.groups == -1 { channels } else { self.groups };
        if axes[0] == 0 || groups < 1 || channels % groups != 0 {
            return Err(ShapeError::new(format!("channels in {groups} groups of one size"), x));
        }
        Ok((axes[0], groups, channels / groups))
    }
}

impl Layer for GroupNormalization {
    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = numbers(arguments)?;
        self.groups(x)?;
        Ok(vec![x.with_dtype(DType::F32)])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let (_, groups, members) = self.groups(numbers(arguments)?)?;
        let present =
            [(self.scale, "gamma"), (self.center, "beta")].into_iter().filter(|(wanted, _)| *wanted);
        Ok(present
            .enumerate()
            .map(|(place, (_, name))| WeightSpec::new(name, &format!("vars/{place}"), [groups * members]))
            .collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let ty = scope.builder.type_of(&x);
        let Ok((axis, groups, members)) = self.groups(&ty) else { return Ok(vec![x]) };
        let mut grouped = ty.shape.clone();
        grouped[axis] = Dim::constant(members);
        grouped.insert(axis, Dim::constant(groups));
        let mut weight_shape = vec![Dim::constant(1); grouped.len()];
        weight_shape[axis] = Dim::constant(groups);
        weight_shape[axis + 1] = Dim::constant(members);
        let folded: Vec<u32> = (1..grouped.len() as u32).filter(|&other| other as usize != axis).collect();

        let x = scope.builder.emit(Shape::Reshape { shape: grouped }, &[x])?;
        let mean = scope.builder.mean(&x, &folded, true)?;
        let centred = scope.builder.emit(Elementwise::Sub, &[x, mean])?;
        let squares = scope.builder.emit(Elementwise::Mul, &[centred.clone(), centred.clone()])?;
        let variance = scope.builder.mean(&squares, &folded, true)?;
        let inverse = inverse_root(scope, variance, self.epsilon)?;
        let mut y = scope.builder.emit(Elementwise::Mul, &[centred, inverse])?;
        for (name, op) in [("gamma", Elementwise::Mul), ("beta", Elementwise::Add)] {
            let weight = scope.weight(name);
            if weight != Operand::Absent {
                let shape = weight_shape.clone();
                let weight = scope.builder.emit(Shape::Reshape { shape: shape.into() }, &[weight])?;
                y = scope.builder.emit(op, &[y, weight])?;
            }
        }
        Ok(vec![scope.builder.emit(Shape::Reshape { shape: ty.shape }, &[y])?])
    }
}
