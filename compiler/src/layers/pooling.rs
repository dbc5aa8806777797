//! Pooling over one to three spatial axes: by windows, by windows that cover an axis evenly, and over all of it.

use masque_ir::ops::{OpError, Reduce, Shape, Window};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};

use super::spatial::{Spatial, losing};
use crate::layer::{
    Advice, Arguments, Config, ConfigError, Layer, Masking, Scope, ShapeError, Way, infer_by_lowering,
};

losing!(MAX_POOLING1D, "MaxPooling1D", |config| pooling(config, 1, Fold::Max));
losing!(MAX_POOLING2D, "MaxPooling2D", |config| pooling(config, 2, Fold::Max));
losing!(MAX_POOLING3D, "MaxPooling3D", |config| pooling(config, 3, Fold::Max));
losing!(AVERAGE_POOLING1D, "AveragePooling1D", |config| pooling(config, 1, Fold::Mean));
losing!(AVERAGE_POOLING2D, "AveragePooling2D", |config| pooling(config, 2, Fold::Mean));
losing!(AVERAGE_POOLING3D, "AveragePooling3D", |config| pooling(config, 3, Fold::Mean));
losing!(ADAPTIVE_MAX_POOLING1D, "AdaptiveMaxPooling1D", |config| adaptive(config, 1, Fold::Max));
losing!(ADAPTIVE_MAX_POOLING2D, "AdaptiveMaxPooling2D", |config| adaptive(config, 2, Fold::Max));
losing!(ADAPTIVE_MAX_POOLING3D, "AdaptiveMaxPooling3D", |config| adaptive(config, 3, Fold::Max));
losing!(ADAPTIVE_AVERAGE_POOLING1D, "AdaptiveAveragePooling1D", |config| adaptive(config, 1, Fold::Mean));
losing!(ADAPTIVE_AVERAGE_POOLING2D, "AdaptiveAveragePooling2D", |config| adaptive(config, 2, Fold::Mean));
losing!(ADAPTIVE_AVERAGE_POOLING3D, "AdaptiveAveragePooling3D", |config| adaptive(config, 3, Fold::Mean));
losing!(GLOBAL_MAX_POOLING1D, "GlobalMaxPooling1D", |config| global(config, 1, Fold::Max));
losing!(GLOBAL_MAX_POOLING2D, "GlobalMaxPooling2D", |config| global(config, 2, Fold::Max));
losing!(GLOBAL_MAX_POOLING3D, "GlobalMaxPooling3D", |config| global(config, 3, Fold::Max));
losing!(GLOBAL_AVERAGE_POOLING2D, "GlobalAveragePooling2D", |config| global(config, 2, Fold::Mean));
losing!(GLOBAL_AVERAGE_POOLING3D, "GlobalAveragePooling3D", |config| global(config, 3, Fold::Mean));

/// What becomes of the elements of a window.
#[derive(Clone, Copy, Debug)]
enum Fold {
    Max,
    Mean,
}

/// Advice of windows over some of the positions.
const fn windows(fold: Fold) -> Advice {
    const REASON: &str =
        "its windows mix padding with the last valid positions, and the positions of its outputs are others";
    match fold {
        Fold::Max => Advice::of(REASON, &[Way::Low, Way::Average]),
        Fold::Mean => Advice::of(REASON, &[Way::Zero, Way::Average]),
    }
}

/// Advice of one window over everything.
const fn whole(fold: Fold) -> Advice {
    match fold {
        Fold::Max => Advice::of(
            "it takes the largest number of all positions, and padding can be the largest",
            &[Way::Low, Way::Average],
        ),
        Fold::Mean => {
            Advice::of("it averages all positions, padding included", &[Way::Average, Way::Mean, Way::Zero])
        }
    }
}

/// Windows of one size.
#[derive(Debug)]
struct Pooling {
    spatial: Spatial,
    fold: Fold,
    window: Vec<u32>,
    strides: Vec<u32>,
    same: bool,
}

fn pooling(config: &mut Config, axes: usize, fold: Fold) -> Result<Box<dyn Layer>, ConfigError> {
    let window = config.sizes("pool_size", axes, 1, Some(2))?;
    // Without strides, windows stand one behind the other.
    let strides = config.optional_sizes("strides", axes, 1)?.unwrap_or_else(|| window.clone());
    Ok(Box::new(Pooling {
        spatial: Spatial::parse(config, axes)?,
        fold,
        window,
        strides,
        same: config.word("padding", false, &[("valid", false), ("same", true)])?,
    }))
}

impl Layer for Pooling {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(windows(self.fold))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.spatial.data(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let x = self.spatial.to_last(scope, &x)?;
        let (window, strides, same) = (self.window.clone(), self.strides.clone(), self.same);
        let op = match self.fold {
            Fold::Max => Window::WindowMax { window, strides, same },
            Fold::Mean => Window::WindowMean { window, strides, same },
        };
        let y = scope.builder.emit(op, &[x])?;
        Ok(vec![self.spatial.restore(scope, y)?])
    }
}

/// As many windows as wanted.
#[derive(Debug)]
struct Adaptive {
    spatial: Spatial,
    fold: Fold,
    size: Vec<u32>,
}

fn adaptive(config: &mut Config, axes: usize, fold: Fold) -> Result<Box<dyn Layer>, ConfigError> {
    let size = config.sizes("output_size", axes, 1, None)?;
    Ok(Box::new(Adaptive { spatial: Spatial::parse(config, axes)?, fold, size }))
}

impl Layer for Adaptive {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(windows(self.fold))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.spatial.data(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let mut x = self.spatial.to_last(scope, &x)?;
        for (axis, &size) in (1..).zip(&self.size) {
            let op = match self.fold {
                Fold::Max => Window::SpreadMax { axis, size },
                Fold::Mean => Window::SpreadMean { axis, size },
            };
            x = scope.builder.emit(op, &[x])?;
        }
        Ok(vec![self.spatial.restore(scope, x)?])
    }
}

/// One window over everything.
#[derive(Debug)]
struct Global {
    spatial: Spatial,
    fold: Fold,
    keep: bool,
}

fn global(config: &mut Config, axes: usize, fold: Fold) -> Result<Box<dyn Layer>, ConfigError> {
    let keep = config.bool("keepdims", false)?;
    Ok(Box::new(Global { spatial: Spatial::parse(config, axes)?, fold, keep }))
}

impl Layer for Global {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(whole(self.fold))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.spatial.data(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let x = self.spatial.to_last(scope, &x)?;
        let axes: Vec<u32> = (1..=self.spatial.axes as u32).collect();
        let folded = match self.fold {
            Fold::Max => scope.builder.emit(Reduce::ReduceMax { axes, keep: false }, &[x])?,
            Fold::Mean => scope.builder.mean(&x, &axes, false)?,
        };
        if !self.keep {
            return Ok(vec![folded]);
        }
        let mut shape = scope.builder.type_of(&folded).shape;
        (0..self.spatial.axes).for_each(|_| shape.insert(1, Dim::constant(1)));
        let y = scope.builder.emit(Shape::Reshape { shape }, &[folded])?;
        Ok(vec![self.spatial.restore(scope, y)?])
    }
}
