//! `masque dump MODEL --stage STAGE --format FORMAT`

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use masque::diagnostics::Diagnostic;
use masque::diff::{self, Change};
use masque::picture::values::{self, Values};
use masque::picture::{self, Picture, dot, page, svg};
use masque::session::{CompiledModel, RunOptions};
use masque::{Inferred, Model, Options, json, near, repeats};
use masque_ir::facts::InferredGraph;
use masque_ir::layers::LayerGraph;
use masque_ir::text::{
    Document, Stage, print_layers_folded, print_layers_part, print_masks_folded, print_masks_part,
    print_program_part,
};
use masque_runtime::io::{Kind, Place, read_inputs, replace};

use crate::args::{Common, Dump, DumpFormat};
use crate::commands;
use crate::commands::documents::{Dumped, Extent, Given, documents, given};
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Dump, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let Some(folder) = &arguments.all {
        return all(arguments, folder, common, terminal);
    }
    if let [before, after] = arguments.diff.as_slice() {
        return difference(arguments, (*before, *after), common, terminal);
    }
    let of_layers = matches!(arguments.stage, Stage::Layers | Stage::Masks);
    let drawn = matches!(arguments.format, DumpFormat::Dot | DumpFormat::Svg);
    if arguments.input.is_some() && !arguments.open && arguments.format != DumpFormat::Html {
        return Err(Failure::Other("--input is for pages: --format html, or --open".to_owned()));
    }
    if arguments.focus.is_some() && !drawn && arguments.format != DumpFormat::Text {
        return Err(Failure::Other(
            "--focus is for texts and pictures: --format text, svg or dot".to_owned(),
        ));
    }
    if arguments.focus.is_some() && arguments.collapse && !drawn {
        return Err(Failure::Other("--focus and --collapse go together in pictures only".to_owned()));
    }
    let folds = of_layers && arguments.after.is_none() && arguments.format == DumpFormat::Text;
    if arguments.collapse && !drawn && !folds {
        let message = "--collapse is for pictures, and for the texts of the stages layers and masks";
        return Err(Failure::Other(message.to_owned()));
    }
    let whole =
        arguments.stage == Stage::Masks && arguments.after.is_none() && arguments.format == DumpFormat::Json;
    let given = match given(&arguments.model, common, terminal)? {
        Given::Text(document) if drawn && of_layers => match *document {
            Document::Masks(inferred) => Given::Model(Box::new(Model::of_graph(&inferred.graph)?)),
            other => Given::Text(Box::new(other)),
        },
        given => given,
    };
    match given {
        Given::Model(model) if arguments.open => open(&page(*model, arguments, common)?, terminal),
        Given::Model(model) if arguments.format == DumpFormat::Html => {
            commands::print(&page(*model, arguments, common)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Given::Model(model) if whole => {
            let inferred = inferred(*model, common)?;
            commands::print_json(&json::of_model(&inferred, &findings(&inferred, common)?)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Given::Model(model) if drawn && of_layers => {
            draw(picture_of_layers(*model, arguments.collapse, common)?, arguments)
        }
        Given::Text(_) if arguments.open || arguments.format == DumpFormat::Html => {
            let message = "a page is made from a model: a text of a later stage has a picture, --format svg";
            Err(Failure::Other(format!("{}: {message}", arguments.model.display())))
        }
        given => document(arguments, given, drawn, common, terminal),
    }
}

fn document(
    arguments: &Dump,
    given: Given,
    drawn: bool,
    common: &Common,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let (graph, pointers) = match &given {
        Given::Model(model) => (Some(model.graph().clone()), model.pointers().to_vec()),
        Given::Text(document) => match &**document {
            Document::Masks(inferred) => (Some(inferred.graph.clone()), vec![]),
            _ => (None, vec![]),
        },
    };
    let Some(document) = last(arguments, given, common, terminal)? else { return Ok(ExitCode::from(1)) };
    let source = graph.as_ref().map(|graph| json::Source { graph, pointers: &pointers });
    match (&document, arguments.format) {
        (Document::Program(_, program), _) if drawn => {
            // A text of operations alone does not say which call they are of.
            let graph = graph.clone().unwrap_or_else(|| LayerGraph::new("", program.semantics));
            return draw(picture::of_program(program, &graph), arguments);
        }
        (_, DumpFormat::Json) => commands::print_json(&json::of_document(&document, source))?,
        _ if drawn => {
            let message = "a plan has no picture: --stage packed draws what it computes";
            return Err(Failure::Other(message.to_owned()));
        }
        _ if arguments.collapse => commands::print(&folded(&document))?,
        _ => commands::print(&match &arguments.focus {
            Some(name) => focused(&document, name, arguments.hops)?,
            None => document.to_string(),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The text with one block of those that are repeated; the whole one, if none are.
fn folded(document: &Document) -> String {
    let repeats = match document {
        Document::Layers(graph) => repeats::of(graph, None),
        Document::Masks(inferred) => repeats::of(&inferred.graph, Some(&inferred.facts)),
        _ => vec![],
    };
    let fold = repeats::fold(&repeats);
    match document {
        Document::Layers(graph) if !repeats.is_empty() => print_layers_folded(graph, &fold),
        Document::Masks(inferred) if !repeats.is_empty() => print_masks_folded(inferred, &fold),
        document => document.to_string(),
    }
}

/// The lines of what is near a call or an operation.
fn focused(document: &Document, name: &str, hops: usize) -> Result<String, Failure> {
    let part =
        match document {
            Document::Layers(graph) => {
                near::of_calls(graph, bare(name), hops).map(|calls| print_layers_part(graph, &calls))
            }
            Document::Masks(inferred) => near::of_calls(&inferred.graph, bare(name), hops)
                .map(|calls| print_masks_part(inferred, &calls)),
            Document::Program(stage, program) => near::of_nodes(program, bare(name), hops)
                .map(|nodes| print_program_part(program, *stage, &nodes)),
            Document::Plan(_) => {
                let message = "--focus: a plan has no neighbours: --stage packed shows what it computes";
                return Err(Failure::Other(message.to_owned()));
            }
        };
    part.ok_or_else(|| {
        Failure::Other(format!(
            "--focus {name}: there is none of this name; without --focus the text has the names"
        ))
    })
}

/// A name without the sign that it has in texts.
fn bare(name: &str) -> &str {
    name.strip_prefix(['%', '@']).unwrap_or(name)
}

/// The document that is asked for.
fn last(
    arguments: &Dump,
    given: Given,
    common: &Common,
    terminal: &Terminal,
) -> Result<Option<Document>, Failure> {
    let (file, stage) = (&arguments.model, arguments.stage);
    let extent = match &arguments.after {
        Some(_) => Extent { last: Stage::Tensor, passes: true },
        None => Extent { last: stage, passes: false },
    };
    let Some(all) = documents_to(arguments, given, extent, common, terminal)? else { return Ok(None) };
    let none = match &arguments.after {
        Some(pass) => no_pass(file, pass, &all),
        None => missing(file, stage, &all),
    };
    let mut found = all.into_iter().filter(|dumped| match &arguments.after {
        Some(pass) => dumped.pass.as_ref() == Some(pass),
        None => dumped.stage() == Some(stage),
    });
    found.next().map(|dumped| Some(dumped.document)).ok_or(none)
}

fn missing(file: &Path, stage: Stage, found: &[Dumped]) -> Failure {
    let found: Vec<&str> = found.iter().filter_map(Dumped::stage).map(Stage::name).collect();
    let (file, found) = (file.display(), found.join(", "));
    Failure::Other(format!("{file}: expected stage {stage}; from this text there are only {found}"))
}

fn no_pass(file: &Path, pass: &str, found: &[Dumped]) -> Failure {
    let passes: Vec<&str> = found.iter().filter_map(|dumped| dumped.pass.as_deref()).collect();
    let expected = match passes.as_slice() {
        [] => "no pass follows the stage of this text".to_owned(),
        passes => format!("expected one of {}", passes.join(", ")),
    };
    Failure::Other(format!("{}: --after {pass}: {expected}", file.display()))
}

fn documents_to(
    arguments: &Dump,
    given: Given,
    extent: Extent,
    common: &Common,
    terminal: &Terminal,
) -> Result<Option<Vec<Dumped>>, Failure> {
    let options = Options {
        on_unsupported_mask: common.on_unsupported_mask.into(),
        mask_outputs: extent.last == Stage::Plan && arguments.all.is_none() && arguments.diff.is_empty(),
        ..arguments.compiling.options()
    };
    documents(&arguments.model, given, extent, options, (common, terminal))
}

/// Writes the texts of all stages, and of passes. A model without weights has no plan.
fn all(arguments: &Dump, folder: &Path, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let given = given(&arguments.model, common, terminal)?;
    let has_plan =
        matches!(&given, Given::Model(_)) && arguments.model.extension().is_none_or(|ending| ending != "mq");
    let last = if has_plan { Stage::Plan } else { Stage::Packed };
    let extent = Extent { last, passes: true };
    let Some(documents) = documents_to(arguments, given, extent, common, terminal)? else {
        return Ok(ExitCode::from(1));
    };
    let fail = |path: &Path, error: std::io::Error| Failure::Other(format!("{}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| fail(folder, error))?;
    let mut targets = commands::targets(&arguments.model, common, arguments.force);
    let files: Vec<_> = texts(&documents).into_iter().map(|(name, text)| (folder.join(name), text)).collect();
    files.iter().for_each(|(path, _)| {
        targets.write(path, Kind::Text);
    });
    targets.check()?;
    for (path, text) in &files {
        replace(path, |file| file.write_all(text.as_bytes())).map_err(|error| fail(path, error))?;
    }
    terminal.inform(&format!("{}: {} files written", folder.display(), files.len()));
    Ok(ExitCode::SUCCESS)
}

/// Names of files with their texts, in order: `5-packed.mq` for a stage, `5.4-fold.mq` for a pass after it. What a
/// pass leaves is not written where it is what was there before, or the next stage.
fn texts(documents: &[Dumped]) -> Vec<(String, String)> {
    let program = |dumped: &Dumped| match &dumped.document {
        Document::Program(_, program) => Some(program.clone()),
        _ => None,
    };
    let (mut files, mut stage, mut pass) = (vec![], 0, 0);
    for (place, dumped) in documents.iter().enumerate() {
        let name = match &dumped.pass {
            None => {
                let known = Stage::ALL.iter().position(|known| *known == dumped.document.stage());
                (stage, pass) = (known.unwrap_or(0) + 1, 0);
                format!("{stage}-{}.mq", dumped.document.stage())
            }
            Some(name) => {
                pass += 1;
                let before = place.checked_sub(1).and_then(|before| program(&documents[before]));
                let next = documents[place..].iter().find(|after| after.pass.is_none()).and_then(program);
                if [before, next].contains(&program(dumped)) {
                    continue;
                }
                format!("{stage}.{pass}-{name}.mq")
            }
        };
        files.push((name, dumped.document.to_string()));
    }
    files
}

/// What is in the text of one stage and not in that of the other.
fn difference(
    arguments: &Dump,
    (before, after): (Stage, Stage),
    common: &Common,
    terminal: &Terminal,
) -> Result<ExitCode, Failure> {
    let given = given(&arguments.model, common, terminal)?;
    let extent = Extent { last: before.max(after), passes: false };
    let Some(documents) = documents_to(arguments, given, extent, common, terminal)? else {
        return Ok(ExitCode::from(1));
    };
    let text = |stage: Stage| {
        let found = documents.iter().find(|dumped| dumped.stage() == Some(stage));
        let found = found.map(|dumped| dumped.document.to_string());
        found.ok_or_else(|| missing(&arguments.model, stage, &documents))
    };
    let (before, after) = (text(before)?, text(after)?);
    let changes = diff::lines(&before, &after);
    commands::print(&diff::render(&changes, terminal.styles_output()))?;
    if changes.iter().all(|change| matches!(change, Change::Kept(_))) {
        terminal.inform("the same text");
    }
    Ok(ExitCode::SUCCESS)
}

/// The layers as a picture, with what is found in them.
fn picture_of_layers(model: Model, collapse: bool, common: &Common) -> Result<Picture, Failure> {
    let inferred = inferred(model, common)?;
    let padding = inferred.padding()?;
    let mut findings = inferred.findings(common.on_unsupported_mask.into());
    findings.extend(inferred.leaks(&padding));
    let picture = picture::of_model(&inferred, &findings, &padding);
    let InferredGraph { graph, facts } = inferred.graph();
    Ok(if collapse { picture.with_repeats(&repeats::of(graph, Some(facts))) } else { picture })
}

/// What `check` finds.
fn findings(inferred: &Inferred, common: &Common) -> Result<Vec<Diagnostic>, Failure> {
    let padding = inferred.padding()?;
    Ok(commands::check::findings(inferred, &padding, &inferred.shown(&padding), common))
}

fn inferred(model: Model, common: &Common) -> Result<Inferred, Failure> {
    let mut inferred = model.infer_masks(common.mask_source())?;
    inferred.load_weights()?;
    Ok(inferred)
}

fn draw(picture: Picture, arguments: &Dump) -> Result<ExitCode, Failure> {
    let picture = match &arguments.focus {
        None => picture,
        Some(name) => picture.near(bare(name), arguments.hops).ok_or_else(|| {
            Failure::Other(format!(
                "--focus {name}: there is no box of this name; `--format text` has the names"
            ))
        })?,
    };
    let picture = if arguments.collapse { picture.folded(|_| true) } else { picture };
    commands::print(&match arguments.format {
        DumpFormat::Dot => dot::write(&picture),
        _ => svg::draw(&picture),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The page of a model. A model that cannot be compiled has only its layers there.
fn page(model: Model, arguments: &Dump, common: &Common) -> Result<String, Failure> {
    let inferred = inferred(model, common)?;
    let options = Options { on_unsupported_mask: common.on_unsupported_mask.into(), ..Options::default() };
    let values = match &arguments.input {
        Some(input) => run_on(&arguments.model, &inferred, input, options)?,
        None => Values::default(),
    };
    let padding = inferred.padding()?;
    let findings = commands::check::findings(&inferred, &padding, &inferred.shown(&padding), common);
    Ok(page::write(inferred, &findings, &padding, values, options)?)
}

/// What every call of the model gives for these inputs.
fn run_on(model: &Path, inferred: &Inferred, input: &Path, options: Options) -> Result<Values, Failure> {
    let planned = values::compile(inferred, options)?;
    let inputs = read_inputs(&planned.plan, &Place::from(input.to_owned()))?;
    let outputs =
        CompiledModel::new(model.display().to_string(), planned).run(&inputs, RunOptions::default())?;
    Ok(values::seen(inferred.graph(), &outputs))
}

/// Writes the page where temporary files are, and hands it to what opens pages here.
fn open(page: &str, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let path = std::env::temp_dir().join(format!("masque-{}.html", std::process::id()));
    let written = File::create_new(&path).and_then(|mut file| file.write_all(page.as_bytes()));
    written.map_err(|error| Failure::Other(format!("{}: {error}", path.display())))?;
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let opened = Command::new(opener).arg(&path).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match opened {
        Ok(status) if status.success() => terminal.inform(&format!("{} is open", path.display())),
        _ => terminal.inform(&format!("{} could not be opened: open it in a browser", path.display())),
    }
    Ok(ExitCode::SUCCESS)
}
