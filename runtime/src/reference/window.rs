//! Windows that slide over axes.
//!
//! One to three spatial axes are looked at as three: axes of size 1, with windows of size 1, come before the others.

use std::ops::{Div, Range};

use masque_ir::ops::Window;
use ndarray::ArrayD;

use crate::elements::{Element, collect, demand};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

pub(super) fn evaluate(op: &Window, operands: &[TensorView<'_>]) -> Result<Tensor, OpFailure> {
    match operands {
        [TensorView::F32(x)] => {
            let x = x.as_standard_layout();
            fold(op, x.shape(), x.as_slice().unwrap_or_default(), f32::NEG_INFINITY, 0.0, |n| n as f32)
        }
        [TensorView::F64(x)] => {
            let x = x.as_standard_layout();
            fold(op, x.shape(), x.as_slice().unwrap_or_default(), f64::NEG_INFINITY, 0.0, |n| n as f64)
        }
        [TensorView::F32(x), TensorView::F32(kernel)] => {
            let (x, kernel) = (x.as_standard_layout(), kernel.as_standard_layout());
            let (x, kernel) =
                (Rows::new(x.shape(), x.as_slice()), Rows::new(kernel.shape(), kernel.as_slice()));
            conv(op, &x, &kernel, 0.0, f32::mul_add)
        }
        [TensorView::F64(x), TensorView::F64(kernel)] => {
            let (x, kernel) = (x.as_standard_layout(), kernel.as_standard_layout());
            let (x, kernel) =
                (Rows::new(x.shape(), x.as_slice()), Rows::new(kernel.shape(), kernel.as_slice()));
            conv(op, &x, &kernel, 0.0, f64::mul_add)
        }
        [.., other] => Err(OpFailure::ElementType { found: other.dtype() }),
        [] => Err(OpFailure::Given),
    }
}

/// A tensor row by row.
struct Rows<'a, T> {
    shape: &'a [usize],
    elements: &'a [T],
}

impl<'a, T> Rows<'a, T> {
    fn new(shape: &'a [usize], elements: Option<&'a [T]>) -> Rows<'a, T> {
        Rows { shape, elements: elements.unwrap_or_default() }
    }
}

/// How windows lie on one axis.
#[derive(Clone, Copy, Debug)]
struct Slide {
    /// The size of the axis.
    size: usize,
    /// How many windows there are.
    count: usize,
    window: usize,
    stride: usize,
    dilation: usize,
    /// How far the first window begins before the axis.
    before: usize,
}

impl Slide {
    /// An axis that is not there.
    const ONE: Slide = Slide { size: 1, count: 1, window: 1, stride: 1, dilation: 1, before: 0 };

    fn new(size: usize, window: usize, stride: u32, dilation: u32, same: bool) -> Slide {
        let (stride, dilation) = (stride as usize, dilation as usize);
        let reach = window.saturating_sub(1).saturating_mul(dilation);
        let (count, before) = if same {
            let count = size.div_ceil(stride);
            let covered =
                count.saturating_sub(1).saturating_mul(stride).saturating_add(reach).saturating_add(1);
            (count, covered.saturating_sub(size) / 2)
        } else {
            (size.saturating_sub(reach).div_ceil(stride), 0)
        };
        Slide { size, count, window, stride, dilation, before }
    }

    /// Which of a window's positions are inside the axis.
    fn inside(&self, window: usize) -> Range<usize> {
        let start = window.saturating_mul(self.stride);
        let first = self.before.saturating_sub(start).div_ceil(self.dilation);
        let behind = self.size.saturating_add(self.before).saturating_sub(start).div_ceil(self.dilation);
        first..behind.min(self.window).max(first)
    }

    /// The windows, and where a window's position is on the axis.
    fn place(&self, window: usize, position: usize) -> usize {
        (window * self.stride + position * self.dilation).saturating_sub(self.before)
    }
}

/// Three axes with windows.
fn slides(
    shape: &[usize],
    window: impl Iterator<Item = usize>,
    strides: &[u32],
    dilation: &[u32],
    same: bool,
) -> [Slide; 3] {
    let mut slides = [Slide::ONE; 3];
    let axes = shape.len().saturating_sub(2).min(3);
    for (axis, window) in window.take(axes).enumerate() {
        let slide = Slide::new(shape[axis + 1], window, strides[axis], dilation[axis], same);
        slides[3 - axes + axis] = slide;
    }
    slides
}

/// Every window of every example, in order.
fn windows(batch: usize, slides: [Slide; 3]) -> impl Iterator<Item = (usize, [usize; 3])> {
    let [a, b, c] = slides.map(|slide| slide.count);
    (0..batch).flat_map(move |example| {
        (0..a).flat_map(move |a| (0..b).flat_map(move |b| (0..c).map(move |c| (example, [a, b, c]))))
    })
}

/// The positions of one window that are inside: their number in the window and in the example, in order.
fn positions(slides: [Slide; 3], window: [usize; 3]) -> impl Iterator<Item = (usize, usize)> {
    let [a, b, c] = slides;
    let [i, j, k] = window;
    a.inside(i).flat_map(move |p| {
        b.inside(j).flat_map(move |q| {
            c.inside(k).map(move |r| {
                let inside = (p * b.window + q) * c.window + r;
                (inside, (a.place(i, p) * b.size + b.place(j, q)) * c.size + c.place(k, r))
            })
        })
    })
}

