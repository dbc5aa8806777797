//! Convolutions: the rows of each window times the kernel's matrix.

use masque_ir::activation::Activation;
use masque_ir::ops::{Convolve, Op, Window};

use super::{Call, Writes, elements, function};
use crate::data::{Elements, Operand};
use crate::error::OpFailure;
use crate::kernels::activation::Activation as Function;
use crate::kernels::conv::{Conv, Depthwise, PackedKernel, conv, depthwise, pack_depthwise, pack_kernel};
use crate::kernels::gemm::{Init, Step};
use crate::kernels::windows::{Axis, Layout};

/// A layer, with its kernel where that is a weight in groups.
#[derive(Debug)]
struct Layer {
    windows: Window,
    /// Zeros before all positions, after all and after each, for each spatial axis; empty where there are none.
    zeros: Vec<[i64; 3]>,
    function: Function,
    packed: Option<Vec<f32>>,
}

pub(super) fn prepare(op: &Op, weights: &[Option<Operand<'_>>]) -> Option<Box<dyn Writes>> {
    let (windows, zeros, activation) = match op {
        Op::Window(windows) => (windows.clone(), vec![], Activation::Linear),
        Op::Convolve(layer @ Convolve::Convolve { low, high, spread, activation, .. }) => {
            let zeros = low.iter().zip(high).zip(spread);
            let zeros = zeros.map(|((&low, &high), &spread)| [low, high, spread.into()]).collect();
            (layer.window(), zeros, *activation)
        }
        _ => return None,
    };
    let Window::Conv { groups, .. } = windows else { return None };
    let kernel = weights.get(1).copied().flatten();
    let packed = kernel.and_then(|kernel| Kernel::new(&kernel, groups)?.packed());
    Some(Box::new(Layer { windows, zeros, function: function(&activation)?, packed }))
}

/// A kernel `[taps…, depth, filters]`.
struct Kernel<'a> {
    elements: Elements<'a>,
    taps: usize,
    depth: usize,
    filters: usize,
    groups: usize,
}

impl<'a> Kernel<'a> {
    fn new(operand: &Operand<'a>, groups: u32) -> Option<Kernel<'a>> {
        let [taps @ .., depth, filters] = operand.shape else { return None };
        let (taps, groups) = (elements(taps), groups as usize);
        Some(Kernel { elements: operand.elements, taps, depth: *depth, filters: *filters, groups })
    }

    /// Does every channel have filters of its own?
    fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.depth == 1
    }

    /// The elements as the function wants them; `None` if they are in panels already.
    fn packed(&self) -> Option<Vec<f32>> {
        let Elements::F32(elements) = self.elements else { return None };
        let &Kernel { taps, depth, filters, groups, .. } = self;
        Some(match self.is_depthwise() {
            true => pack_depthwise(elements, taps, groups, filters / groups),
            false => pack_kernel(elements, taps, depth, filters, groups),
        })
    }
}

impl Writes for Layer {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Window::Conv { groups, .. } = self.windows else { return Err(call.unfit(0)) };
        let operand = call.operand(1)?;
        let kernel = Kernel::new(&operand, groups).ok_or_else(|| call.unfit(1))?;
        let now;
        let packed = match (&self.packed, operand.elements) {
            (Some(packed), _) => packed.as_slice(),
            (None, Elements::Panels(matrix)) => matrix.data(),
            (None, _) => {
                now = kernel.packed().ok_or_else(|| call.unfit(1))?;
                &now
            }
        };
        let x = call.operand(0)?;
        let &[batch, ref sizes @ .., channels] = x.shape else { return Err(call.unfit(0)) };
        let axes = self.axes(sizes, operand.shape).ok_or_else(|| call.unfit(0))?;
        super::windows::fit(call, batch, &axes)?;
        let layout = Layout::Dense { batch, axes: &axes };
        let init = call.maybe_floats(2)?.map_or(Init::Zero, Init::Bias);
        let steps: &[Step<'_>] = match self.function {
            Function::Linear => &[],
            function => &[Step::Activate(function)],
        };
        let x = call.floats(0)?;
        let Kernel { taps, depth, filters, groups, .. } = kernel;
        if kernel.is_depthwise() {
            let multiplier = filters / groups;
            let layer = Depthwise { layout, kernel: packed, channels, multiplier, init, steps };
            depthwise(&layer, x, call.out(0)?);
        } else {
            let kernel = PackedKernel::new(packed, taps, depth, filters, groups);
            let kernel = kernel.ok_or_else(|| call.unfit(1))?;
            conv(&Conv { layout, kernel, init, steps }, x, call.out(0)?);
        }
        Ok(())
    }
}

impl Layer {
    /// The spatial axes with their windows.
    fn axes(&self, sizes: &[usize], kernel: &[usize]) -> Option<Vec<Axis>> {
        let Window::Conv { strides, dilation, same, .. } = &self.windows else { return None };
        let axis = |(axis, &size): (usize, &usize)| {
            let (stride, dilation) = (*strides.get(axis)? as usize, *dilation.get(axis)? as usize);
            let window = *kernel.get(axis)?;
            let [low, high, spread] = self.zeros.get(axis).copied().unwrap_or_default();
            // The last position has zeros after it, too.
            let high = if size == 0 { high } else { high.checked_add(spread)? };
            Some(match same {
                true => Axis::same(size, window, [stride, dilation]),
                false => Axis::padded(
                    size,
                    window,
                    [stride, dilation, usize::try_from(spread).ok()? + 1],
                    [isize::try_from(low).ok()?, isize::try_from(high).ok()?],
                ),
            })
        };
        sizes.iter().enumerate().map(axis).collect()
    }
}
