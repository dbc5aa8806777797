//! Programs in the text form with what is expected of them: the files of `tests/programs/`, and the examples on the
//! pages that explain the codes of diagnostics.
//!
//! ```text
//! test masks
//!
//! ; A comment that is no directive is for people.
//! masque 1 layers
//! …
//! %embedding = Embedding(%ids) {input_dim = 6, mask_zero = true, output_dim = 3}
//! ; mask: ne(%ids, 0)
//! %flatten = Flatten(%embedding)
//! ; error: mask-unsupported
//! …
//! ; ---- expected
//! ```
//!
//! The header says what is done (`test`: the name of the file's folder) and how (`set on-unsupported-mask = warn`, `set loss = mse`); it is
//! grammar, so a typing error there is an error. Facts stand below the call that they are about: a comment whose first
//! word ends in a colon is a directive, and one that nobody knows is an error. `type:`, `mask:` and `status:` are checked
//! where they are written; **every** diagnostic has to be expected, so silence is asserted, too. What a program becomes
//! stands behind a line `; ---- expected`. `MASQUE_BLESS=1` writes facts and programs anew, and never diagnostics: a new
//! warning is a decision.

mod directives;

use std::path::Path;
use std::{env, fs};

use masque::diagnostics::render::render;
use masque::diagnostics::{Diagnostic, Severity};
use masque::evaluate::Objective;
use masque::{Inferred, Model, Options};
use masque_ir::text::{Document, ProgramStage, parse, print_plan, print_program};

use serde_json::Value as Json;

use directives::{Directive, Fixture};

/// The line behind which a program's expected form stands.
const EXPECTED: &str = "; ---- expected\n";

/// Runs a file whose folder is named after the test.
///
/// # Errors
///
/// Everything that is not as the file says.
pub fn check_file(file: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let fixture = Fixture::read(&text)?;
    let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    if fixture.test != folder {
        return Err(format!("`test {}` in the folder `{folder}`", fixture.test));
    }
    let found = run(&fixture)?;
    if found == text {
        return Ok(());
    }
    if env::var_os("MASQUE_BLESS").is_some() {
        return fs::write(file, found).map_err(|error| error.to_string());
    }
    let changes = masque::diff::lines(&text, &found);
    Err(format!("{}MASQUE_BLESS=1 accepts what was found", masque::diff::render(&changes, false)))
}

/// Runs an example of a page: a program with the diagnostics that it has.
///
/// # Errors
///
/// What is not as the example says.
pub fn check_example(test: &str, text: &str) -> Result<Vec<String>, String> {
    let fixture = Fixture::read(&format!("test {test}\n{text}"))?;
    run(&fixture)?;
    Ok(fixture.diagnostics().map(|(_, _, code)| code.to_owned()).collect())
}

/// The findings of a fixture or an example as people see them.
///
/// # Errors
///
/// Why the text is no model.
pub fn rendered(text: &str) -> Result<String, String> {
    let fixture = Fixture::read(text)?;
    let inferred = infer(&fixture)?;
    let mut findings = findings(&fixture, &inferred)?;
    inferred.advise(&mut findings);
    let shown = findings.iter().map(|finding| render("model.mq", inferred.graph(), finding, false));
    Ok(shown.collect::<Vec<_>>().join("\n\n"))
}

/// The fixture as it should be written, if its diagnostics are as expected.
fn run(fixture: &Fixture) -> Result<String, String> {
    let inferred = infer(fixture)?;
    diagnostics(fixture, &inferred)?;
    let body = fixture.blessed(|directive, call| fact(directive, &inferred, call))?;
    let expected = match fixture.test.as_str() {
        "masks" | "check" | "leaks" => None,
        "lower" => Some(print_program(lower(fixture, inferred)?.program(), ProgramStage::Tensor)),
        "optimize" => {
            Some(print_program(lower(fixture, inferred)?.optimize().program(), ProgramStage::Optimized))
        }
        "plan" => Some(plan(lower(fixture, inferred)?)?),
        other => {
            return Err(format!("`test {other}`: expected masks, check, leaks, lower, optimize or plan"));
        }
    };
    match expected {
        Some(expected) => Ok(format!("{body}{EXPECTED}{expected}")),
        None if fixture.expected.is_some() => Err(format!("`test {}` expects no program", fixture.test)),
        None => Ok(body),
    }
}

