//! A model at all stages, as documents: from its file, or from the text of any of them.

use std::collections::BTreeMap;
use std::path::Path;

use masque::pack::pack;
use masque::passes::{Passed, follow};
use masque::plan::PlanError;
use masque::rewrite::{self, Limits};
use masque::{Growth, Model, Options};
use masque_ir::program::Program;
use masque_ir::text::{Document, ProgramStage, Stage, parse};
use masque_ir::verify;

use crate::args::Common;
use crate::commands;
use crate::report::{Failure, Terminal};

/// What a dump is made from.
pub(crate) enum Given {
    /// A model, whose every stage can be had.
    Model(Box<Model>),
    /// A text, which is a stage, and from which those behind it can be had.
    Text(Box<Document>),
}

/// Reads a model, or the text of a stage.
pub(crate) fn given(path: &Path, common: &Common, terminal: &Terminal) -> Result<Given, Failure> {
    if path.extension().is_none_or(|ending| ending != "mq") {
        return Ok(Given::Model(Box::new(commands::open(path, common, terminal)?)));
    }
    let fail = |problem: String| Failure::Other(format!("{}: {problem}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| fail("not UTF-8 text".to_owned()))?;
    let document = parse(&text).map_err(|error| fail(error.to_string()))?;
    match &document {
        // It goes through the door of all models.
        Document::Layers(_) => return Ok(Given::Model(Box::new(commands::open(path, common, terminal)?))),
        Document::Masks(inferred) => verify::inferred(inferred),
        Document::Program(_, program) => verify::program(program),
        Document::Plan(plan) => verify::plan(plan),
    }
    .map_err(|violations| fail(violations.to_string()))?;
    Ok(Given::Text(Box::new(document)))
}

/// How far a dump goes.
#[derive(Clone, Copy)]
pub(crate) struct Extent {
    /// The last stage.
    pub(crate) last: Stage,
    /// Are there, among the stages, the programs that passes leave?
    pub(crate) passes: bool,
}

/// A model at a stage, or after a pass.
pub(crate) struct Dumped {
    /// The pass.
    pub(crate) pass: Option<String>,
    /// The text's content.
    pub(crate) document: Document,
}

impl Dumped {
    fn at(document: Document) -> Dumped {
        Dumped { pass: None, document }
    }

    fn after(Passed { pass, stage, program }: Passed) -> Dumped {
        Dumped { pass: Some(pass), document: Document::Program(stage, program) }
    }

    /// The stage; `None` for what a pass leaves.
    pub(crate) fn stage(&self) -> Option<Stage> {
        self.pass.is_none().then(|| self.document.stage())
    }
}

/// The documents from the first stage that there is to the last that is asked for, in order; `None` if the model cannot
/// be compiled so far, which has been said.
pub(crate) fn documents(
    path: &Path,
    given: Given,
    extent: Extent,
    options: Options,
    (common, terminal): (&Common, &Terminal),
) -> Result<Option<Vec<Dumped>>, Failure> {
    let document = match given {
        Given::Model(model) => return documents_of(path, *model, extent, options, (common, terminal)),
        Given::Text(document) => *document,
    };
    match document {
        Document::Masks(inferred) if extent.last != Stage::Masks => {
            let layers = Model::of_graph(&inferred.graph)?;
            let behind = documents_of(path, layers, extent, options, (common, terminal))?;
            let text = std::iter::once(Dumped::at(Document::Masks(inferred)));
            Ok(behind.map(|behind| text.chain(behind.into_iter().skip(2)).collect()))
        }
        Document::Program(stage, program) => programs(path, stage, program, extent).map(Some),
        document => Ok(Some(vec![Dumped::at(document)])),
    }
}

fn documents_of(
    path: &Path,
    model: Model,
    Extent { last, passes }: Extent,
    options: Options,
    (common, terminal): (&Common, &Terminal),
) -> Result<Option<Vec<Dumped>>, Failure> {
    let mut documents = vec![Dumped::at(Document::Layers(model.graph().clone()))];
    if last == Stage::Layers {
        return Ok(Some(documents));
    }
    let mut inferred = model.infer_masks(common.mask_source())?;
    inferred.load_weights()?;
    documents.push(Dumped::at(Document::Masks(inferred.graph().clone())));
    if last == Stage::Masks {
        return Ok(Some(documents));
    }
    let Some(()) = commands::accept(path, &inferred, common, terminal)? else { return Ok(None) };
    let lowered = inferred.lower(options)?;
    let passed = if passes { lowered.passes()? } else { vec![] };
    let program = |stage, program: &Program| Dumped::at(Document::Program(stage, program.clone()));
    documents.push(program(ProgramStage::Tensor, lowered.program()));
    if last > Stage::Tensor {
        let optimized = lowered.optimize();
        documents.push(program(ProgramStage::Optimized, optimized.program()));
        if last > Stage::Optimized {
            documents.push(program(ProgramStage::Packed, &optimized.packed()));
        }
        if last == Stage::Plan {
            documents.push(Dumped::at(Document::Plan(optimized.plan()?.plan)));
        }
    }
    Ok(Some(interleaved(documents, passed)))
}

/// A program and what it becomes. Weights are no part of a text, so there is no plan of one.
fn programs(
    path: &Path,
    stage: ProgramStage,
    program: Program,
    Extent { last, passes }: Extent,
) -> Result<Vec<Dumped>, Failure> {
    let fail = |error: PlanError| Failure::Other(format!("{}: {error}", path.display()));
    let passed = if passes {
        follow(stage, &program, &BTreeMap::new(), Growth::default()).map_err(fail)?
    } else {
        vec![]
    };
    let mut documents = vec![Dumped::at(Document::Program(stage, program.clone()))];
    let mut program = program;
    if stage == ProgramStage::Tensor && last != Stage::Tensor {
        (program, _) = rewrite::optimize(&program, Limits::DEFAULT);
        documents.push(Dumped::at(Document::Program(ProgramStage::Optimized, program.clone())));
    }
    if stage != ProgramStage::Packed && matches!(last, Stage::Packed | Stage::Plan) {
        documents.push(Dumped::at(Document::Program(ProgramStage::Packed, pack(&program).into_owned())));
    }
    Ok(interleaved(documents, passed))
}

/// Each pass after the stage that its program goes on from.
fn interleaved(documents: Vec<Dumped>, passed: Vec<Passed>) -> Vec<Dumped> {
    let mut all: Vec<Dumped> = documents.into_iter().chain(passed.into_iter().map(Dumped::after)).collect();
    all.sort_by_key(|dumped| dumped.document.stage());
    all
}
