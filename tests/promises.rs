//! The same sentence gives the same bits, and what lies under a mask cannot be seen: for random sentences, on models
//! in which no padded position reaches an answer.

use masque_ir::dim::Bindings;
use masque_runtime::session::demand;
use masque_runtime::{Options, Outputs, Section, Session, State, Tensor};
use masque_tests::compare::bits;
use masque_tests::corpus::{Case, area, case};
use masque_tests::engines;
use masque_tests::stages::{KERAS, Stages};
use ndarray::{ArrayD, Axis, IxDyn, Slice};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// A sentence: ids of words, with gaps (0) perhaps, before it is padded.
type Sentence = Vec<i32>;

/// A golden model from ids to anything, read through an embedding with `mask_zero`.
struct Model {
    name: &'static str,
    stages: Stages,
    /// How many words there are, padding among them.
    words: i32,
    /// The length of the padded sentence, if the model fixes it.
    steps: Option<usize>,
}

/// GRU, LSTM, Bidirectional, GlobalAveragePooling1D; with a fixed number of steps and without.
const MODELS: [&str; 11] = [
    "seed/embedding-gru-dense",
    "seed/lstm-sequences",
    "seed/stacked-gru",
    "layers/bidirectional-kinds",
    "layers/bidirectional-last",
    "layers/bidirectional-sequences",
    "layers/bidirectional-stacked",
    "layers/gru-outputs",
    "layers/lstm-outputs",
    "layers/pooling",
    "layers/unknown-time",
];

fn model(name: &'static str) -> Model {
    let stages = Stages::of(&case(name).model(), KERAS).unwrap();
    let planned = stages.planned.as_ref().unwrap();
    let input = planned.plan.value(0);
    let steps = input.ty.shape[1].known().map(|steps| steps as usize);
    let words = stages.weights["embedding/embeddings"].shape()[0] as i32;
    Model { name, stages, words, steps }
}

impl Model {
    /// Sentences, some of them empty.
    fn sentences(&self) -> impl Strategy<Value = Vec<Sentence>> + use<> {
        let sentence = prop::collection::vec(0..self.words, 0..=self.steps.unwrap_or(7));
        prop::collection::vec(sentence, 1..5)
    }

    fn run(&self, batch: &[Sentence], steps: usize, threads: usize) -> Outputs {
        let mut ids = ArrayD::zeros(IxDyn(&[batch.len(), steps]));
        for (row, sentence) in batch.iter().enumerate() {
            for (step, &word) in sentence.iter().enumerate() {
                ids[[row, step]] = word;
            }
        }
        let name = self.stages.planned.as_ref().unwrap().plan.value(0).name.clone();
        engines::plan(&self.stages, &vec![(name, Tensor::I32(ids))], threads)
            .unwrap_or_else(|problem| panic!("{}: {problem}", self.name))
    }

    fn steps(&self, batch: &[Sentence]) -> usize {
        self.steps.unwrap_or_else(|| batch.iter().map(Vec::len).max().unwrap_or(0).max(1))
    }

    /// What every output says of one sentence of a batch, at its words.
    fn answer(&self, outputs: &Outputs, row: usize, words: usize, steps: usize) -> Vec<Vec<u64>> {
        let of_row = |(_, tensor): &(String, Tensor)| {
            let Tensor::F32(array) = tensor else { panic!("{}: an output that is no float", self.name) };
            let mut one = array.index_axis(Axis(0), row).to_owned();
            if one.ndim() > 1 && one.len_of(Axis(0)) == steps {
                one = one.slice_axis(Axis(0), Slice::from(..words)).to_owned();
            }
            bits(&Tensor::F32(one))
        };
        outputs.outputs.iter().map(of_row).collect()
    }

    /// The answers to all sentences of a batch.
    fn answers(&self, batch: &[Sentence], steps: usize, threads: usize) -> Vec<Vec<Vec<u64>>> {
        let outputs = self.run(batch, steps, threads);
        batch
            .iter()
            .enumerate()
            .map(|(row, sentence)| self.answer(&outputs, row, sentence.len(), steps))
            .collect()
    }
}

