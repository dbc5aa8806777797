//! Convolutions against a plain loop, bit for bit, and against everything that must not show.

use proptest::collection::vec;
use proptest::prelude::*;

use super::depthwise::depthwise_at;
use super::*;
use crate::activation::Activation;
use crate::testing::{Lcg, bits, levels, with_threads};
use crate::windows::plain::{axis, product, segments, taps};
use crate::windows::{Axis, Segment};

/// A convolution of a dense batch, with its numbers.
#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    axes: Vec<Axis>,
    groups: usize,
    /// Channels of a group.
    depth: usize,
    /// Filters of a group.
    each: usize,
    x: Vec<f32>,
    kernel: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new(batch: usize, axes: Vec<Axis>, [groups, depth, each]: [usize; 3]) -> Self {
        let mut lcg = Lcg::new((batch + 31 * groups + 97 * depth + 1009 * each) as u64);
        let (window, size) = (product(&axes, |axis| axis.window), product(&axes, |axis| axis.size));
        let x = lcg.floats(batch * size * groups * depth, 1.0);
        let (kernel, bias) =
            (lcg.floats(window * depth * groups * each, 1.0), lcg.floats(groups * each, 1.0));
        Self { batch, axes, groups, depth, each, x, kernel, bias }
    }

    fn layout(&self) -> Layout<'_> {
        Layout::Dense { batch: self.batch, axes: &self.axes }
    }

    fn filters(&self) -> usize {
        self.groups * self.each
    }

    fn channels(&self) -> usize {
        self.groups * self.depth
    }

    fn len(&self) -> usize {
        self.batch * product(&self.axes, |axis| axis.count) * self.filters()
    }

    /// The promised order, written down plainly.
    fn plain(&self, start: impl Fn(usize) -> f32) -> Vec<f32> {
        let sum = |place: usize| {
            let (row, filter) = (place / self.filters(), place % self.filters());
            let mut sum = start(place);
            for (tap, row) in taps(&self.axes, row) {
                for channel in 0..self.depth {
                    let x = self.x[row * self.channels() + filter / self.each * self.depth + channel];
                    sum = x.mul_add(self.kernel[(tap * self.depth + channel) * self.filters() + filter], sum);
                }
            }
            sum
        };
        (0..self.len()).map(sum).collect()
    }

    /// Runs the kernel, and the depthwise one too where it applies.
    fn run(&self, level: Level, layout: Layout<'_>, init: Init<'_>, steps: &[Step<'_>], out: &mut [f32]) {
        let Self { groups, depth, each, x, .. } = self;
        let mut other = out.to_vec();
        let packed = pack_kernel(&self.kernel, layout.taps(), *depth, self.filters(), *groups);
        let kernel = PackedKernel::new(&packed, layout.taps(), *depth, self.filters(), *groups);
        let kernel = kernel.expect("the packed length");
        conv_at(level, &Conv { layout, kernel, init, steps }, x, out);
        if *depth == 1 {
            let kernel = &pack_depthwise(&self.kernel, layout.taps(), *groups, *each);
            let conv = Depthwise { layout, kernel, channels: *groups, multiplier: *each, init, steps };
            depthwise_at(level, &conv, x, &mut other);
            assert_eq!(bits(&other), bits(out));
        }
    }

    fn at(&self, level: Level) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.len()];
        self.run(level, self.layout(), Init::Bias(&self.bias), &[], &mut out);
        out
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = prop_oneof![
        (Just(1), 0usize..20, 0usize..70),
        (2usize..4, 1usize..4, 1usize..20),
        (prop_oneof![1usize..9, Just(17), Just(40), Just(101)], Just(1), 1usize..4),
    ];
    (0usize..4, vec(axis(), 1..4), sizes)
        .prop_map(|(batch, axes, (groups, depth, each))| Case::new(batch, axes, [groups, depth, each]))
}

