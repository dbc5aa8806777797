//! The ways to run a compiled model, from the slow one that says what it means to the one that ships.
//!
//! | engine | what it adds |
//! |---|---|
//! | `lowered` | the meaning of what lowering built |
//! | `optimized` | the same after rewriting |
//! | `one thread` | the plan, and the kernels |
//! | `two threads` | the same bits |
//! | `from a file` | the container; the same bits |

use masque_ir::program::Program;
use masque_runtime::io::Named;
use masque_runtime::{Bundle, Options, Outputs, RunError, Section, Session, State, reference};

use crate::compare::cast;
use crate::stages::Stages;

/// A way to run a compiled model.
pub struct Engine {
    /// Its name.
    pub name: &'static str,
    /// Does it owe the same bits as the engine before it, and not only numbers that are near enough?
    pub same_bits: bool,
    /// Runs a model on inputs; why it could not, otherwise.
    pub run: fn(&Stages, &Named) -> Result<Outputs, String>,
}

/// Every engine, in the order of the module's table.
pub const ENGINES: [Engine; 5] = [
    Engine {
        name: "lowered",
        same_bits: false,
        run: |stages, inputs| interpret(stages, &stages.lowered, inputs),
    },
    Engine {
        name: "optimized",
        same_bits: false,
        run: |stages, inputs| interpret(stages, &stages.optimized, inputs),
    },
    Engine { name: "one thread", same_bits: false, run: |stages, inputs| plan(stages, inputs, 1) },
    Engine { name: "two threads", same_bits: true, run: |stages, inputs| plan(stages, inputs, 2) },
    Engine { name: "from a file", same_bits: true, run: from_file },
];

/// Runs a program by its meaning.
fn interpret(stages: &Stages, program: &Program, inputs: &Named) -> Result<Outputs, String> {
    let inputs: Named = program
        .inputs()
        .filter_map(|(_, info)| {
            let (name, tensor) = inputs.iter().find(|(name, _)| *name == info.name)?;
            Some((name.clone(), cast(tensor, info.ty.dtype)))
        })
        .collect();
    let input = |name: &str| inputs.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor.view());
    let weight = |name: &str| stages.weights.get(name).map(masque_runtime::Tensor::view);
    let mut outputs = reference::run(program, &input, &weight).map_err(one_line)?;
    let mut masks = outputs.split_off(stages.outputs().min(outputs.len()));
    masks.retain(|(name, _)| program.states().all(|(_, state)| state.name != *name));
    Ok(Outputs { outputs, masks })
}

fn options(threads: usize) -> Options {
    Options { threads, masks: true, ..Options::default() }
}

/// Runs the plan.
///
/// # Errors
///
/// Why it could not.
pub fn plan(stages: &Stages, inputs: &Named, threads: usize) -> Result<Outputs, String> {
    let planned = stages.planned.as_ref().ok_or("the model came without weights")?;
    let section = planned.section();
    let session =
        Session::new(planned.plan.clone(), Section::copy(&section)).map_err(|error| error.to_string())?;
    session.run(&mut State::default(), inputs, options(threads)).map_err(one_line)
}

fn from_file(stages: &Stages, inputs: &Named) -> Result<Outputs, String> {
    let planned = stages.planned.as_ref().ok_or("the model came without weights")?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let file = folder.path().join("model.plan");
    planned.write_plan_file(&file).map_err(|error| error.to_string())?;
    let bundle = Bundle::open(&file).map_err(|error| error.to_string())?;
    if *bundle.plan() != planned.plan {
        return Err("the plan came back changed".into());
    }
    let session = Session::of(bundle.into()).map_err(|error| error.to_string())?;
    session.run(&mut State::default(), inputs, options(1)).map_err(one_line)
}

fn one_line(error: RunError) -> String {
    error.to_string()
}
