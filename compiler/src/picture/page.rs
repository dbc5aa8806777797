//! All stages of a model as one page of HTML, which needs nothing but itself: its style, its program and its data are
//! in it, and it asks the network for nothing.

mod difference;
mod packed;

use std::collections::{BTreeMap, HashMap};

use masque_ir::facts::InferredGraph;
use masque_ir::program::Program;
use masque_ir::text::{print_masks, print_node, print_setting};
use serde::Serialize;

use super::values::Values;
use super::{Picture, Role, of_model, of_program, style, svg};
use crate::costs::{Cost, Costs};
use crate::diagnostics::{Diagnostic, Severity};
use crate::liveness::Padding;
use crate::liveness::derivation::{self, Known};
use crate::mathematics::{self, Form};
use crate::table::{self, Row};
use crate::xml::escaped;
use crate::{Error, Inferred, Options, repeats};

pub use difference::write_difference;

/// A picture with more boxes than this begins folded.
const UNFOLDED: usize = 80;

/// A picture with more boxes than this is never shown as a whole.
const WHOLE: usize = 1500;

/// The page's program.
const PROGRAM: &str =
    concat!(include_str!("page/pane.js"), include_str!("page/details.js"), include_str!("page/page.js"));

/// What the page's program reads when it begins.
#[derive(Serialize)]
struct Data {
    title: String,
    /// The names of the stages; each is an element of its own, read when it is looked at.
    stages: Vec<&'static str>,
    /// What calls gave in a run, if there was one.
    values: Values,
}

#[derive(Serialize)]
struct Stage {
    #[serde(skip)]
    name: &'static str,
    masks: Vec<String>,
    leaks: bool,
    views: Vec<View>,
    nodes: BTreeMap<String, Box>,
    /// By box: what became of it between two models.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    changes: BTreeMap<String, Changed>,
}

/// What became of a call between two models.
#[derive(Serialize)]
struct Changed {
    /// `added`, `removed` or `changed`.
    kind: &'static str,
    /// Is a mask dropped here that was not before?
    died: bool,
    lines: Vec<String>,
}

/// One drawing: the whole picture, folded or not, or the inside of a group.
#[derive(Serialize)]
struct View {
    name: String,
    /// The view around it.
    parent: Option<usize>,
    width: f64,
    height: f64,
    svg: String,
}

#[derive(Serialize)]
struct Box {
    does: String,
    types: Vec<String>,
    role: Role,
    #[serde(skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    /// The line of the text form.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    /// The views that it is in, the first ones first.
    views: Vec<usize>,
}

/// What is known of a call of a layer.
#[derive(Serialize)]
struct Call {
    #[serde(flatten)]
    row: Row,
    line: String,
    /// The settings that are not Keras' own, by name.
    settings: Vec<(String, String)>,
    mathematics: String,
    /// The same as MathML.
    typeset: String,
    /// Its multiply-adds, and those without the padding that nobody sees; absent where nothing is known of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<[String; 2]>,
    /// What is known of what it gives at valid and at padded positions.
    padding: Vec<String>,
    weights: Vec<String>,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    severity: Severity,
    code: String,
    message: String,
    advice: Vec<String>,
}

/// Writes the page: the layers with their masks, then the operations as they are lowered, rewritten and packed, as far
/// as the model can be compiled under these options. The findings and the padding are those of the model, the values those
/// of a run of it, if there are any.
///
/// # Errors
///
/// Those of lowering.
pub fn write(
    inferred: Inferred,
    findings: &[Diagnostic],
    padding: &Padding,
    values: Values,
    options: Options,
) -> Result<String, Error> {
    let mut layers = of_model(&inferred, findings, padding);
    if layers.nodes.len() > UNFOLDED {
        let InferredGraph { graph, facts } = inferred.graph();
        layers = layers.with_repeats(&repeats::of(graph, Some(facts)));
    }
    let graph = inferred.graph().graph.clone();
    let title = layers.title.clone();
    let mut calls = calls(&inferred, findings, Some(padding))?;
    let lines: HashMap<String, String> =
        calls.iter().map(|(name, call)| (name.clone(), call.line.clone())).collect();
    let mut stages = vec![stage("masks", &layers, &lines)];
    let mut found = inferred.diagnostics(options.on_unsupported_mask).into_iter();
    if inferred.opaque().is_empty() && found.all(|found| found.severity != Severity::Error) {
        let lowered = inferred.lower(options)?;
        let mut add = |name: &'static str, program: &Program| {
            let picture = of_program(program, &graph);
            let lines = program.nodes.iter().enumerate();
            let lines = lines.map(|(place, node)| (node.results[0].name.clone(), print_node(program, place)));
            stages.push(stage(name, &picture, &lines.collect()));
        };
        let whole = lowered.program().clone();
        add("tensor", &whole);
        let optimized = lowered.optimize();
        add("optimized", optimized.program());
        let packed = optimized.packed();
        add("packed", &packed);
        let costs = Costs::of_programs(&whole, &packed, &graph);
        for (name, call) in &mut calls {
            let cost = |costs: &BTreeMap<String, Cost>| {
                costs.get(name).cloned().flatten().map(|cost| cost.to_string())
            };
            call.cost = cost(&costs.dense).zip(cost(&costs.packed)).map(<[String; 2]>::from);
        }
    }
    Ok(composed(title, &stages, &calls, values))
}