/// A few random cases, the same every time.
fn check<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
    test: impl Fn(T) -> Result<(), TestCaseError>,
) {
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(
        config,
        prop::test_runner::TestRng::deterministic_rng(prop::test_runner::RngAlgorithm::ChaCha),
    );
    runner.run(&strategy, test).unwrap_or_else(|failure| panic!("{failure}"));
}

fn for_every_model(test: impl Fn(&Model, Vec<Sentence>) -> Result<(), TestCaseError>) {
    for model in MODELS.map(model) {
        check(model.sentences(), |batch| {
            test(&model, batch).map_err(|failure| match failure {
                TestCaseError::Fail(reason) => TestCaseError::fail(format!("{}: {reason}", model.name)),
                other => other,
            })
        });
    }
}

#[test]
fn a_sentence_alone_gives_the_bits_of_a_batch() {
    for_every_model(|model, batch| {
        let together = model.answers(&batch, model.steps(&batch), 1);
        for (sentence, expected) in batch.iter().zip(together) {
            let alone = std::slice::from_ref(sentence);
            prop_assert_eq!(
                &model.answers(alone, model.steps(alone), 1)[0],
                &expected,
                "{:?} alone",
                sentence
            );
        }
        Ok(())
    });
}

#[test]
fn the_order_of_a_batch_does_not_matter() {
    for_every_model(|model, batch| {
        let steps = model.steps(&batch);
        let mut expected = model.answers(&batch, steps, 1);
        expected.reverse();
        let reversed: Vec<Sentence> = batch.into_iter().rev().collect();
        prop_assert_eq!(model.answers(&reversed, steps, 1), expected);
        Ok(())
    });
}

#[test]
fn padding_further_changes_nothing() {
    let mut tried = 0;
    for model in MODELS.map(model).into_iter().filter(|model| model.steps.is_none()) {
        tried += 1;
        check((model.sentences(), 1..9_usize), |(batch, more)| {
            let steps = model.steps(&batch);
            let expected = model.answers(&batch, steps, 1);
            prop_assert_eq!(
                model.answers(&batch, steps + more, 1),
                expected,
                "{} padded by {}",
                model.name,
                more
            );
            Ok(())
        });
    }
    assert!(tried > 0, "no model leaves the number of steps open");
}

#[test]
fn the_number_of_threads_does_not_matter() {
    for_every_model(|model, batch| {
        // Enough rows for two threads to share.
        let batch: Vec<Sentence> = batch.iter().cycle().take(40).cloned().collect();
        let steps = model.steps(&batch);
        prop_assert_eq!(model.answers(&batch, steps, 2), model.answers(&batch, steps, 1));
        Ok(())
    });
}

/// Numbers that nobody would want to meet.
fn anything() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(f32::NAN),
        Just(f32::INFINITY),
        Just(f32::NEG_INFINITY),
        Just(f32::MAX),
        Just(-0.0),
        any::<f32>(),
    ]
}

/// A model that gets its mask from outside shows nothing of what is under it, NaN included.
#[test]
fn what_lies_under_a_mask_cannot_be_seen() {
    let stages = Stages::of(&case("layers/mask-as-input").model(), KERAS).unwrap();
    let (steps, features) = (4, 3);
    let numbers = |strategy| prop::collection::vec(strategy, steps * features);
    let masks = prop::collection::vec(any::<bool>(), steps);
    let run = |x: Vec<f32>, mask: &[bool]| {
        let x = ArrayD::from_shape_vec(IxDyn(&[1, steps, features]), x).unwrap();
        let mask = ArrayD::from_shape_vec(IxDyn(&[1, steps]), mask.to_vec()).unwrap();
        let inputs = vec![("x".to_owned(), Tensor::F32(x)), ("mask".to_owned(), Tensor::Bool(mask))];
        engines::plan(&stages, &inputs, 1).unwrap().outputs
    };
    check((numbers((-2.0..2.0_f32).boxed()), numbers(anything().boxed()), masks), |(x, hidden, mask)| {
        let place = |(at, (&seen, &hidden))| if mask[at / features] { seen } else { hidden };
        let poisoned = x.iter().zip(&hidden).enumerate().map(place).collect();
        let (clean, found) = (run(x.clone(), &mask), run(poisoned, &mask));
        for ((name, clean), (_, found)) in clean.iter().zip(&found) {
            prop_assert_eq!(bits(clean), bits(found), "{} under {:?}", name, &mask);
        }
        Ok(())
    });
}

