//! Why an output reads what it reads of the padding, or nothing of it: the facts behind what is seen of it, one
//! operation after the other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::{self, Write};

use masque_ir::flow;
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::Value;
use masque_ir::text::print_node;

use super::roots::Origin;
use super::view::{Fact, Holds, Reads};
use super::{Output, Padding};
use crate::diagnostics::enumerated;

/// The derivation of what one output reads of the padding. As text: the conclusion, where padding is, and the steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Derivation {
    /// What is derived.
    pub output: Output,
    /// Does the model know of any padding?
    pub is_known: bool,
    /// Where padding is, mask by mask, in words.
    pub padding: Vec<String>,
    /// The operations behind the output, in the order of the program; weights and other constants are left out.
    pub steps: Vec<Line>,
}

/// What is known of one value.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The operation, as the dump of the tensor graph has it; of several results, which one.
    pub operation: String,
    /// What is known of it, of some positions after the other.
    pub known: Vec<Known>,
}

/// What is known of some positions of a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The axes that run over sequences, and whether the positions are padding there.
    pub positions: Vec<(usize, bool)>,
    /// All in all.
    pub fact: Fact,
    /// Does anything that is seen of the output depend on them?
    pub is_read: bool,
}

impl Derivation {
    /// Of the output of that name; none if there is none.
    pub fn of(padding: &Padding, output: &str) -> Option<Derivation> {
        let place = padding.outputs.iter().position(|known| known.name == output)?;
        let operand = &padding.program.outputs[place].operand;
        let behind =
            operand.value().map_or_else(BTreeSet::new, |value| padding.facts.behind(&padding.program, value));
        let values: BTreeSet<Value> = behind.iter().map(|(value, _)| *value).collect();
        let steps = values.into_iter().filter_map(|value| line(padding, value, &behind));
        Some(Derivation {
            output: padding.outputs[place].clone(),
            is_known: padding.facts.roots.are_known(),
            padding: masks(padding),
            steps: steps.collect(),
        })
    }
}

/// What is known of the positions of every value, valid and padded, by the value's name; nothing where no padding is known.
pub fn known(padding: &Padding) -> HashMap<&str, Vec<Known>> {
    let Padding { program, facts, .. } = padding;
    if !facts.roots.are_known() {
        return HashMap::new();
    }
    let outputs = program.outputs.iter().filter_map(|output| output.operand.value());
    let behind: BTreeSet<(Value, usize)> = outputs.flat_map(|value| facts.behind(program, value)).collect();
    let nodes = (0u32..).zip(&program.nodes);
    let values = nodes.flat_map(|(node, contents)| {
        (0u32..).zip(&contents.results).map(move |(result, info)| (Value { node, result }, info))
    });
    values.map(|(value, info)| (info.name.as_str(), known_of(padding, value, &behind))).collect()
}

fn line(padding: &Padding, value: Value, behind: &BTreeSet<(Value, usize)>) -> Option<Line> {
    let Padding { program, .. } = padding;
    if matches!(program.nodes[value.node as usize].op, Op::Leaf(Leaf::Weight { .. } | Leaf::Constant { .. }))
    {
        return None;
    }
    let node = print_node(program, value.node as usize);
    let operation = match program.nodes[value.node as usize].results.as_slice() {
        [_] => node,
        results => format!("%{} of {node}", results[value.result as usize].name),
    };
    Some(Line { operation, known: known_of(padding, value, behind) })
}

fn known_of(padding: &Padding, value: Value, behind: &BTreeSet<(Value, usize)>) -> Vec<Known> {
    let facts = &padding.facts;
    let view = facts.view(value);
    let mut known: BTreeMap<Vec<(usize, bool)>, Known> = BTreeMap::new();
    for (case, fact) in view.facts.iter().enumerate() {
        let positions = view.layout.sequences(case, facts.bases());
        let new = Known {
            positions: positions.clone(),
            fact: fact.clone(),
            is_read: behind.contains(&(value, case)),
        };
        known.entry(positions).and_modify(|known| known.add(&new)).or_insert(new);
    }
    known.into_values().collect()
}

