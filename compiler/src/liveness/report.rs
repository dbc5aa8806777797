//! Leaks as diagnostics: the way from padding to an output, call by call, and what to do about it.

mod apart;
mod cut;
mod late;
mod steps;
mod unmarked;

use masque_ir::facts::{InferredGraph, MaskStatus};
use masque_ir::layers::{CallId, LayerGraph};
use masque_ir::program::Program;

use super::view::Reads;
use super::{Facts, Output, Padding, Step, Verdict};
use crate::diagnostics::{Code, Diagnostic, Label, Severity, Suggestion};
use crate::layer::Layer;
use crate::origins::Origins;

/// One warning for each output that reads padding. What is not shown by runs, output by output, is said to be possible.
pub fn diagnostics(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    padding: &Padding,
    shown: &[Reads],
) -> Vec<Diagnostic> {
    let outputs = padding.outputs.iter().enumerate().filter(|(_, output)| output.reads.any());
    let found = outputs.filter_map(|(place, output)| {
        let shown = shown.get(place).copied().unwrap_or(output.reads);
        let verdict = padding.verdict(output, shown.any());
        diagnostic(model, layers, padding, output, (shown, verdict))
    });
    found.collect()
}

/// How an output depends: as a fact, or as something that is possible.
fn depends(verdict: Verdict) -> &'static str {
    if verdict == Verdict::Possible { "may depend" } else { "depends" }
}

/// A call on the way of padding to an output.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The call.
    pub call: CallId,
    /// Its first and its last value on the way.
    pub steps: (Step, Step),
    /// Does padding become something here that is none?
    pub leaks: bool,
}

/// The way of padding to an output, call by call.
pub fn stages(graph: &LayerGraph, program: &Program, facts: &Facts, output: &Output) -> Vec<Stage> {
    let mut stages: Vec<Stage> = vec![];
    let (mut hidden, origins) = (true, Origins::of(graph));
    for &step in &output.path {
        let Some(call) = origins.call(&program.result(step.value).name) else { continue };
        let padded = facts.view(step.value).layout.is_padded(step.case, facts.bases());
        let leaks = hidden && !padded;
        hidden &= padded;
        match stages.last_mut().filter(|stage| stage.call == call) {
            Some(stage) => {
                stage.steps.1 = step;
                stage.leaks |= leaks;
            }
            None => stages.push(Stage { call, steps: (step, step), leaks }),
        }
    }
    // An output that is seen as a whole shows its padded positions.
    if let Some(last) = stages.last_mut().filter(|_| hidden) {
        last.leaks = true;
    }
    stages
}

fn diagnostic(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    padding: &Padding,
    output: &Output,
    (shown, verdict): (Reads, Verdict),
) -> Option<Diagnostic> {
    let graph = &model.graph;
    let stages = stages(graph, &padding.program, &padding.facts, output);
    if let Some(inputs) = unmarked::inputs(padding, output) {
        return match late::mask(padding, inputs) {
            Some(mask) => late::diagnostic(model, padding, output, mask, verdict),
            None => unmarked::diagnostic(graph, padding, output, &stages, (inputs, verdict)),
        };
    }
    let leak = stages.iter().position(|stage| stage.leaks)?;
    if output.apart {
        return Some(apart::diagnostic(graph, padding, output, &stages, leak));
    }
    if let Some(input) = steps::input(padding, &stages[leak]) {
        return Some(steps::diagnostic(graph, padding, output, (&stages, leak), (input, verdict)));
    }
    if let Some(cut) = cut::value(padding, output) {
        return cut::diagnostic(graph, padding, output, (&stages, leak), (cut, verdict));
    }
    let (call, layer) = (graph.call(stages[leak].call), graph.layer_of(stages[leak].call));
    let name = graph.call_name(stages[leak].call);
    let takes_mask = layers[call.layer.0 as usize].signature().parameters.contains(&"mask");
    let (notes, advice) = notes(model, &stages, leak, takes_mask, output.reads);
    let does = if output.reads.content { "reads" } else { "counts" };
    let message =
        format!("`{}` {}: `{name}` ({}) {does} them", output.name, on_what(output.reads, shown), layer.class);
    Some(Diagnostic {
        labels: labels(graph, &stages, leak, output),
        notes,
        advice,
        ..warning(graph, stages[leak].call, Code::PaddingLeak, output, message)
    })
}

