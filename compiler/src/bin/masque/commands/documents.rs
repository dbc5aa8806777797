//! A model at all stages, as documents: from its file, or from the text of any of them.

use std::path::Path;

use masque::pack::pack;
use masque::rewrite::{self, Limits};
use masque::{Model, Options};
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

/// The documents of all stages from the first that there is to the last that is asked for; `None` if the model cannot be
/// compiled so far, which has been said.
pub(crate) fn documents(
    path: &Path,
    given: Given,
    last: Stage,
    options: Options,
    (common, terminal): (&Common, &Terminal),
) -> Result<Option<Vec<Document>>, Failure> {
    let document = match given {
        Given::Model(model) => return documents_of(path, *model, last, options, (common, terminal)),
        Given::Text(document) => *document,
    };
    match document {
        Document::Masks(inferred) if last != Stage::Masks => {
            let layers = Model::of_graph(&inferred.graph)?;
            let behind = documents_of(path, layers, last, options, (common, terminal))?;
            let text = std::iter::once(Document::Masks(inferred));
            Ok(behind.map(|behind| text.chain(behind.into_iter().skip(2)).collect()))
        }
        Document::Program(stage, program) => Ok(Some(programs(stage, program, last))),
        document => Ok(Some(vec![document])),
    }
}

fn documents_of(
    path: &Path,
    model: Model,
    last: Stage,
    options: Options,
    (common, terminal): (&Common, &Terminal),
) -> Result<Option<Vec<Document>>, Failure> {
    let mut documents = vec![Document::Layers(model.graph().clone())];
    if last == Stage::Layers {
        return Ok(Some(documents));
    }
    let mut inferred = model.infer_masks(common.mask_source())?;
    inferred.load_weights()?;
    documents.push(Document::Masks(inferred.graph().clone()));
    if last == Stage::Masks {
        return Ok(Some(documents));
    }
    let Some(()) = commands::accept(path, &inferred, common, terminal)? else { return Ok(None) };
    let lowered = inferred.lower(options)?;
    documents.push(Document::Program(ProgramStage::Tensor, lowered.program().clone()));
    if last == Stage::Tensor {
        return Ok(Some(documents));
    }
    let optimized = lowered.optimize();
    documents.push(Document::Program(ProgramStage::Optimized, optimized.program().clone()));
    if last == Stage::Optimized {
        return Ok(Some(documents));
    }
    documents.push(Document::Program(ProgramStage::Packed, optimized.packed().into_owned()));
    if last == Stage::Plan {
        documents.push(Document::Plan(optimized.plan()?.plan));
    }
    Ok(Some(documents))
}

/// A program and what it becomes. Weights are no part of a text, so there is no plan of one.
fn programs(stage: ProgramStage, program: Program, last: Stage) -> Vec<Document> {
    let mut documents = vec![Document::Program(stage, program.clone())];
    let mut program = program;
    if stage == ProgramStage::Tensor && last != Stage::Tensor {
        (program, _) = rewrite::optimize(&program, Limits::DEFAULT);
        documents.push(Document::Program(ProgramStage::Optimized, program.clone()));
    }
    if stage != ProgramStage::Packed && matches!(last, Stage::Packed | Stage::Plan) {
        documents.push(Document::Program(ProgramStage::Packed, pack(&program).into_owned()));
    }
    documents
}
