//! The picture of a layer graph and of the masks that run through it.

use std::collections::{HashMap, HashSet, VecDeque};

use masque_ir::layers::{CallId, LayerGraph, TensorRef};
use masque_ir::mask::MaskId;

use super::paths::Paths;
use super::{Edge, EdgeRole, Node, Picture, Role};
use crate::Inferred;
use crate::diagnostics::{Diagnostic, Severity};
use crate::layer::arguments::takes_masks;
use crate::liveness::{Padding, report};
use crate::table;

/// Draws the layers of a model. Calls that a finding names are marked, and the ways that padding takes to outputs.
pub fn of_model(inferred: &Inferred, findings: &[Diagnostic], padding: &Padding) -> Picture {
    let (graph, facts) = (&inferred.graph().graph, &inferred.graph().facts);
    let ways = Ways::of(graph, padding);
    let rows = table::rows(inferred.graph());
    let written = table::masks(inferred.graph());
    let mut picture = Picture { title: graph.name.clone(), ..Picture::default() };
    let (mut masks, paths) = (Masks::default(), Paths::of(graph));
    let mut severities: HashMap<&str, Severity> = HashMap::new();
    for finding in findings {
        let worst = severities.entry(&finding.layer).or_insert(finding.severity);
        *worst = if finding.severity == Severity::Error { Severity::Error } else { *worst };
    }
    for (id, row) in graph.calls().zip(&rows) {
        let name = row.name();
        let given = facts.call(id).outputs.iter().filter_map(|output| output.mask);
        let came = facts.call(id).mask_in.iter().find_map(|mask| *mask);
        let given = given.map(|mask| masks.place(&mut picture, mask, &written)).reduce(|first, _| first);
        let mask = given.or_else(|| came.map(|mask| masks.place(&mut picture, mask, &written)));
        let role = match row.class.as_str() {
            "InputLayer" => Role::Input,
            _ if row.plumbing => Role::Mask,
            _ => Role::Call,
        };
        let group = picture.group_of(&paths.around(id));
        picture.nodes.push(Node {
            does: row.class.clone(),
            types: row.types.clone(),
            role,
            group,
            mask,
            status: row.status,
            finding: severities.get(row.layer.as_str()).copied(),
            call: Some(name.clone()),
            change: None,
            name,
        });
    }
    for id in graph.calls() {
        edges(inferred, id, &ways, &masks, &mut picture);
    }
    outputs(inferred, &ways, &masks, &mut picture);
    picture
}

/// The ways that padding takes to outputs.
struct Ways {
    /// From which call to which.
    pairs: HashSet<(CallId, CallId)>,
    /// The last calls, whose outputs are the model's.
    ends: HashSet<CallId>,
}

impl Ways {
    fn of(graph: &LayerGraph, padding: &Padding) -> Ways {
        let mut ways = Ways { pairs: HashSet::new(), ends: HashSet::new() };
        for output in padding.outputs.iter().filter(|output| output.reads.any()) {
            let stages = report::stages(graph, &padding.program, &padding.facts, output);
            ways.pairs.extend(stages.windows(2).flat_map(|pair| route(graph, pair[0].call, pair[1].call)));
            let end = graph.outputs().iter().find(|end| end.name == output.name).map(|end| end.tensor.call);
            if let (Some(last), Some(end)) = (stages.last(), end) {
                ways.pairs.extend(route(graph, last.call, end));
                ways.ends.insert(end);
            }
        }
        ways
    }
}

/// The lines from one call to another, over calls that compute nothing; the fewest that lead there.
fn route(graph: &LayerGraph, from: CallId, to: CallId) -> Vec<(CallId, CallId)> {
    let mut reader: HashMap<CallId, CallId> = HashMap::new();
    let mut open = VecDeque::from([to]);
    while let Some(call) = open.pop_front().filter(|_| !reader.contains_key(&from)) {
        let read = graph.call(call).arguments.iter().flat_map(|argument| argument.value.tensors());
        for read in read.map(|tensor| tensor.call) {
            reader.entry(read).or_insert_with(|| {
                open.push_back(read);
                call
            });
        }
    }
    let step = |call: &CallId| reader.get(call).copied().filter(|_| *call != to);
    let calls: Vec<CallId> = std::iter::successors(Some(from), step).collect();
    calls.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// The places of masks among those of the picture.
#[derive(Default)]
struct Masks(HashMap<MaskId, usize>);

impl Masks {
    fn place(&mut self, picture: &mut Picture, mask: MaskId, written: &[String]) -> usize {
        *self.0.entry(mask).or_insert_with(|| {
            picture.masks.push(written[mask.0 as usize].clone());
            picture.masks.len() - 1
        })
    }
}

fn edges(inferred: &Inferred, id: CallId, ways: &Ways, masks: &Masks, picture: &mut Picture) {
    let (graph, facts) = (&inferred.graph().graph, &inferred.graph().facts);
    for argument in &graph.call(id).arguments {
        let role = match argument.keyword.as_deref() {
            Some(keyword) if takes_masks(keyword) => EdgeRole::Mask,
            Some("initial_state") => EdgeRole::State,
            _ => EdgeRole::Data,
        };
        // A mask that is passed stands in for the one that the data carries.
        let passed = facts.call(id).mask_in.iter().find_map(|mask| *mask).filter(|_| role == EdgeRole::Mask);
        for tensor in argument.value.tensors() {
            let from = tensor.call.0 as usize;
            let mask = passed.or(facts.tensor(tensor).mask).and_then(|mask| masks.0.get(&mask).copied());
            if picture.nodes[from].role == Role::Mask && picture.nodes[from].mask.is_none() {
                picture.nodes[from].mask = mask;
            }
            picture.edges.push(Edge {
                from,
                to: id.0 as usize,
                role,
                mask,
                leaks: ways.pairs.contains(&(tensor.call, id)),
            });
        }
    }
}

fn outputs(inferred: &Inferred, ways: &Ways, masks: &Masks, picture: &mut Picture) {
    let (graph, facts) = (&inferred.graph().graph, &inferred.graph().facts);
    for output in graph.outputs() {
        let TensorRef { call, .. } = output.tensor;
        let fact = facts.tensor(output.tensor);
        let mask = fact.mask.and_then(|mask| masks.0.get(&mask).copied());
        let leaks = ways.ends.contains(&call);
        let edge = Edge { from: call.0 as usize, to: 0, role: EdgeRole::Data, mask, leaks };
        picture.output(&output.name, fact.ty.to_string(), edge);
    }
}
