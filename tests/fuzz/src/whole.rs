//! What is done with an input that reads well: the whole way, as far as it goes without a search.

use masque::diagnostics::UnsupportedMask;
use masque::frontend::Descriptions;
use masque::{Model, Options, table};
use masque_ir::plan::{Plan, PlanValue};
use masque_ir::{DType, text};
use masque_runtime::Section;
use masque_runtime::Tensor;
use masque_runtime::session::{self, Session, State};
use ndarray::{ArrayD, IxDyn};

/// Advice is tried for models of at most so many calls.
const ADVISED: usize = 40;

/// Opens a model, infers its types and masks, finds what `masque check` does, loads its weights, lowers it; what it says on
/// the way is one line.
///
/// # Panics
///
/// If an error is more than a line, or a text does not read back: mistakes of masque's.
pub fn through_the_compiler(path: &str, bytes: &[u8]) {
    one_line(path, Model::from_bytes(path, bytes).and_then(compile));
}

/// What stands between descriptions and the model that is read with them.
const MODEL: &str = "masque 1 layers";

/// The same of a text that is descriptions of layers, and behind it a model.
///
/// # Panics
///
/// Those of [`through_the_compiler`].
pub fn with_descriptions(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (layers, model) = text.split_at(text.find(MODEL).unwrap_or(text.len()));
    let mut described = Descriptions::default();
    let read = described.add(layers.as_bytes());
    let fine = read.is_ok();
    one_line("", read);
    if fine {
        let path = "model.mq";
        one_line(path, Model::from_bytes_with(path, model.as_bytes(), &described).and_then(compile));
    }
}

fn one_line<E: std::fmt::Display>(path: &str, result: Result<(), E>) {
    if let Err(error) = result {
        let line = error.to_string();
        assert!(line.starts_with(path) && !line.contains(char::is_control), "not one line: {line:?}");
    }
}

fn compile(model: Model) -> Result<(), masque::Error> {
    reads_back(&text::print_layers(model.graph()));
    let mut inferred = model.infer()?;
    let findings = inferred.diagnostics(UnsupportedMask::Warn);
    assert!(findings.iter().all(|finding| !finding.labels.is_empty()), "a finding has a place");
    table::text(inferred.graph());
    let padding = inferred.padding()?;
    let mut findings = inferred.findings(UnsupportedMask::Error);
    findings.extend(inferred.leaks(&padding));
    if inferred.graph().graph.calls().len() <= ADVISED {
        inferred.advise(&mut findings);
    }
    inferred.load_weights()?;
    reads_back(&text::print_masks(inferred.graph()));
    let options =
        Options { on_unsupported_mask: UnsupportedMask::Drop, mask_outputs: true, ..Options::default() };
    let lowered = inferred.lower(options)?;
    reads_back(&text::print_program(lowered.program(), text::ProgramStage::Tensor));
    Ok(())
}

fn reads_back(printed: &str) {
    let document = text::parse(printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(document.to_string(), printed, "what was printed prints to itself");
}

/// Runs a plan once, in little memory: two examples, three of whatever is not known.
pub fn run(plan: &Plan, weights: &[u8]) {
    let Ok(session) = Session::new(plan.clone(), Section::copy(weights)) else { return };
    let inputs: Option<Vec<(&str, Tensor)>> =
        plan.input_values().map(|(_, input)| Some((input.name.as_str(), example(input)?))).collect();
    let options = session::Options { threads: 1, masks: true, memory: 8 << 20 };
    if let Some(inputs) = inputs {
        let _ = session.run(&mut State::default(), &inputs, options);
    }
}

/// Ones, of the input's type; `None` if they would be too many.
fn example(input: &PlanValue) -> Option<Tensor> {
    let size = |(axis, dim): (usize, &masque_ir::Dim)| {
        dim.known().map_or(Some(if axis == 0 { 2 } else { 3 }), |size| usize::try_from(size).ok())
    };
    let shape: Vec<usize> = input.ty.shape.iter().enumerate().map(size).collect::<Option<_>>()?;
    shape.iter().try_fold(1usize, |all, &size| all.checked_mul(size)).filter(|&all| all <= 1 << 16)?;
    let ones = ArrayD::from_elem(IxDyn(&shape), 1u8);
    Some(match input.ty.dtype {
        DType::F32 => Tensor::F32(ones.mapv(f32::from)),
        DType::F64 => Tensor::F64(ones.mapv(f64::from)),
        DType::I32 => Tensor::I32(ones.mapv(i32::from)),
        DType::I64 => Tensor::I64(ones.mapv(i64::from)),
        DType::Bool => Tensor::Bool(ones.mapv(|one| one == 1)),
        DType::Str => Tensor::Str(ones.mapv(|_| "a b".to_owned())),
    })
}
