//! Windows that slide over axes. `x` is `[B, …, C]`: the axes between the batch and the channels are the spatial
//! ones, one to three of them. A window never counts what is outside `x`.

use super::{Elementwise, Family, OpError, OpInfo, OperandTypes, agree, at, family};
use crate::dim::Dim;
use crate::flow::{Element, Flow, Fold, Joint, Known, Role};
use crate::ty::Type;

family! {
    /// Windows that slide over axes.
    Window {
        /// Sums of products of the windows of `x` `[B, …, C]` and a kernel `[…, C/groups, N]`: along the kernel's positions in order, then along the channels, with fused multiply-add; what is outside `x` adds nothing.
        Conv = "conv" ("x", "kernel") {
            /// The distance between windows, for each spatial axis.
            strides: Vec<u32>,
            /// The distance between a window's positions, for each spatial axis.
            dilation: Vec<u32>,
            /// Into how many groups the channels fall; each has its own part of the results.
            groups: u32,
            /// Is there a window for every stride begun, half of what the last one lacks before `x` (rounded down)?
            same: bool,
        };
        /// The largest element of each window of `x` `[B, …, C]`; NaN if any is.
        WindowMax = "window_max" ("x") {
            /// The size of a window, for each spatial axis.
            window: Vec<u32>,
            /// The distance between windows, for each spatial axis.
            strides: Vec<u32>,
            /// Is there a window for every stride begun, half of what the last one lacks before `x` (rounded down)?
            same: bool,
        };
        /// The mean of each window of `x` `[B, …, C]`, of the positions that are inside `x`.
        WindowMean = "window_mean" ("x") {
            /// The size of a window, for each spatial axis.
            window: Vec<u32>,
            /// The distance between windows, for each spatial axis.
            strides: Vec<u32>,
            /// Is there a window for every stride begun, half of what the last one lacks before `x` (rounded down)?
            same: bool,
        };
        /// The largest element of each of `size` windows that cover axis `axis` of `x` evenly: from `floor(i*n/size)` below `ceil((i + 1)*n/size)`; NaN if any is.
        SpreadMax = "spread_max" ("x") {
            /// Which axis, from the front.
            axis: u32,
            /// How many windows.
            size: u32,
        };
        /// The mean of each of `size` windows that cover axis `axis` of `x` evenly: from `floor(i*n/size)` below `ceil((i + 1)*n/size)`.
        SpreadMean = "spread_mean" ("x") {
            /// Which axis, from the front.
            axis: u32,
            /// How many windows.
            size: u32,
        };
    }
}

/// The most spatial axes.
const MOST_AXES: usize = 3;

impl Family for Window {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let rank = operands[0].map_or(0, Type::rank) as u32;
        let mut roles = at(0..rank);
        let mut joint = |fold: Fold, rest: Vec<Vec<Role>>, windows: &dyn Fn(usize) -> Option<Role>| {
            for (axis, role) in roles.iter_mut().enumerate() {
                *role = windows(axis).unwrap_or(*role);
            }
            let operands = std::iter::once(roles.clone()).chain(rest).collect();
            Flow::Joint(Joint { operands, rank: rank as usize, fold })
        };
        match self {
            Window::SpreadMax { axis, .. } => {
                joint(Fold::LARGEST, vec![], &|at| (at == *axis as usize).then_some(Role::Scattered(*axis)))
            }
            Window::SpreadMean { axis, .. } => {
                joint(Fold::EVERY, vec![], &|at| (at == *axis as usize).then_some(Role::Scattered(*axis)))
            }
            Window::WindowMax { window, strides, same } => {
                let sizes: Vec<i64> = window.iter().map(|&size| size.into()).collect();
                joint(Fold::LARGEST, vec![], &|at| slid(at, &sizes, strides, &[], *same))
            }
            Window::WindowMean { window, strides, same } => {
                let sizes: Vec<i64> = window.iter().map(|&size| size.into()).collect();
                joint(Fold::EVERY, vec![], &|at| slid(at, &sizes, strides, &[], *same))
            }
            Window::Conv { strides, dilation, same, .. } => {
                let shape = operands[1].map_or(&[][..], |kernel| &kernel.shape);
                let sizes: Vec<i64> =
                    shape.iter().take(strides.len()).map(|size| size.known().unwrap_or(i64::MAX)).collect();
                // The channels are folded, and the kernel's axes with them; the last one is the result's.
                let mut kernel = at(rank + 1..rank + shape.len() as u32);
                kernel.push(Role::At(rank.saturating_sub(1)));
                let channels = (rank as usize).saturating_sub(1);
                joint(Fold::SUM, vec![kernel], &|at| match at == channels {
                    true => Some(Role::At(rank)),
                    false => slid(at, &sizes, strides, dilation, *same),
                })
            }
        }
    }

    fn element(&self, operands: &[Known]) -> Element {
        match operands {
            [x, kernel] => Elementwise::Mul.element(&[*x, *kernel]),
            _ => operands[0].into(),
        }
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let x = operands[0].expect("arity was checked");
        if !x.dtype.is_float() {
            return Err(self.expects("floats", x));
        }
        match self {
            Window::SpreadMax { axis, size } | Window::SpreadMean { axis, size } => {
                self.spread(x, *axis as usize, *size)
            }
            Window::WindowMax { window, strides, same } | Window::WindowMean { window, strides, same } => {
                let window: Vec<Dim> = window.iter().map(|&size| Dim::constant(size.into())).collect();
                let dilation = vec![1; window.len()];
                let mut shape = x.shape.clone();
                self.slide(&mut shape, &window, strides, &dilation, *same)?;
                Ok(vec![Type { dtype: x.dtype, shape }])
            }
            Window::Conv { strides, dilation, groups, same } => {
                let kernel = operands[1].expect("arity was checked");
                let mut shape = x.shape.clone();
                let [window @ .., inputs, outputs] = kernel.shape.as_slice() else {
                    return Err(self.expects("a kernel [..., C/groups, N]", kernel));
                };
                let groups = i64::from(*groups);
                let parts = groups > 0 && outputs.known().is_none_or(|outputs| outputs % groups == 0);
                let inputs = inputs * &Dim::constant(groups);
                let channels =
                    x.shape.last().is_some_and(|last| agree(&[inputs], std::slice::from_ref(last)));
                if !parts || !channels || kernel.dtype != x.dtype {
                    return Err(self.expects(
                        "x [B, ..., C] and a kernel [..., C/groups, N] with N in groups",
                        format!("{x}, {kernel} and {groups} groups"),
                    ));
                }
                self.slide(&mut shape, window, strides, dilation, *same)?;
                let last = shape.len() - 1;
                shape[last] = outputs.clone();
                Ok(vec![Type { dtype: x.dtype, shape }])
            }
        }
    }
}

