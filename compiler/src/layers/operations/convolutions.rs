//! Convolutions called as operations: their kernels are tensors like their data.

use masque_ir::DType;
use masque_ir::program::Operand;

use super::built::{Built, Outcome, given, integers, refuse, shape_of};
use super::def;
use crate::layer::{Arguments, Config, ConfigError, Layer, LayerDef, Scope};
use crate::layers::convolution::{Padding, Sliding};
use crate::layers::separable::{each_alone, pointwise};
use crate::layers::spatial::Spatial;

pub(in crate::layers) static CONV: LayerDef = def("ops.Conv", |config| {
    of_kernel(config, |scope, sliding, x, kernel| {
        let inputs = [&x, &kernel].map(|side| shape_of(scope, side));
        let axes = sliding.spatial.axes;
        let groups = match (inputs[0][axes + 1].known(), inputs[1][axes].known()) {
            (Some(channels), Some(each)) if each > 0 && channels % each == 0 => channels / each,
            _ => {
                return refuse(
                    "a kernel for the channels of the data, or for equal groups of them",
                    &inputs[1][axes],
                );
            }
        };
        sliding.slide(scope, [x, kernel, Operand::Absent], u32::try_from(groups).unwrap_or(0))
    })
});
pub(in crate::layers) static DEPTHWISE_CONV: LayerDef = def("ops.DepthwiseConv", |config| {
    of_kernel(config, |scope, sliding, x, kernel| each_alone(sliding, scope, [x, kernel, Operand::Absent]))
});
pub(in crate::layers) static SEPARABLE_CONV: LayerDef = def("ops.SeparableConv", |config| {
    let settings = Settings::parse(config)?;
    let separable =
        Built::new(&["inputs", "depthwise_kernel", "pointwise_kernel"], move |scope, arguments| {
            let [x, kernel] = both(scope, arguments, ["inputs", "depthwise_kernel"])?;
            let between = floats(scope, arguments, "pointwise_kernel")?;
            let sliding = settings.sliding(scope, &x, &kernel)?;
            let x = sliding.spatial.to_last(scope, &x)?;
            let y = each_alone(&sliding, scope, [x, kernel, Operand::Absent])?;
            let y = pointwise(&sliding, scope, [y, between, Operand::Absent])?;
            sliding.spatial.restore(scope, y)
        });
    separable.boxed()
});

/// What is done with data and a kernel, channels last.
fn of_kernel(
    config: &mut Config,
    slide: impl Fn(&mut Scope<'_>, &Sliding, Operand, Operand) -> Outcome + Send + Sync + 'static,
) -> Result<Box<dyn Layer>, ConfigError> {
    let settings = Settings::parse(config)?;
    let operation = Built::new(&["inputs", "kernel"], move |scope, arguments| {
        let [x, kernel] = both(scope, arguments, ["inputs", "kernel"])?;
        let sliding = settings.sliding(scope, &x, &kernel)?;
        let x = sliding.spatial.to_last(scope, &x)?;
        let y = slide(scope, &sliding, x, kernel)?;
        sliding.spatial.restore(scope, y)
    });
    operation.boxed()
}

fn both(scope: &mut Scope<'_>, arguments: &Arguments<Operand>, names: [&str; 2]) -> Outcome<[Operand; 2]> {
    let [x, kernel] = names.map(|name| floats(scope, arguments, name));
    Ok([x?, kernel?])
}

/// A tensor of f32; Keras converts nothing here.
fn floats(scope: &mut Scope<'_>, arguments: &Arguments<Operand>, name: &str) -> Outcome {
    let x = given(scope, arguments, name)?;
    let ty = scope.builder.type_of(&x);
    if ty.dtype == DType::F32 { Ok(x) } else { refuse(format!("f32 numbers for `{name}`"), ty) }
}

/// The settings that all convolutions have.
struct Settings {
    strides: Vec<i64>,
    dilation: Vec<i64>,
    padding: Padding,
    channels_first: bool,
}

impl Settings {
    fn parse(config: &mut Config) -> Result<Settings, ConfigError> {
        Ok(Settings {
            strides: sizes(config, "strides", 1)?.unwrap_or_else(|| vec![1]),
            dilation: sizes(config, "dilation_rate", 1)?.unwrap_or_else(|| vec![1]),
            padding: config.word(
                "padding",
                Padding::Valid,
                &[("valid", Padding::Valid), ("same", Padding::Same)],
            )?,
            channels_first: Spatial::parse(config, 0)?.channels_first,
        })
    }

    /// The same for a kernel `[…, inputs, outputs]` and as many spatial axes as it has.
    fn sliding(&self, scope: &Scope<'_>, x: &Operand, kernel: &Operand) -> Outcome<Sliding> {
        let (data, sizes) = (scope.builder.type_of(x), scope.builder.type_of(kernel));
        let axes = data.rank().saturating_sub(2);
        if !(1..=3).contains(&axes) || sizes.rank() != data.rank() {
            return refuse(
                "data with one to three spatial axes, and a kernel with as many",
                format!("{data} and {sizes}"),
            );
        }
        let known = |size: &masque_ir::Dim| size.known().and_then(|size| u32::try_from(size).ok());
        let window: Option<Vec<u32>> = sizes.shape.iter().map(known).take(axes).collect();
        let Some(window) = window.filter(|window| window.iter().all(|&size| size > 0)) else {
            return refuse("a kernel of known sizes", sizes);
        };
        let spatial = Spatial { axes, channels_first: self.channels_first };
        let steps = [each(&self.strides, axes, "strides")?, each(&self.dilation, axes, "dilation_rate")?];
        Ok(Sliding::plain(spatial, window, steps, self.padding))
    }
}

/// A size, or one for each axis, from `least` on.
fn sizes(config: &mut Config, key: &str, least: i64) -> Result<Option<Vec<i64>>, ConfigError> {
    let Some(sizes) = integers(config, key)? else { return Ok(None) };
    match sizes.is_empty() || sizes.iter().any(|size| !(least..=4096).contains(size)) {
        true => Err(ConfigError::new(key, format!("numbers from {least} to 4096"), &sizes.into())),
        false => Ok(Some(sizes)),
    }
}

/// One number for each axis.
fn each(numbers: &[i64], axes: usize, name: &str) -> Outcome<Vec<u32>> {
    match numbers {
        [one] => Ok(vec![*one as u32; axes]),
        several if several.len() == axes => Ok(several.iter().map(|&number| number as u32).collect()),
        several => refuse(format!("`{name}` for {axes} axes"), several.len()),
    }
}