fn composed(title: String, stages: &[Stage], calls: &BTreeMap<String, Call>, values: Values) -> String {
    let names = stages.iter().map(|stage| stage.name).collect();
    let mut data = packed::plain("data", &Data { title: title.clone(), stages: names, values });
    data.push_str(&packed::packed("calls", calls));
    for (place, stage) in stages.iter().enumerate() {
        data.push_str(&match place {
            // It is looked at first.
            0 => packed::plain(stage.name, stage),
            _ => packed::packed(stage.name, stage),
        });
    }
    let page = include_str!("page/page.html")
        .replace("{{title}}", &escaped(&title))
        .replace("{{style}}", &format!("{}{}", style::sheet(), include_str!("page/page.css")))
        .replace("{{program}}", PROGRAM);
    // Put in last: what it holds is not looked at again.
    page.replacen("{{data}}", &data, 1)
}

fn calls(
    inferred: &Inferred,
    findings: &[Diagnostic],
    padding: Option<&Padding>,
) -> Result<BTreeMap<String, Call>, Error> {
    let model = inferred.graph();
    let file = inferred.file.path.clone();
    let explained = mathematics::explain(inferred).map_err(|source| Error::Lower { file, source })?;
    let mut mathematics: HashMap<String, (String, String)> = explained
        .iter()
        .map(|call| {
            // What stands on the page anyway is above the formulas, and not indented.
            let text = mathematics::text(&[call], Form::Plain);
            let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
            let typeset = match call.equations.as_slice() {
                [] => String::new(),
                equations => mathematics::mathml(equations),
            };
            (call.row.name(), (lines.collect::<Vec<_>>().join("\n"), typeset))
        })
        .collect();
    let known = padding.map(derivation::known).unwrap_or_default();
    let text = print_masks(model);
    let lines: HashMap<&str, &str> =
        text.lines().filter_map(|line| Some((line.split_once(" = ")?.0, line))).collect();
    let call = |row: Row| {
        let name = row.name();
        let weights = model.facts.weights.iter().filter(|weight| {
            weight.name.strip_prefix(row.layer.as_str()).is_some_and(|rest| rest.starts_with('/'))
        });
        let here = findings.iter().filter(|finding| finding.layer == row.layer && finding.call == row.call);
        let finding = |finding: &Diagnostic| Finding {
            severity: finding.severity,
            code: finding.code.to_string(),
            message: finding.message.clone(),
            advice: finding.advice.iter().map(|advice| advice.text.clone()).collect(),
        };
        let (mathematics, typeset) = mathematics.remove(&name).unwrap_or_default();
        let settings = model.graph.layer_named(&row.layer).map(|layer| &model.graph.layer(layer).settings);
        let settings =
            settings.into_iter().flatten().map(|(name, value)| (name.clone(), print_setting(value)));
        let call = Call {
            settings: settings.collect(),
            mathematics,
            typeset,
            cost: None,
            padding: known.get(name.as_str()).into_iter().flatten().map(Known::to_string).collect(),
            line: lines.get(format!("%{name}").as_str()).copied().unwrap_or_default().to_owned(),
            weights: weights.map(|weight| format!("{}: {}", weight.name, weight.ty)).collect(),
            findings: here.map(finding).collect(),
            row,
        };
        (name, call)
    };
    Ok(table::rows(model).into_iter().map(call).collect())
}

/// All views of a picture, the first one first.
fn stage(name: &'static str, picture: &Picture, lines: &HashMap<String, String>) -> Stage {
    let mut views: Vec<View> = vec![];
    let mut shown: HashMap<&str, Vec<usize>> = HashMap::new();
    let known: HashMap<String, &str> =
        picture.nodes.iter().map(|node| (node.name.clone(), node.name.as_str())).collect();
    let mut add = |name: &str, parent: Option<usize>, part: &Picture| {
        let (svg, width, height) = svg::fragment(part);
        for node in part.nodes.iter().filter(|node| !matches!(node.role, Role::Outside | Role::Group)) {
            if let Some(known) = known.get(&node.name) {
                shown.entry(known).or_default().push(views.len());
            }
        }
        views.push(View { name: name.to_owned(), parent, width, height, svg });
        views.len() - 1
    };
    let many = picture.nodes.len();
    let folds = many > UNFOLDED && !picture.groups.is_empty();
    let first = match folds {
        true => add("folded", None, &picture.folded(|_| true)),
        false => add("whole", None, picture),
    };
    let mut of_group: HashMap<usize, usize> = HashMap::new();
    let insides = picture.contents();
    for (group, contents) in picture.groups.iter().enumerate() {
        let parent = contents.parent.and_then(|parent| of_group.get(&parent).copied()).unwrap_or(first);
        of_group.insert(group, add(&contents.name, Some(parent), &picture.inside(group, &insides[group])));
    }
    if folds && many <= WHOLE {
        add("whole", None, picture);
    }
    let boxes = picture.nodes.iter().map(|node| {
        let found = Box {
            does: node.does.clone(),
            types: node.types.clone(),
            role: node.role,
            call: node.call.clone(),
            line: lines.get(&node.name).cloned(),
            views: shown.get(node.name.as_str()).cloned().unwrap_or_default(),
        };
        (node.name.clone(), found)
    });
    let leaks = picture.edges.iter().any(|edge| edge.leaks);
    let (masks, nodes) = (picture.masks.clone(), boxes.collect());
    Stage { name, masks, leaks, nodes, views, changes: BTreeMap::new() }
}