/// What a spatial axis does: windows of that size, at these distances.
fn slid(axis: usize, sizes: &[i64], strides: &[u32], dilation: &[u32], same: bool) -> Option<Role> {
    let at = axis.checked_sub(1).filter(|&at| at < sizes.len())?;
    let reach = (sizes[at] - 1).saturating_mul(dilation.get(at).copied().unwrap_or(1).into());
    let before = if same { reach / 2 } else { 0 };
    let stride = strides.get(at).copied().unwrap_or(1);
    Some(Role::Window { to: axis as u32, before, after: reach - before, stride, beyond: same })
}

impl Window {
    /// Makes of the spatial sizes the numbers of windows.
    fn slide(
        &self,
        shape: &mut [Dim],
        window: &[Dim],
        strides: &[u32],
        dilation: &[u32],
        same: bool,
    ) -> Result<(), OpError> {
        let axes = window.len();
        let described = Type::new(crate::ty::DType::F32, shape.to_vec());
        let fits = (1..=MOST_AXES).contains(&axes) && shape.len() == axes + 2;
        let counted = strides.len() == axes && dilation.len() == axes;
        if !fits || !counted || strides.contains(&0) || dilation.contains(&0) {
            return Err(self.expects(
                "x [B, ..., C] with 1 to 3 spatial axes, and for each of them a window, a stride and a dilation of \
                 at least 1",
                format!("{described}, strides {strides:?} and dilation {dilation:?}"),
            ));
        }
        for (axis, size) in shape[1..=axes].iter_mut().enumerate() {
            let window = window[axis].known().filter(|&window| window > 0);
            let Some(window) = window else {
                return Err(self.expects("windows of known sizes of at least 1", &described));
            };
            let stride = i64::from(strides[axis]);
            let count = if same {
                (&*size + &Dim::constant(stride - 1)).floor_div(stride)
            } else {
                let reach = (window - 1).saturating_mul(dilation[axis].into());
                (&*size + &Dim::constant(stride - 1 - reach)).floor_div(stride)
            };
            if count.known().is_some_and(|count| count < 0) {
                return Err(self.expects(format!("an axis as long as windows of {window}"), &described));
            }
            *size = count;
        }
        Ok(())
    }

    fn spread(&self, x: &Type, axis: usize, size: u32) -> Result<Vec<Type>, OpError> {
        let nothing = x.shape.get(axis).is_none_or(|size| size.known() == Some(0));
        if nothing || size == 0 {
            return Err(self.expects("an axis that is not empty, and at least one window", x));
        }
        let mut shape = x.shape.clone();
        shape[axis] = Dim::constant(size.into());
        Ok(vec![Type { dtype: x.dtype, shape }])
    }
}
