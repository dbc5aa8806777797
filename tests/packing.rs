//! What nobody sees of the padding is left out, and that is all that packing changes.

use masque::Padded;
use masque::pack::pack;
use masque::plan::{Growth, plan};
use masque_ir::ops::{Op, Rows};
use masque_ir::plan::Provenance;
use masque_ir::program::Program;
use masque_ir::text::{Document, parse};
use masque_ir::verify;
use masque_runtime::{Options, Section, Session, State, Tensor};
use masque_tests::compare::bits;
use masque_tests::corpus::{self, Case};
use masque_tests::engines;
use masque_tests::stages::{KERAS, Stages};
use proptest::prelude::*;
use proptest::test_runner::Config;

fn packs(program: &Program) -> usize {
    program.nodes.iter().filter(|node| matches!(node.op, Op::Rows(Rows::Pack))).count()
}

/// Does a case give the same bits with all rows computed? None if nothing of it is packed.
fn same_bits(case: &Case) -> Option<Result<(), String>> {
    let stages = Stages::of(&case.model(), KERAS).ok()?;
    let planned = stages.planned.as_ref().filter(|_| packs(&pack(&stages.optimized)) > 0)?;
    let inputs = case.inputs(&planned.plan);
    let run = |stages: &Stages| {
        let found = engines::plan(stages, &inputs, 1)?;
        Ok::<_, String>(found.outputs.iter().map(|(_, tensor)| bits(tensor)).collect::<Vec<_>>())
    };
    let provenance = planned.plan.provenance.clone();
    let whole = plan(&stages.optimized, stages.outputs(), &stages.weights, provenance, Growth::default());
    let packed = run(&stages);
    let whole = run(&Stages { planned: Some(whole.unwrap()), ..stages });
    Some(match packed == whole && packed.is_ok() {
        true => Ok(()),
        false => Err(format!("{}: packed {packed:?}, whole {whole:?}", case.name)),
    })
}

