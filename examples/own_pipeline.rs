//! Every stage of the compiler, printed: `cargo run --example own_pipeline -- MODEL`
//!
//! Each stage is a type of its own and can only be had from the one before it. Between any two of them your program
//! can look at what there is.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;

use masque::{Model, Options};
use masque_ir::text::{ProgramStage, print_layers, print_masks, print_plan, print_program};

fn main() -> ExitCode {
    masque_examples::finish(show())
}

fn show() -> Result<(), masque::Error> {
    let path =
        std::env::args_os().nth(1).map_or_else(|| masque_examples::sentiment("sentiment.keras"), Into::into);

    let model = Model::open(path)?;
    stage("What the file says", &print_layers(model.graph()));

    let mut inferred = model.infer()?;
    inferred.load_weights()?;
    stage("With types and masks", &print_masks(inferred.graph()));

    let lowered = inferred.lower(Options::default())?;
    stage("As operations on tensors", &print_program(lowered.program(), ProgramStage::Tensor));

    let optimized = lowered.optimize();
    stage("Rewritten", &print_program(optimized.program(), ProgramStage::Optimized));
    for (rule, times) in &optimized.report().applied {
        println!("rule {rule} applied {times} times");
    }

    let planned = optimized.plan()?;
    stage("What the runtime does", &print_plan(&planned.plan));
    println!("weights: {} bytes", planned.section().len());
    Ok(())
}

fn stage(title: &str, text: &str) {
    println!("=== {title} ===\n\n{text}");
}