/// The shape of the results.
fn shape(x: &[usize], slides: &[Slide; 3], channels: usize) -> Vec<usize> {
    let axes = x.len() - 2;
    let counts = slides[3 - axes..].iter().map(|slide| slide.count);
    [x[0]].into_iter().chain(counts).chain([channels]).collect()
}

fn conv<T: Element + Copy>(
    op: &Window,
    x: &Rows<'_, T>,
    kernel: &Rows<'_, T>,
    zero: T,
    mul_add: impl Fn(T, T, T) -> T,
) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<T>>,
{
    let Window::Conv { strides, dilation, groups, same } = op else { return Err(OpFailure::Given) };
    let [window @ .., depth, outputs] = kernel.shape else { return Err(OpFailure::Given) };
    let slides = slides(x.shape, window.iter().copied(), strides, dilation, *same);
    let (channels, depth, outputs) = (x.shape[x.shape.len() - 1], *depth, *outputs);
    let each = outputs / (*groups as usize).max(1);
    let example: usize = slides.iter().map(|slide| slide.size).product();
    let shape = shape(x.shape, &slides, outputs);
    demand::<T>(&shape)?;
    let mut sums = vec![zero; outputs];
    let mut results = Vec::new();
    for (batch, window) in windows(x.shape[0], slides) {
        sums.fill(zero);
        for (inside, place) in positions(slides, window) {
            let row = &x.elements[(batch * example + place) * channels..][..channels];
            for (channel, &x) in row.iter().enumerate() {
                let group = channel / depth * each;
                let factors = (inside * depth + channel % depth) * outputs + group;
                let factors = &kernel.elements[factors..][..each];
                for (sum, &factor) in sums[group..][..each].iter_mut().zip(factors) {
                    *sum = mul_add(x, factor, *sum);
                }
            }
        }
        results.extend_from_slice(&sums);
    }
    Ok(collect(&shape, results)?.into())
}

/// The largest element or the mean of each window.
fn fold<T: Element + Copy + PartialOrd + Div<Output = T> + std::ops::Add<Output = T>>(
    op: &Window,
    x: &[usize],
    elements: &[T],
    lowest: T,
    zero: T,
    number: impl Fn(usize) -> T,
) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<T>>,
{
    let unordered = |x: T| x.partial_cmp(&x).is_none();
    let larger = |a: T, b: T| if unordered(b) || b > a { b } else { a };
    let mean = matches!(op, Window::WindowMean { .. } | Window::SpreadMean { .. });
    let (start, step): (T, &dyn Fn(T, T) -> T) = if mean { (zero, &|a, b| a + b) } else { (lowest, &larger) };
    let finish = |sum: T, count: usize| if mean { sum / number(count) } else { sum };
    let (window, strides, same) = match op {
        Window::WindowMax { window, strides, same } | Window::WindowMean { window, strides, same } => {
            (window, strides, *same)
        }
        Window::SpreadMax { axis, size } | Window::SpreadMean { axis, size } => {
            return spread(x, elements, *axis as usize, *size as usize, start, step, finish);
        }
        Window::Conv { .. } => return Err(OpFailure::Given),
    };
    let dilation = vec![1; window.len()];
    let slides = slides(x, window.iter().map(|&size| size as usize), strides, &dilation, same);
    let channels = x[x.len() - 1];
    let example: usize = slides.iter().map(|slide| slide.size).product();
    let shape = shape(x, &slides, channels);
    let results = windows(x[0], slides).flat_map(|(batch, window)| {
        let mut sums = vec![start; channels];
        let mut count = 0;
        for (_, place) in positions(slides, window) {
            let row = &elements[(batch * example + place) * channels..][..channels];
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum = step(*sum, x));
            count += 1;
        }
        sums.into_iter().map(|sum| finish(sum, count)).collect::<Vec<_>>()
    });
    Ok(collect(&shape, results)?.into())
}

/// Windows that cover an axis evenly.
fn spread<T: Element + Copy>(
    x: &[usize],
    elements: &[T],
    axis: usize,
    size: usize,
    start: T,
    step: impl Fn(T, T) -> T,
    finish: impl Fn(T, usize) -> T,
) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<T>>,
{
    let before: usize = x[..axis].iter().product();
    let behind: usize = x[axis + 1..].iter().product();
    let mut shape = x.to_vec();
    let length = std::mem::replace(&mut shape[axis], size);
    let places = (0..before).flat_map(|row| (0..size).map(move |window| (row, window)));
    let results = places.flat_map(|(row, window)| {
        let covered = window * length / size..((window + 1) * length).div_ceil(size);
        (0..behind).map(move |place| (row, covered.clone(), place))
    });
    let results = results.map(|(row, covered, place)| {
        let count = covered.len();
        let sum = covered.fold(start, |sum, at| step(sum, elements[(row * length + at) * behind + place]));
        finish(sum, count)
    });
    Ok(collect(&shape, results)?.into())
}