#[test]
fn leaving_rows_out_changes_no_bit() {
    let packed: Vec<Result<(), String>> = corpus::cases().iter().filter_map(same_bits).collect();
    assert!(packed.len() >= 10, "{} golden models are packed", packed.len());
    let wrong: Vec<String> = packed.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Ids and features joined, with a layer and a mean over time after it; `second` is the shape of the features.
fn joined(second: &str) -> Program {
    let text = format!(
        r#"masque 1 optimized
semantics keras-3.15
model "joined"

%ids = input : i32[B, T]
%more = input : f32{second}
@table = weight : f32[9, 4]
@kernel = weight : f32[8, 3]
%ids.mask = ne(%ids, 0:i32) : bool[B, T]
%emb = gather(@table, %ids) : f32[B, T, 4] mask %ids.mask
%both = concat(%emb, %more) {{axis = 2}} : f32[B, T, 8] mask %ids.mask
%dense = dense(%both, @kernel) {{activation = linear}} : f32[B, T, 3] mask %ids.mask
%mean = mean_over_time(%dense, mask = %ids.mask) {{keep = false}} : f32[B, 3]

return mean = %mean
"#
    );
    match parse(&text).unwrap() {
        Document::Program(_, program) => program,
        other => panic!("stage {}", other.stage()),
    }
}

/// Inputs of one length are packed before they are joined. Whether sizes of two names are the same is found out by the
/// operation that joins them, which therefore stays whole.
#[test]
fn what_joins_sizes_of_two_names_stays_whole() {
    let whole = |program: &Program, name: &str| {
        let mut results = program.nodes.iter().flat_map(|node| &node.results);
        results.any(|result| result.name == name && result.ty.to_string().contains("[B, T,"))
    };
    let one = joined("[B, T, 4]");
    assert!(!whole(&pack(&one), "both") && packs(&pack(&one)) == 2);
    assert!(whole(&pack(&joined("[B, T2, 4]")), "both"));
}

/// Layers over sequences of three numbers; weights are called by their layer.
fn over_time(layers: &str) -> Program {
    let options = |backwards: bool, sequences: bool, zero_masked: bool| {
        format!(
            "{{options = {{activation = tanh, backwards = {backwards}, in_order = {backwards}, sequences = {sequences}, \
             states = false, zero_masked = {zero_masked}}}, recurrent_activation = sigmoid"
        )
    };
    let layers = layers
        .replace("FORWARDS", &options(false, true, false))
        .replace("BACKWARDS", &options(true, true, true))
        .replace("LAST", &options(false, false, false));
    let text = format!(
        r#"masque 1 optimized
semantics keras-3.15
model "over time"

%x = input : f32[B, T, 3]
%mask = input : bool[B, T]
@w = weight : f32[3, 12]
@r = weight : f32[3, 12]
@w3 = weight : f32[3, 9]
@k = weight : f32[3, 3]
@b = weight : f32[3]
@e = weight : f32[6, 3]
%start = mul(%x, 0.5:f32) : f32[B, T, 3] mask %mask
{layers}
"#
    );
    match parse(&text).unwrap() {
        Document::Program(_, program) => program,
        other => panic!("stage {}", other.stage()),
    }
}

/// Layers, and how often rows are looked for: for the rows of the mask alone, or for runs as well.
const OVER_TIME: [(&str, &[&str]); 7] = [
    // Padded positions are seen, and are the same along a run.
    (
        r"%f = lstm(%start, @w, @r, mask = %mask) FORWARDS} : f32[B, T, 3] mask %mask
%g = lstm(%start, @w, @r, mask = %mask) BACKWARDS} : f32[B, T, 3] mask %mask
%both = concat(%f, %g) {axis = 2} : f32[B, T, 6] mask %mask
%y = dense(%both, @e, bias = @b) {activation = {softmax = {axis = -1}}} : f32[B, T, 3] mask %mask
return y = %y",
        &["runs"],
    ),
    // Nobody sees them.
    (
        r"%f = lstm(%start, @w, @r, mask = %mask) FORWARDS} : f32[B, T, 3] mask %mask
%y = lstm(%f, @w, @r, mask = %mask) LAST} : f32[B, 3]
return y = %y",
        &["places"],
    ),
    // A layer alone reads and writes what is whole.
    (
        r"%y = lstm(%start, @w, @r, mask = %mask) FORWARDS} : f32[B, T, 3] mask %mask
return y = %y",
        &[],
    ),
    // What is added differs from position to position, and is seen.
    (
        r"%f = lstm(%start, @w, @r, mask = %mask) FORWARDS} : f32[B, T, 3] mask %mask
%sum = add(%f, %x) : f32[B, T, 3] mask %mask
%y = dense(%sum, @k) {activation = linear} : f32[B, T, 3] mask %mask
return y = %y",
        &[],
    ),
    // The first layers are not seen, the last is.
    (
        r"%f = gru(%start, @w3, @w3, mask = %mask) FORWARDS, reset_after = false} : f32[B, T, 3] mask %mask
%sum = add(%f, %x) : f32[B, T, 3] mask %mask
%d = dense(%sum, @k) {activation = linear} : f32[B, T, 3] mask %mask
%g = lstm(%d, @w, @r, mask = %mask) BACKWARDS} : f32[B, T, 3] mask %mask
%y = dense(%g, @k, bias = @b) {activation = sigmoid} : f32[B, T, 3] mask %mask
return y = %y",
        &["runs"],
    ),
    // A mask is made of rows, and attached to what stays whole.
    (
        r"%f = lstm(%start, @w, @r, mask = %mask) FORWARDS} : f32[B, T, 3] mask %mask
%g = lstm(%start, @w, @r, mask = %mask) BACKWARDS} : f32[B, T, 3] mask %mask
%both = mul(%f, %g) : f32[B, T, 3] mask %mask
%differs = ne(%both, 0.0:f32) : bool[B, T, 3]
%some = any(%differs) {axes = [2], keep = false} : bool[B, T]
%where = reshape(%some) {shape = [B, T, 1]} : bool[B, T, 1]
%y = select(%where, %both, 0.0:f32) : f32[B, T, 3] mask %some
return y = %y",
        &["places"],
    ),
    // Attention is among the rows of the mask, and what is seen behind it stays whole.
    (
        r"%h = reshape(%start) {shape = [B, T, 1, 3]} : f32[B, T, 1, 3] mask %mask
%a = attention(%h, %h, %h, queries = %mask, keys = %mask) {scale = 1, causal = false, within = null, blind = nothing} : f32[B, T, 1, 3]
%rows = reshape(%a) {shape = [B, T, 3]} : f32[B, T, 3] mask %mask
%y = lstm(%rows, @w, @r, mask = %mask) FORWARDS} : f32[B, T, 3] mask %mask
return y = %y",
        &["places"],
    ),
];

/// What says where the rows of a packed program are.
fn sets(program: &Program) -> Vec<&str> {
    let ops = program.nodes.iter().map(|node| node.op.info().mnemonic);
    ops.filter(|mnemonic| ["places", "runs"].contains(mnemonic)).collect()
}

#[test]
fn recurrent_layers_are_packed_where_it_saves_work() {
    for (layers, expected) in OVER_TIME {
        let program = over_time(layers);
        let packed = pack(&program);
        assert_eq!(sets(&packed), expected, "{layers}");
        assert!(verify::program(&packed).is_ok(), "{layers}");
    }
}