impl Known {
    /// Takes in what is known of more positions of the kind; those that are read count before those that are not.
    fn add(&mut self, more: &Known) {
        match (self.is_read, more.is_read) {
            (true, false) => {}
            (false, true) => *self = more.clone(),
            _ => self.fact = self.fact.or(&more.fact),
        }
    }
}

/// Where padding is, mask by mask.
pub fn masks(padding: &Padding) -> Vec<String> {
    let Padding { program, facts, .. } = padding;
    let name = |value: Value| format!("%{}", program.result(value).name);
    let masks = facts.roots.masks.iter().map(|mask| {
        let size = &facts.bases().all[mask.place.0].size;
        let source = mask.source.map(|(source, number)| {
            let only = if mask.exact { ", and nowhere else" } else { "" };
            (name(source), number, only)
        });
        match (&mask.origin, mask.values.first(), source) {
            (Origin::Assumed(inputs), ..) => {
                let names: Vec<String> = inputs.iter().map(|&input| name(input)).collect();
                format!(
                    "where a caller pads {} along {size}, of which the model knows nothing",
                    enumerated(&names)
                )
            }
            (_, None, Some((source, number, only))) => {
                format!("where {source} is {number}, along {size}{only}")
            }
            (_, holds, source) => {
                let holds = holds.map_or_else(String::new, |&value| name(value));
                let source =
                    source.map(|(source, number, only)| format!("; {source} is {number} there{only}"));
                format!("where {holds} is false, along {size}{}", source.unwrap_or_default())
            }
        }
    });
    let anywhere = facts.roots.anywhere.iter().map(|&value| format!("somewhere in {}", name(value)));
    masks.chain(anywhere).collect()
}

impl fmt::Display for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Output { name, reads, by_position, .. } = &self.output;
        let reads = words(*reads);
        match self.is_known {
            true => writeln!(f, "`{name}` reads {reads} of the padding")?,
            false => {
                writeln!(f, "nothing is known to be padding; of what callers pad, `{name}` reads {reads}")?
            }
        }
        let seen = if *by_position { "at its valid positions" } else { "as a whole" };
        writeln!(f, "\nit is seen {seen}")?;
        match self.padding.as_slice() {
            [] => writeln!(f, "there is no mask")?,
            masks => {
                masks.iter().try_for_each(|mask| writeln!(f, "padding is {mask}"))?;
                writeln!(f, "what is unread decides nothing that is seen")?;
            }
        }
        self.steps.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.operation)?;
        self.known.iter().try_for_each(|known| writeln!(f, "    {known}"))
    }
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> =
            self.positions.iter().map(|(_, padded)| if *padded { "padded" } else { "valid" }).collect();
        let which = match words.as_slice() {
            [] => String::new(),
            words => format!("{} positions: ", words.join(" x ")),
        };
        let unread = if self.is_read { "" } else { "; unread" };
        write!(f, "{which}{}{unread}", described(&self.fact, !self.positions.is_empty()))
    }
}

/// What is known, in words.
fn described(fact: &Fact, by_position: bool) -> String {
    let mut text = match (fact.known, fact.holds) {
        (flow::Known::Number(number), _) => return number.to_string(),
        (flow::Known::Not(number), _) => format!("not {number}, "),
        (flow::Known::Low, _) => "too low to count, ".to_owned(),
        (flow::Known::Position { .. }, _) => "the number of the position, ".to_owned(),
        (flow::Known::Count { less, .. }, _) => {
            let less = if less == 0 { String::new() } else { format!(" less {less}") };
            return format!("the number of valid positions{less}");
        }
        (flow::Known::Anything, Holds::Same) if by_position => "one and the same row, ".to_owned(),
        (flow::Known::Anything, Holds::Carried) => "the last valid row, carried on, ".to_owned(),
        (flow::Known::Anything, _) => String::new(),
    };
    // Writing to a string does not fail.
    let _ = write!(text, "reads {} of the padding", words(fact.reads));
    text
}

fn words(reads: Reads) -> &'static str {
    match (reads.content, reads.length) {
        (false, false) => "nothing",
        (true, false) => "the content",
        (false, true) => "the length",
        (true, true) => "the content and the length",
    }
}