fn infer(fixture: &Fixture) -> Result<Inferred, String> {
    let Document::Layers(graph) = parse(&fixture.program).map_err(|error| error.to_string())? else {
        return Err("the program is not of stage layers".to_owned());
    };
    Model::of_graph(&graph).and_then(Model::infer).map_err(|error| error.to_string())
}

fn lower(fixture: &Fixture, inferred: Inferred) -> Result<masque::Lowered, String> {
    let options = Options { on_unsupported_mask: fixture.policy, ..Options::default() };
    inferred.lower(options).map_err(|error| error.to_string())
}

/// The plan for weights that are all zero.
fn plan(lowered: masque::Lowered) -> Result<String, String> {
    let optimized = lowered.optimize();
    let program = optimized.program();
    let zeros = |ty: &masque_ir::Type| -> Result<masque_runtime::Tensor, String> {
        let shape: Option<Vec<usize>> =
            ty.shape.iter().map(|dim| dim.known().and_then(|size| usize::try_from(size).ok())).collect();
        let shape = shape.ok_or_else(|| format!("a weight of type {ty}"))?;
        Ok(masque_runtime::Tensor::F32(ndarray::ArrayD::zeros(shape)))
    };
    let weights = program.weights().map(|(_, info)| Ok((info.name.clone(), zeros(&info.ty)?)));
    let weights = weights.collect::<Result<_, String>>()?;
    let planned =
        masque::plan::plan(program, program.outputs.len(), &weights, Default::default(), Default::default())
            .map_err(|error| error.to_string())?;
    Ok(print_plan(&planned.plan))
}

/// What is found; leaks of padding are looked for in `test leaks`.
fn findings(fixture: &Fixture, inferred: &Inferred) -> Result<Vec<Diagnostic>, String> {
    let mut findings = inferred.findings(fixture.policy);
    if let Some(loss) = &fixture.loss {
        let objective = Objective::new(&loss.as_str().into(), &Json::Null, &inferred.output_layers());
        findings.extend(inferred.unmasked_losses(&objective.map_err(|error| error.to_string())?));
    }
    if fixture.test == "leaks" {
        findings.extend(inferred.leaks(&inferred.padding().map_err(|error| error.to_string())?));
    }
    Ok(findings)
}

/// Every diagnostic stands below its call, and every one that stands there was found.
fn diagnostics(fixture: &Fixture, inferred: &Inferred) -> Result<(), String> {
    let graph = &inferred.graph().graph;
    let found: Vec<(String, String)> = findings(fixture, inferred)?
        .iter()
        .map(|finding| {
            let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
            let call = graph.layer_named(&finding.layer).and_then(|layer| {
                graph
                    .calls()
                    .find(|&call| graph.call(call).layer == layer && graph.call(call).index == finding.call)
            });
            (
                call.map_or(String::new(), |call| graph.call_name(call)),
                format!("{severity}: {}", finding.code),
            )
        })
        .collect();
    let mut expected: Vec<(String, String)> = fixture
        .diagnostics()
        .map(|(call, severity, code)| (call.to_owned(), format!("{severity}: {code}")))
        .collect();
    let mut wrong = vec![];
    for (call, finding) in found {
        match expected.iter().position(|known| *known == (call.clone(), finding.clone())) {
            Some(place) => drop(expected.remove(place)),
            None => wrong.push(format!("`%{call}` has a finding that is not expected: `; {finding}`")),
        }
    }
    wrong.extend(expected.iter().map(|(call, finding)| format!("`%{call}` has no finding `; {finding}`")));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What a fact should say of a call.
fn fact(directive: Directive, inferred: &Inferred, call: &str) -> Result<String, String> {
    let model = inferred.graph();
    let row = masque::table::rows(model).into_iter().find(|row| row.name() == call);
    let row = row.ok_or_else(|| format!("there is no call `%{call}`"))?;
    let masks = |masks: &[Option<String>]| {
        let masks: Vec<&str> = masks.iter().map(|mask| mask.as_deref().unwrap_or("none")).collect();
        masks.join("; ")
    };
    Ok(match directive {
        Directive::Type => row.types.join("; "),
        Directive::Mask => masks(&row.masks_out),
        Directive::Status => match row.masks_in.iter().any(Option::is_some) {
            true => format!("{} {}", row.status, masks(&row.masks_in)),
            false => row.status.to_string(),
        },
    })
}