proptest! {
    // The plain loop is slow: where there is no instruction for it, a fused multiply-add is a call.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_element_is_summed_in_the_promised_order(case in cases()) {
        let before = Lcg::new(5).floats(case.len(), 1.0);
        let starts: [(Init<'_>, &dyn Fn(usize) -> f32); 3] = [
            (Init::Zero, &|_| 0.0),
            (Init::Bias(&case.bias), &|place| case.bias[place % case.filters()]),
            (Init::Accumulate, &|place| before[place]),
        ];
        for (init, start) in starts {
            let mut got = before.clone();
            case.run(level(), case.layout(), init, &[], &mut got);
            prop_assert_eq!(bits(&got), bits(&case.plain(start)));
        }
    }

    #[test]
    fn every_machine_gives_the_same_bits(case in cases()) {
        let want = bits(&case.at(level()));
        for level in levels() {
            prop_assert_eq!(bits(&case.at(level)), want.clone(), "{:?}", level);
        }
    }

    #[test]
    fn an_example_is_the_same_alone(case in cases()) {
        let all = case.at(level());
        let [input, output] = [&case.x, &all].map(|rows| rows.len() / case.batch.max(1));
        for example in 0..case.batch {
            let x = case.x[example * input..][..input].to_vec();
            let alone = Case { batch: 1, x, ..case.clone() };
            prop_assert_eq!(bits(&alone.at(level())), bits(&all[example * output..][..output]));
        }
    }

    #[test]
    fn a_packed_sequence_is_the_same_alone(
        axis in axis(),
        lengths in vec(0usize..12, 0..12),
        (groups, depth, each) in prop_oneof![(1usize..3, 0usize..9, 0usize..40), (Just(19), Just(1), 1usize..3)],
    ) {
        let (segments, [input, output]) = segments(axis, &lengths);
        let case = Case::new(1, vec![Axis { size: input, ..axis }], [groups, depth, each]);
        let (init, steps) = (Init::Accumulate, &[Step::Scale(0.5), Step::Activate(Activation::Softmax)]);
        let mut want = Lcg::new(7).floats(output * case.filters(), 1.0);
        let mut got = want.clone();
        for Segment { input, output } in &segments {
            let axis = Axis { size: input.len(), count: output.len(), ..axis };
            let x = case.x[input.start * case.channels()..input.end * case.channels()].to_vec();
            let alone = Case { axes: vec![axis], x, ..case.clone() };
            let out = &mut want[output.start * case.filters()..output.end * case.filters()];
            alone.run(level(), alone.layout(), init, steps, out);
        }
        let layout = Layout::Packed { segments: &segments, axis };
        case.run(level(), layout, init, steps, &mut got);
        prop_assert_eq!(bits(&got), bits(&want));
    }
}

#[test]
fn threads_do_not_show() {
    let same = |size, window| Axis::same(size, window, [1, 1]);
    for (batch, axes, sizes) in [
        (7, vec![same(210, 5)], [1, 40, 33]),
        (3, vec![same(31, 3), same(29, 3)], [2, 16, 24]),
        (9, vec![same(500, 7)], [130, 1, 1]),
        (5, vec![same(500, 7)], [50, 1, 2]),
        (2, vec![Axis::padded(300, 5, [1, 1, 2], [4, 0])], [1, 64, 48]),
    ] {
        let case = Case::new(batch, axes, sizes);
        let one = bits(&with_threads(1, || case.at(level())));
        for threads in [2, 3] {
            assert!(one == bits(&with_threads(threads, || case.at(level()))));
        }
    }
}

#[test]
fn rows_before_the_input_are_those_of_a_padded_input() {
    let case = Case::new(2, vec![Axis::padded(9, 3, [1, 2, 1], [4, 0])], [1, 5, 7]);
    let causal = case.at(level());
    let x = case.x.chunks(9 * 5).flat_map(|rows| [&[0.0; 4 * 5], rows].concat()).collect();
    let padded = Case { axes: vec![Axis::padded(13, 3, [1, 2, 1], [0, 0])], x, ..case };
    assert_eq!(bits(&causal), bits(&padded.at(level())));
}

#[test]
fn a_wrong_length_is_no_kernel() {
    assert!(PackedKernel::new(&[0.0; 2 * 3 * 32], 3, 2, 30, 1).is_some());
    assert!(PackedKernel::new(&[0.0; 2 * 3 * 32], 3, 2, 33, 1).is_none());
    assert!(PackedKernel::new(&[0.0; 2 * 3 * 32], 3, 2, 30, 2).is_some());
    assert!(PackedKernel::new(&[0.0; 2 * 3 * 32], 3, 2, 31, 2).is_none());
    assert!(PackedKernel::new(&[], 3, 2, 0, 0).is_none());
    assert!(PackedKernel::new(&[], usize::MAX, 2, usize::MAX, 3).is_none());
}
