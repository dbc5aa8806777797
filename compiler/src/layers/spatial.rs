//! What the layers over spatial axes share: where the channels are.
//!
//! The operations keep channels last. With `channels_first` the data is turned round before and behind them.

use masque_ir::ops::{OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Type};

use crate::layer::{Arguments, Config, ConfigError, Scope, ShapeError};

/// The axes of a layer's data: the batch, the spatial axes and the channels, which come first or last of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spatial {
    /// How many spatial axes.
    pub(super) axes: usize,
    /// Do the channels come before the spatial axes?
    pub(super) channels_first: bool,
}

impl Spatial {
    /// Reads `data_format`.
    pub(super) fn parse(config: &mut Config, axes: usize) -> Result<Spatial, ConfigError> {
        let formats = [("channels_last", false), ("channels_first", true)];
        Ok(Spatial { axes, channels_first: config.word("data_format", false, &formats)? })
    }

    /// With the channels last.
    pub(super) fn channels_last(axes: usize) -> Spatial {
        Spatial { axes, channels_first: false }
    }

    /// The data, where it has these axes.
    pub(super) fn data<'a>(&self, arguments: &'a Arguments<Type>) -> Result<&'a Type, ShapeError> {
        let expected = || format!("numbers with a batch, {} spatial axes and channels", self.axes);
        let x = arguments.first().ok_or_else(|| ShapeError::new(expected(), "none"))?;
        let fits = x.rank() == self.axes + 2 && x.dtype != DType::Str;
        if fits { Ok(x) } else { Err(ShapeError::new(expected(), x)) }
    }

    /// How many channels the data has; they must be known.
    pub(super) fn channels(&self, arguments: &Arguments<Type>) -> Result<i64, ShapeError> {
        let x = self.data(arguments)?;
        let channels = &x.shape[if self.channels_first { 1 } else { self.axes + 1 }];
        let known = channels.known().filter(|&channels| channels > 0);
        known.ok_or_else(|| ShapeError::new("a known number of channels", x))
    }

    /// The data with its channels last.
    pub(super) fn to_last(self, scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
        if !self.channels_first {
            return Ok(x.clone());
        }
        let perm = [0].into_iter().chain(2..self.axes as u32 + 2).chain([1]).collect();
        scope.builder.emit(Shape::Transpose { perm }, std::slice::from_ref(x))
    }

    /// Data with its channels last in the layer's own order.
    pub(super) fn restore(self, scope: &mut Scope<'_>, y: Operand) -> Result<Operand, OpError> {
        if !self.channels_first {
            return Ok(y);
        }
        let last = self.axes as u32 + 1;
        let perm = [0, last].into_iter().chain(1..last).collect();
        scope.builder.emit(Shape::Transpose { perm }, &[y])
    }
}

/// A row of the registry for a layer that loses masks.
macro_rules! losing {
    ($name:ident, $class:literal, $parse:expr) => {
        pub(super) static $name: $crate::layer::LayerDef = $crate::layer::LayerDef {
            class: $class,
            supports_masking: $crate::layer::Supports::Never,
            masks: "lost",
            parse: $parse,
        };
    };
}
pub(super) use losing;