/// A step is masked if it equals the mask value: the other zero is equal to it, and as invisible.
#[test]
fn a_masked_step_may_be_either_zero() {
    let stages = Stages::of(&case("seed/masking-lstm32").model(), KERAS).unwrap();
    let (steps, features) = (10, 8);
    let run =
        |x: ArrayD<f32>| engines::plan(&stages, &vec![("x".to_owned(), Tensor::F32(x))], 1).unwrap().outputs;
    let numbers = prop::collection::vec(0.1..2.0_f32, steps * features);
    check((numbers, prop::collection::vec(any::<bool>(), steps)), |(numbers, mask)| {
        let filled = |zero: f32| {
            let mut x = ArrayD::from_shape_vec(IxDyn(&[1, steps, features]), numbers.clone()).unwrap();
            for (mut step, _) in x.axis_iter_mut(Axis(1)).zip(&mask).filter(|(_, masked)| **masked) {
                step.fill(zero);
            }
            x
        };
        let ((_, plus), (_, minus)) = (&run(filled(0.0))[0].clone(), &run(filled(-0.0))[0].clone());
        prop_assert_eq!(bits(plus), bits(minus));
        Ok(())
    });
}

/// The bytes that the values of a run take, beside those that its plan says are there at the same time; `None` where sizes are
/// not those of inputs.
fn memory(case: &Case) -> Option<(u64, u64)> {
    let planned = Stages::of(&case.model(), KERAS).ok()?.planned?;
    let inputs = case.inputs(&planned.plan);
    let mut sizes = Bindings::new();
    for (_, value) in planned.plan.input_values() {
        let (_, tensor) = inputs.iter().find(|(name, _)| *name == value.name)?;
        for (size, found) in value.ty.shape.iter().zip(tensor.shape()) {
            size.as_symbol().map(|symbol| sizes.insert(symbol.clone(), *found as i64));
        }
    }
    let demand: Vec<i64> = demand(&planned.plan).iter().map(|sum| sum.eval(&sizes)).collect::<Option<_>>()?;
    let session = Session::new(planned.plan.clone(), Section::copy(&planned.section())).ok()?;
    let mut state = State::default();
    session.run(&mut state, &inputs, Options::default()).ok()?;
    Some((state.peak_bytes(), demand.into_iter().max().unwrap_or(0) as u64))
}

/// Each value begins at a line of 64 bytes, which is much beside values as small as these.
#[test]
fn a_run_takes_as_much_memory_as_its_values() {
    let mut compared = 0;
    for case in ["seed", "recurrent", "attention", "wide"].into_iter().flat_map(area) {
        let Some((taken, demand)) = memory(&case) else { continue };
        let most = demand + demand * 3 / 10 + 64 * 8;
        assert!((demand..=most).contains(&taken), "{}: {taken} bytes for {demand}", case.name);
        compared += 1;
    }
    assert!(compared > 50, "{compared} models were compared");
}

/// The bits of the golden answers, with the epoch that they belong to, in a file.
#[test]
fn the_epoch_goes_up_when_a_bit_changes() {
    let mut sum = crc32fast::Hasher::new();
    for case in ["seed", "attention", "recurrent"].into_iter().flat_map(area) {
        let stages = Stages::of(&case.model(), KERAS).unwrap();
        let Some(inputs) = stages.planned.as_ref().map(|planned| case.inputs(&planned.plan)) else {
            continue;
        };
        let Ok(outputs) = engines::plan(&stages, &inputs, 1) else { continue };
        outputs.outputs.iter().for_each(|(_, tensor)| sum.update(&masque_runtime::npy::write(tensor)));
    }
    let found = format!("{} {:08x}\n", masque_runtime::NUMERICS, sum.finalize());
    let file = masque_tests::root().join("tests/golden/numerics.txt");
    if std::env::var_os("MASQUE_BLESS").is_some() {
        return std::fs::write(file, found).unwrap();
    }
    let known = std::fs::read_to_string(file).unwrap();
    assert_eq!(
        known, found,
        "an answer has other bits: raise masque_runtime::NUMERICS; MASQUE_BLESS=1 accepts the new ones"
    );
}
