//! What nobody sees of the padding is left out, and that is all that packing changes.

use masque::pack::pack;
use masque::plan::plan;
use masque_ir::ops::{Op, Rows};
use masque_ir::program::Program;
use masque_ir::text::{Document, parse};
use masque_tests::compare::bits;
use masque_tests::corpus::{self, Case};
use masque_tests::engines;
use masque_tests::stages::{KERAS, Stages};

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
    let whole = plan(&stages.optimized, stages.outputs(), &stages.weights, planned.plan.provenance.clone());
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