/// Numbers that look random, the same every time.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// The outputs of a program, as bits.
fn outputs(program: &Program, mask: &ndarray::Array2<bool>, threads: usize) -> Vec<Vec<u64>> {
    let tensor = |shape: &[usize], seed| {
        let numbers = noise(shape.iter().product(), seed);
        Tensor::F32(ndarray::ArrayD::from_shape_vec(shape, numbers).unwrap())
    };
    let weights = program.weights().enumerate().map(|(seed, (_, info))| {
        let sizes: Vec<usize> = info.ty.shape.iter().map(|size| size.known().unwrap() as usize).collect();
        (info.name.clone(), tensor(&sizes, seed as u32))
    });
    let planned = plan(program, 1, &weights.collect(), Provenance::default(), Growth::default()).unwrap();
    let session = Session::new(planned.plan.clone(), Section::copy(&planned.section())).unwrap();
    let x = tensor(&[mask.nrows(), mask.ncols(), 3], 99);
    let inputs = [("x", x), ("mask", Tensor::Bool(mask.clone().into_dyn()))];
    let options = Options { threads, ..Options::default() };
    let found = session.run(&mut State::default(), &inputs, options).unwrap();
    found.outputs.iter().map(|(_, tensor)| bits(tensor)).collect()
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    /// Gaps, rows without a valid position, one row, none, and no padding at all.
    #[test]
    fn packed_and_whole_programs_agree_under_any_mask(
        rows in 0..5_usize,
        steps in 1..9_usize,
        valid in prop::collection::vec(prop::sample::select(vec![true, true, false]), 40),
        all in prop::bool::weighted(0.1),
    ) {
        let mask = ndarray::Array2::from_shape_fn((rows, steps), |(row, step)| all || valid[row * 8 + step % 8]);
        for (layers, _) in OVER_TIME {
            let program = over_time(layers);
            let whole = outputs(&program, &mask, 1);
            for threads in [1, 2] {
                prop_assert_eq!(&outputs(&pack(&program), &mask, threads), &whole, "{}", layers);
            }
        }
    }
}

/// Which examples have a valid position under every mask: of others it is not promised that padding is left out unseen,
/// as attention that sees nothing weighs what is padded.
fn has_valid(masks: &[(String, Tensor)], example: usize) -> bool {
    masks.iter().all(|(_, mask)| match mask {
        Tensor::Bool(mask) if mask.ndim() > 0 && example < mask.shape()[0] => {
            mask.index_axis(ndarray::Axis(0), example).iter().any(|&valid| valid)
        }
        _ => true,
    })
}

/// Outputs of a case that are zero where their masks are false. None if no output has a mask; otherwise what is wrong.
fn zero_outside(case: &Case) -> Option<Result<(), String>> {
    let keep = Stages::of(&case.model(), KERAS).ok()?;
    let planned = keep.planned.as_ref().filter(|_| keep.output_masks.iter().any(Option::is_some))?;
    let inputs = case.inputs(&planned.plan);
    let zero = Stages::of(&case.model(), masque::Options { padded: Padded::Zero, ..KERAS }).unwrap();
    let run = |stages: &Stages| engines::plan(stages, &inputs, 1);
    let (Ok(kept), Ok(zeroed)) = (run(&keep), run(&zero)) else {
        return Some(Err(format!("{}: does not run", case.name)));
    };
    let wrong = |output: usize| {
        let [(name, kept_output), (_, zeroed_output)] = [&kept, &zeroed].map(|found| &found.outputs[output]);
        let (before, after) = (bits(kept_output), bits(zeroed_output));
        let mask = keep.output_masks[output].as_ref();
        let mask = mask.and_then(|key| kept.masks.iter().find(|(name, _)| name == key)).map(|(_, mask)| mask);
        let expected = match mask {
            Some(Tensor::Bool(mask)) if kept_output.shape().starts_with(mask.shape()) => {
                let width = before.len() / mask.len().max(1);
                let valid = mask.iter().flat_map(|&valid| std::iter::repeat_n(valid, width));
                before.iter().zip(valid).map(|(&bits, valid)| if valid { bits } else { 0 }).collect()
            }
            _ => before,
        };
        let batch = kept_output.shape().first().copied().unwrap_or(1).max(1);
        let size = (expected.len() / batch).max(1);
        let same = |example: usize| after[example * size..][..size] == expected[example * size..][..size];
        let mut tried = (0..expected.len() / size).filter(|&example| has_valid(&kept.masks, example));
        let all = after.len() == expected.len() && tried.all(same);
        (!all).then(|| format!("{}: {name}", case.name))
    };
    let wrong: Vec<String> = (0..kept.outputs.len()).filter_map(wrong).collect();
    Some(if wrong.is_empty() { Ok(()) } else { Err(wrong.join(", ")) })
}

#[test]
fn outputs_may_be_zero_where_their_masks_are_false() {
    let tried: Vec<Result<(), String>> = corpus::cases().iter().filter_map(zero_outside).collect();
    assert!(tried.len() >= 100, "{} golden models have outputs with masks", tried.len());
    let wrong: Vec<String> = tried.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
