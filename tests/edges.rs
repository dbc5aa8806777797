//! Data of any size, none included, with any masks: what holds of every batch that a caller may pass. What Keras says
//! at these edges stands in `golden/edges`; here are random batches, down to no rows and no steps at all.

use masque_runtime::{Outputs, Tensor};
use masque_tests::compare::bits;
use masque_tests::corpus::case;
use masque_tests::engines;
use masque_tests::stages::{KERAS, Stages};
use ndarray::{Array2, ArrayD, Axis, Ix4};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn model(name: &str) -> Stages {
    Stages::of(&case(name).model(), KERAS).unwrap()
}

fn run(stages: &Stages, ids: Array2<i32>) -> Outputs {
    let name = stages.planned.as_ref().unwrap().plan.value(0).name.clone();
    engines::plan(stages, &vec![(name, Tensor::I32(ids.into_dyn()))], 1).unwrap()
}

/// Batches of ids, padding among them: no rows to three, no steps to four.
fn batches() -> impl Strategy<Value = Array2<i32>> {
    (0..4usize, 0..5usize).prop_flat_map(|(rows, steps)| {
        let ids = prop::collection::vec(prop_oneof![Just(0), 1..6], rows * steps);
        ids.prop_map(move |ids| Array2::from_shape_vec((rows, steps), ids).unwrap())
    })
}

fn check(test: impl Fn(Array2<i32>) -> Result<(), TestCaseError>) {
    let config = Config { cases: 60, failure_persistence: None, ..Config::default() };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, random)
        .run(&batches(), test)
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// Every row of a batch has the bits of that row alone, however few rows and steps there are.
#[test]
fn rows_do_not_know_of_each_other() {
    for name in
        ["edges/attention-one-row", "edges/recurrent-one-row", "edges/lstm-one-row", "edges/rows-one-row"]
    {
        let stages = model(name);
        check(|batch| {
            let together = run(&stages, batch.clone());
            for (place, (output, tensor)) in together.outputs.iter().enumerate() {
                let Tensor::F32(array) = tensor else { panic!("{output} is no float") };
                prop_assert_eq!(array.len_of(Axis(0)), batch.nrows(), "{} {}", name, output);
                for row in 0..batch.nrows() {
                    let alone = run(&stages, batch.select(Axis(0), &[row]));
                    let expected = Tensor::F32(array.select(Axis(0), &[row]));
                    let found = bits(&alone.outputs[place].1);
                    prop_assert_eq!(found, bits(&expected), "{} {} row {}", name, output, row);
                }
            }
            Ok(())
        });
    }
}

/// The weights of attention under masks: a valid position gives 1 in all, to valid positions alone; one that sees
/// nothing gives nothing.
#[test]
fn weights_are_shared_among_the_valid() {
    let stages = model("edges/attention-one-row");
    check(|batch| {
        let outputs = run(&stages, batch.clone());
        let Some((_, Tensor::F32(scores))) = outputs.outputs.last() else { panic!("no scores") };
        let scores = scores.clone().into_dimensionality::<Ix4>().unwrap();
        for ((row, _, from, to), &weight) in scores.indexed_iter() {
            let seen = batch[[row, from]] != 0 && batch[[row, to]] != 0;
            prop_assert!(weight.is_finite() && weight >= 0.0 && (seen || weight == 0.0), "{weight}");
        }
        for ((row, _, from), sum) in scores.sum_axis(Axis(3)).indexed_iter() {
            let expected = f32::from(u8::from(batch[[row, from]] != 0));
            prop_assert!((sum - expected).abs() < 1e-5, "{sum} of row {row}, position {from} of {batch}");
        }
        Ok(())
    });
}

/// A recurrent layer stays in its initial state over nothing but padding, and over no steps at all.
#[test]
fn over_nothing_a_state_stays() {
    let stages = model("edges/lstm-one-row");
    check(|batch| {
        let outputs = run(&stages, batch.clone());
        let states = outputs.outputs[1..3].iter().map(|(_, state)| match state {
            Tensor::F32(state) => state.clone(),
            other => panic!("{other:?}"),
        });
        for state in states.collect::<Vec<ArrayD<f32>>>() {
            for (row, ids) in batch.rows().into_iter().enumerate() {
                let still = state.index_axis(Axis(0), row).iter().all(|&number| number == 0.0);
                prop_assert_eq!(still, ids.iter().all(|&id| id == 0), "row {} of {}", row, batch);
            }
        }
        Ok(())
    });
}
