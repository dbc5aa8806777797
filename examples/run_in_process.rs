//! Compile once, run often, in one process and without an executable: `cargo run --release --example run_in_process`

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::process::ExitCode;

use masque::session::{CompiledModel, RunOptions, State, Tensor};
use ndarray::Array2;

const REVIEWS: [&str; 3] =
    ["Not bad at all!", "Terrible.", "The story is charming, and I loved the ending. We will come back."];

fn main() -> ExitCode {
    masque_examples::finish(run())
}

fn run() -> Result<(), Box<dyn Error>> {
    let model = CompiledModel::open(masque_examples::sentiment("sentiment.keras"))?;
    for (_, input) in model.plan().input_values() {
        println!("the model reads {}: {}", input.name, input.ty);
    }

    // A session has the weights ready; it can run as often as you like, on several threads at once. What belongs to one
    // run, its memory above all, is in a state of your own.
    let session = model.session()?;
    let mut state = State::default();
    let mut scores = |reviews: &[&str]| -> Result<Vec<f32>, Box<dyn Error>> {
        let texts = Array2::from_shape_fn((reviews.len(), 1), |(row, _)| reviews[row].to_owned());
        let inputs = [("text", Tensor::from(texts.into_dyn()))];
        let answer = session.run(&mut state, &inputs, RunOptions::default())?;
        let scores = answer.outputs[0].1.as_f32().ok_or("the score is no f32")?;
        Ok(scores.iter().copied().collect())
    };

    let together = scores(&REVIEWS)?;
    for (review, score) in REVIEWS.iter().zip(&together) {
        let alone = scores(&[review])?[0];
        let same =
            if alone.to_bits() == score.to_bits() { "the same bits alone" } else { "other bits alone!" };
        println!("{score:.4}  {review} ({same})");
    }
    Ok(())
}
