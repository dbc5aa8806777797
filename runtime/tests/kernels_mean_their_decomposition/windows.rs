//! Convolutions and pooling.

use masque_ir::Type;
use masque_ir::ops::{Convolve, Op, Window};
use masque_runtime::TensorView;

use crate::case::{Case, compare};
use crate::random::Random;

/// Spatial sizes of which few windows have none, and most reach beyond an end.
struct Space {
    sizes: Vec<usize>,
    window: Vec<usize>,
    strides: Vec<u32>,
    dilation: Vec<u32>,
    same: bool,
}

impl Space {
    fn random(random: &mut Random) -> Space {
        let axes = 1 + random.below(3);
        let mut each = |bound: usize| (0..axes).map(|_| 1 + random.below(bound)).collect::<Vec<_>>();
        let (sizes, window) = (each(if axes == 1 { 40 } else { 9 }), each(4));
        let (strides, dilation) = (each(3), each(3));
        let numbers = |sizes: Vec<usize>| sizes.into_iter().map(|size| size as u32).collect();
        Space {
            sizes,
            window,
            strides: numbers(strides),
            dilation: numbers(dilation),
            same: random.once_in(2),
        }
    }

    fn shape(&self, random: &mut Random, channels: usize) -> Vec<usize> {
        [vec![random.below(4)], self.sizes.clone(), vec![channels]].concat()
    }
}

/// Can the operation be applied? Windows that are longer than the axis cannot.
fn fits(case: &Case) -> bool {
    let ty = |x: &masque_runtime::Tensor| {
        let view: TensorView<'_> = x.view();
        Type::new(view.dtype(), view.shape().iter().map(|&size| (size as i64).into()).collect::<Vec<_>>())
    };
    let types: Vec<Option<Type>> = case.operands.iter().map(|x| x.as_ref().map(|(x, _)| ty(x))).collect();
    case.op.infer(&types.iter().map(Option::as_ref).collect::<Vec<_>>()).is_ok()
}

fn random_layer(random: &mut Random) -> Case {
    loop {
        let space = Space::random(random);
        let groups = random.pick(&[1, 1, 1, 2, 3, 17]);
        let depth = random.pick(&[1, 1, 2, 5, 16]);
        let filters = groups * random.pick(&[1, 2, 5, 33]);
        let kernel = [space.window.clone(), vec![depth, filters]].concat();
        let shape = space.shape(random, groups * depth);
        let axes = space.sizes.len();
        let padded = !space.same && random.once_in(2);
        let mut zeros = |least: i64, count: usize| -> Vec<i64> {
            let mut zero = || if padded { least + random.below(count) as i64 } else { 0 };
            (0..axes).map(|_| zero()).collect()
        };
        let (low, high, spread) = (zeros(-1, 6), zeros(-1, 4), zeros(0, 3));
        let op: Op = match padded || random.once_in(2) {
            true => Convolve::Convolve {
                strides: space.strides,
                dilation: space.dilation,
                groups: groups as u32,
                same: space.same,
                low,
                high,
                spread: spread.into_iter().map(|zeros| zeros as u32).collect(),
                activation: random.activation(),
            }
            .into(),
            false => Window::Conv {
                strides: space.strides,
                dilation: space.dilation,
                groups: groups as u32,
                same: space.same,
            }
            .into(),
        };
        let is_layer = matches!(op, Op::Convolve(_));
        let x = random.floats(&shape);
        // A zero that is not there is never multiplied by infinity.
        let kernel = random.floats(&kernel).as_f32().unwrap().mapv(|x| if x.is_finite() { x } else { 0.5 });
        let mut case = Case::new(op).input(x).weight(random, kernel.into());
        if is_layer {
            case = case.maybe(random, |random| random.floats(&[filters]));
        }
        if fits(&case) {
            return case;
        }
    }
}

#[test]
fn convolutions() {
    compare("convolutions", random_layer);
}

#[test]
fn windows() {
    compare("windows", |random| {
        loop {
            let space = Space::random(random);
            let channels = random.size();
            let shape = space.shape(random, channels);
            let x = random.floats(&shape);
            let window: Vec<u32> = space.window.iter().map(|&size| size as u32).collect();
            let (axis, size) = (random.below(space.sizes.len() + 2) as u32, 1 + random.below(6) as u32);
            let (strides, same) = (space.strides, space.same);
            let op = random.pick(&[
                Window::WindowMax { window: window.clone(), strides: strides.clone(), same },
                Window::WindowMean { window, strides, same },
                Window::SpreadMax { axis, size },
                Window::SpreadMean { axis, size },
            ]);
            let case = Case::new(op).input(x);
            if fits(&case) {
                return case;
            }
        }
    });
}
