//! Time grows with the program and no faster. What is counted is the search, which does not depend on the machine;
//! `cargo test -- --ignored --nocapture scaling` also prints seconds.

use std::time::Instant;

use masque::rewrite::{Limits, Report, optimize};
use masque_ir::activation::Activation;
use masque_ir::ops::{Activate, Dense, Elementwise};
use masque_ir::program::{Builder, Operand, Program};
use masque_ir::{DType, Dim, Semantics, Type};

/// Blocks of a dense layer, an activation and an addition, each on top of the one before.
fn residual(blocks: usize) -> Program {
    let mut builder = Builder::new("residual", Semantics::Keras3_15);
    let mut x = builder.input("x", Type::new(DType::F32, [Dim::batch(), 4.into()]));
    for block in 0..blocks {
        builder.set_scope(format!("block{block}"));
        let ty = Type::new(DType::F32, [Dim::constant(4), Dim::constant(4)]);
        let kernel = builder.weight(&format!("block{block}/kernel"), ty, None);
        let dense = Dense::Dense { activation: Activation::Linear };
        let dense = builder.emit(dense, &[x.clone(), kernel, Operand::Absent]).unwrap();
        let relu = builder.emit(Activate::Activate { f: Activation::RELU }, &[dense]).unwrap();
        x = builder.emit(Elementwise::Add, &[x, relu]).unwrap();
    }
    builder.output("output_0", x);
    builder.finish()
}

fn fused(blocks: usize) -> Report {
    let (program, report) = optimize(&residual(blocks), Limits::DEFAULT);
    assert_eq!(program.nodes.len(), 1 + 3 * blocks, "weight, dense, addition");
    assert_eq!(report.applied["dense-activation"], blocks);
    report
}

#[test]
fn a_longer_program_needs_no_more_iterations() {
    let (short, long) = (fused(10), fused(2_000));
    assert!(short.saturated && long.saturated);
    assert_eq!((short.rounds, short.iterations), (long.rounds, long.iterations));
}

#[test]
#[ignore = "takes seconds, and says how many"]
#[allow(clippy::print_stderr)]
fn scaling() {
    for nodes in [1_000, 10_000, 100_000] {
        let start = Instant::now();
        fused(nodes / 4);
        eprintln!("{nodes} nodes: {:.2} s", start.elapsed().as_secs_f64());
    }
}
