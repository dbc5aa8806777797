//! One file for each command, and what several of them do.

pub(crate) mod bench;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod diff;
pub(crate) mod documents;
pub(crate) mod dump;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod layers;
pub(crate) mod masks;
pub(crate) mod run;
pub(crate) mod summary;
pub(crate) mod verify;

use std::io::Write;
use std::path::Path;

use masque::plan::Products;
use masque::session::{self, CompiledModel, Outputs, Progress, RunOptions, SessionError, Tensor};
use masque::{Inferred, Model, OpenOptions, Options};
use masque_ir::plan::Plan;
use masque_runtime::io::{self, Place, Reading, Targets};
use masque_runtime::session::demand;

use crate::args::Common;
use crate::report::{Failure, Terminal};

/// Reads a model, and says what is not computed as its file asks for.
fn open(path: &Path, common: &Common, terminal: &Terminal) -> Result<Model, Failure> {
    let options = OpenOptions {
        weights: common.weights.clone(),
        semantics: common.semantics,
        opaque: common.opaque.clone(),
        layers: common.layers.clone(),
        ..OpenOptions::default()
    };
    let model = Model::open_with(path, &options)?;
    for (policy, layers) in model.narrow_policies() {
        let file = path.display();
        let from = if Model::is_quantized(policy) { " from dequantized weights" } else { "" };
        let text = format!(
            "{file}: computed in float32{from}, though its layers ask for {policy} ({layers} of them)"
        );
        terminal.inform(&masque_runtime::quote::one_line(&text));
    }
    Ok(model)
}

/// What is written, beside the files that the model is read from.
fn targets(model: &Path, common: &Common, force: bool) -> Targets {
    let mut targets = Targets::new(force);
    for file in masque::frontend::files(model, common.weights.as_deref()) {
        targets.read(file);
    }
    for file in &common.layers {
        targets.read(file.clone());
    }
    targets
}

/// Reads a model and infers its masks.
fn infer(model: &Path, common: &Common, terminal: &Terminal) -> Result<Inferred, Failure> {
    Ok(open(model, common, terminal)?.infer_masks(common.mask_source())?)
}

/// Says what is wrong with the masks. `None` if that keeps the model from being compiled; a model with layers that
/// nobody knows is refused.
fn accept(
    model: &Path,
    inferred: &Inferred,
    common: &Common,
    terminal: &Terminal,
) -> Result<Option<()>, Failure> {
    inferred.require_known()?;
    let mut findings = inferred.diagnostics(common.on_unsupported_mask.into());
    inferred.advise(&mut findings);
    terminal.findings(&model.display().to_string(), inferred.graph(), &findings);
    let more = inferred.findings(common.on_unsupported_mask.into()).len() - findings.len();
    if more > 0 {
        let warnings = check::counted(more, "warning");
        terminal.inform(&format!("{warnings}: `masque check {}` shows more", model.display()));
    }
    let refused = findings.iter().any(|finding| finding.severity == masque::diagnostics::Severity::Error);
    Ok((!refused).then_some(()))
}

/// Compiles as far as the plan, and says how it went to those who want to know. The command line says what masks that
/// are not supported do; what else is given out, the command that asks for it.
fn plan(
    inferred: Inferred,
    common: &Common,
    given: Options,
    terminal: &Terminal,
) -> Result<masque::Planned, Failure> {
    let options = Options { on_unsupported_mask: common.on_unsupported_mask.into(), ..given };
    let planned = session::compile(inferred, options, |progress| match progress {
        Progress::Lowered(lowered) => {
            terminal.tell(&format!("lowered to {} operations", lowered.program().nodes.len()));
        }
        Progress::Optimized(optimized) => {
            let report = optimized.report();
            terminal.tell(&format!("rewritten in {} iterations", report.iterations));
            for (rule, times) in &report.applied {
                terminal.tell(&format!("  {rule}: {times}"));
            }
        }
        _ => {}
    })?;
    tell_of_products(planned.products, terminal);
    tell_of_memory(&planned.plan, terminal);
    Ok(planned)
}

/// Says how much memory the values of a run take, for any sizes.
fn tell_of_memory(plan: &Plan, terminal: &Terminal) {
    let most: Vec<String> = demand(plan).iter().map(ToString::to_string).collect();
    match most.as_slice() {
        [] => {}
        [most] => terminal.tell(&format!("memory of values: {most} bytes")),
        several => terminal.tell(&format!("memory of values, the most of: {} bytes", several.join(", "))),
    }
}

/// Says which products of tables and kernels were stored, and which option would store the others.
fn tell_of_products(products: Products, terminal: &Terminal) {
    let Products { made, growth, left, left_growth } = products;
    let megabytes = |bytes: i64| bytes as f64 / 1e6;
    if made > 0 {
        let growth = megabytes(growth);
        terminal.tell(&format!("products of tables and kernels stored: {made}, {growth:+.1} MB of weights"));
    }
    if left > 0 {
        let (more, all) = (megabytes(left_growth), megabytes(growth.max(0) + left_growth).ceil());
        let option = format!("--fold-tables {all}");
        terminal
            .tell(&format!("products of tables and kernels left to runs: {left}, {more:+.1} MB ({option})"));
    }
}

/// Reads the inputs of a plan, and says what had to be guessed.
fn read(
    compiled: &CompiledModel,
    (input, reading): (&Place, Reading),
    terminal: &Terminal,
) -> Result<io::Examples, Failure> {
    if let Some(waits) = io::waits_for(input) {
        terminal.inform(waits);
    }
    let examples = io::read_examples(compiled.plan(), input, reading)?;
    if let Some(guess) = &examples.guess {
        terminal.note(guess);
    }
    Ok(examples)
}

/// Why a model does not run on its inputs; names the place where a number stands, if it is one.
fn unrun(error: SessionError, examples: &io::Examples, inputs: &[(String, Tensor)]) -> Failure {
    match &error {
        SessionError::Run { source, .. } => {
            examples.locate(inputs, source).map_or_else(|| error.into(), Failure::from)
        }
        SessionError::Prepare { .. } => error.into(),
    }
}

/// Runs a plan on the inputs at a place; errors name the model, or the place where a number stands.
fn execute(
    model: &Path,
    planned: masque::Planned,
    options: RunOptions,
    input: (&Place, Reading),
    terminal: &Terminal,
) -> Result<Outputs, Failure> {
    let compiled = CompiledModel::new(model.display().to_string(), planned);
    let examples = read(&compiled, input, terminal)?;
    let inputs = examples.tensors()?;
    compiled.run(&inputs, options).map_err(|error| unrun(error, &examples, &inputs))
}

/// Writes data to standard output. A reader that has gone away has read enough.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Other(error.to_string()))?;
    print(&format!("{text}\n"))
}