/// A warning about an output, at a call, with nothing more to it.
fn warning(graph: &LayerGraph, at: CallId, code: Code, output: &Output, message: String) -> Diagnostic {
    let (call, layer) = (graph.call(at), graph.layer_of(at));
    Diagnostic {
        code,
        severity: Severity::Warning,
        layer: layer.name.clone(),
        call: call.index,
        class: layer.class.clone(),
        message,
        labels: vec![],
        notes: vec![],
        advice: vec![],
        output: Some(output.name.clone()),
    }
}

/// What an output depends on, in words: what runs show as a fact, anything else as possible.
fn on_what(reads: Reads, shown: Reads) -> String {
    let what = |reads: Reads| match (reads.content, reads.length) {
        (true, true) => "what stands at padded positions, and how many of them there are",
        (true, false) => "what stands at padded positions",
        _ => "how many padded positions there are",
    };
    let possible = Reads { content: reads.content && !shown.content, length: reads.length && !shown.length };
    match (possible.any(), possible == reads) {
        (false, _) => format!("depends on {}", what(reads)),
        (true, true) => format!("may depend on {}", what(reads)),
        (true, false) => format!("depends on {}, and may depend on {}", what(shown), what(possible)),
    }
}

fn labels(graph: &LayerGraph, stages: &[Stage], leak: usize, output: &Output) -> Vec<Label> {
    let text = |place: usize, stage: &Stage| {
        let does = match place {
            _ if place == leak && stage.steps.0.own.content => "padded positions come in here, and are read",
            _ if place == leak && output.reads.content => "padded positions are read here",
            _ if place == leak => "padded positions are counted here",
            0 if output.reads.content => "what stands at padded positions comes from here",
            _ => "carried on",
        };
        if place + 1 == stages.len() { format!("{does}, seen in `{}`", output.name) } else { does.to_owned() }
    };
    let label = |(place, stage): (usize, &Stage)| Label {
        call: stage.call,
        name: graph.call_name(stage.call),
        text: text(place, stage),
    };
    stages.iter().enumerate().map(label).collect()
}

fn notes(
    model: &InferredGraph,
    stages: &[Stage],
    leak: usize,
    takes_mask: bool,
    reads: Reads,
) -> (Vec<String>, Vec<Suggestion>) {
    let graph = &model.graph;
    let mut advice = vec![];
    let name = |stage: &Stage| graph.call_name(stage.call);
    let class = &graph.layer_of(stages[leak].call).class;
    let leaking = name(&stages[leak]);
    let lost =
        stages[..=leak].iter().find(|stage| model.facts.call(stage.call).status == MaskStatus::Dropped);
    let mut notes =
        vec!["the same sequence gives another answer, depending on how far its batch is padded".to_owned()];
    if !reads.length {
        notes[0] = "positions that hold nothing decide the answer".to_owned();
    }
    let call = graph.call(stages[leak].call);
    let by_hand = call.keyword("mask").is_some_and(|mask| !mask.tensors().is_empty());
    if let Some(lost) = lost {
        let class = &graph.layer_of(lost.call).class;
        notes.push(format!("the mask is lost at `{}` ({class})", name(lost)));
        advice.push(format!("put a layer that carries the mask in the place of `{}`", name(lost)));
    } else if by_hand {
        notes
            .push(format!("the mask that `{leaking}` gets does not say which rows of its input are padding"));
    } else if model.facts.call(stages[leak].call).mask_in.iter().all(Option::is_none) {
        notes.push(format!("`{leaking}` gets no mask"));
    } else {
        notes.push(format!("a mask comes to `{leaking}`, but {class} looks at every position all the same"));
    }
    if takes_mask && !by_hand {
        advice.push(format!("pass the mask to `{leaking}` by hand: mask=embedding.compute_mask(ids)"));
    } else if !takes_mask {
        advice.push(format!("put a layer that uses a mask in the place of `{leaking}`, or before it"));
    }
    (notes, advice.into_iter().map(Suggestion::words).collect())
}
