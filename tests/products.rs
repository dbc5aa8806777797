//! Products of tables and kernels are stored as far as weights may grow, and no answer depends on it.

use masque::pack::pack;
use masque::plan::{Growth, Planned, plan};
use masque_ir::plan::{PlanWeight, Provenance};
use masque_ir::program::Program;
use masque_ir::text::{Document, parse};
use masque_runtime::{Options, Section, Session, State, Tensor};
use masque_tests::compare::bits;
use masque_tests::corpus::{self, Case};
use masque_tests::engines;
use masque_tests::stages::{KERAS, Stages};
use ndarray::{Array2, arr2};

/// Is a case the same bits with all products of tables and kernels stored? None if it has none that are not anyway.
fn same_bits_of_products(case: &Case) -> Option<Result<(), String>> {
    let stages = Stages::of(&case.model(), KERAS).ok()?;
    let provenance = stages.planned.as_ref()?.plan.provenance.clone();
    let packed = pack(&stages.optimized);
    let [few, all] = [0, u64::MAX].map(|bytes| {
        plan(&packed, stages.outputs(), &stages.weights, provenance.clone(), Growth::Bytes(bytes)).unwrap()
    });
    if few.products == all.products {
        return None;
    }
    let size = |planned: &Planned| -> i64 {
        let elements = |weight: &PlanWeight| weight.shape.iter().product::<u64>() as i64;
        planned.plan.weights.iter().map(|weight| 4 * elements(weight)).sum()
    };
    // What is left of biases is not counted.
    let (told, grown) = (all.products.growth - few.products.growth, size(&all) - size(&few));
    let (made, inputs) = (all.products.made, case.inputs(&few.plan));
    let mut stages = stages;
    let mut run = |planned: Planned| {
        stages.planned = Some(planned);
        let found = engines::plan(&stages, &inputs, 1)?;
        Ok::<_, String>(found.outputs.iter().map(|(_, tensor)| bits(tensor)).collect::<Vec<_>>())
    };
    let [few, all] = [few, all].map(&mut run);
    Some(match few == all && few.is_ok() && (told - grown).abs() <= 4096 && all.is_ok() && made > 0 {
        true => Ok(()),
        false => Err(format!("{}: {told} bytes, in truth {grown}; {few:?}, stored {all:?}", case.name)),
    })
}

#[test]
fn stored_products_change_no_bit() {
    let stored: Vec<Result<(), String>> = corpus::cases().iter().filter_map(same_bits_of_products).collect();
    assert!(stored.len() >= 10, "{} golden models have products of tables", stored.len());
    let wrong: Vec<String> = stored.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One table read by several layers, two of which multiply by the same kernel and apply another function.
const SHARED: &str = r#"masque 1 packed
semantics keras-3.15
model "shared"

%ids = input : i32[B, T]
@table = weight : f32[9, 4]
@kernel = weight : f32[4, 3]
@bias = weight : f32[3]
@other = weight : f32[4, 2]
%rows = gather(@table, %ids) : f32[B, T, 4]
%plain = dense(%rows, @kernel, bias = @bias) {activation = linear} : f32[B, T, 3]
%bent = dense(%rows, @kernel, bias = @bias) {activation = tanh} : f32[B, T, 3]
%again = dense(%rows, @kernel, bias = @bias) {activation = tanh} : f32[B, T, 3]
%without = dense(%rows, @kernel) {activation = linear} : f32[B, T, 3]
%more = dense(%rows, @other) {activation = linear} : f32[B, T, 2]

return plain = %plain, bent = %bent, again = %again, without = %without, more = %more
"#;

fn shared() -> Program {
    match parse(SHARED).unwrap() {
        Document::Program(_, program) => program,
        other => panic!("stage {}", other.stage()),
    }
}

/// The plan, with weights that are no multiples of one another.
fn planned(program: &Program, growth: Growth) -> Planned {
    let weight = |rows: usize, columns: usize| {
        Array2::from_shape_fn((rows, columns), |(row, column)| ((7 * row + 5 * column) % 11) as f32 - 4.7)
    };
    let weights = program.weights().map(|(_, info)| {
        let sizes: Vec<usize> = info.ty.shape.iter().map(|size| size.known().unwrap() as usize).collect();
        let tensor = match sizes[..] {
            [rows, columns] => weight(rows, columns).into_dyn(),
            _ => weight(1, sizes[0]).row(0).to_owned().into_dyn(),
        };
        (info.name.clone(), Tensor::F32(tensor))
    });
    plan(program, program.outputs.len(), &weights.collect(), Provenance::default(), growth).unwrap()
}

#[test]
fn layers_that_share_a_table_have_products_of_their_own() {
    let program = shared();
    let [none, all] = [0, u64::MAX].map(|bytes| planned(&program, Growth::Bytes(bytes)));
    // Two of the layers have one product. The table and both kernels are read no more.
    assert_eq!((none.products.made, none.products.left), (0, 4));
    assert_eq!((all.products.made, all.products.left), (4, 0));
    assert_eq!(all.products.growth, 4 * (9 * (3 + 3 + 3 + 2) - 9 * 4 - 4 * 3 - 4 * 2));
    assert_eq!(all.plan.weights.len(), 4);
    let run = |planned: &Planned| {
        let session = Session::new(planned.plan.clone(), Section::copy(&planned.section())).unwrap();
        let ids = Tensor::I32(arr2(&[[0, 8, 3], [5, 5, 1]]).into_dyn());
        let ran = session.run(&mut State::default(), &[("ids", ids)], Options::default()).unwrap();
        ran.outputs.iter().map(|(_, tensor)| bits(tensor)).collect::<Vec<_>>()
    };
    let (computed, stored) = (run(&none), run(&all));
    assert_eq!(computed, stored);
    assert!(computed[0] != computed[1] && computed[1] == computed[2] && computed[0] != computed[3]);
}

/// A quarter of all weights that are read is what they may grow by if nothing is said.
#[test]
fn weights_grow_by_a_quarter_at_most() {
    let program = shared();
    let quarter = planned(&program, Growth::Quarter).products;
    let weights = 4 * (9 * 4 + 4 * 3 + 3 + 4 * 2);
    assert!(quarter.left_growth > weights / 4 && quarter.made == 0, "{quarter:?}");
    let [less, enough] = [1, 0].map(|less| {
        let bytes = (quarter.left_growth - less) as u64;
        planned(&program, Growth::Bytes(bytes)).products.made
    });
    assert_eq!((less, enough), (0, 4));
}
