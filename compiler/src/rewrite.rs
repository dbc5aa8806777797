//! Optimization as equality saturation: the program becomes an e-graph (egg), rules add equal forms, and the
//! cheapest form of every output comes back as a program.
//!
//! What egg makes of a program must depend on the program alone: the search is bounded by nodes and iterations,
//! never by time, and egg is built with insertion-ordered maps. Equal expressions become one node on the way in,
//! so common subexpressions are shared without a rule.

mod extract;
mod folding;
pub mod rules;
mod term;

use std::collections::HashMap;
use std::time::Duration;

use egg::{EGraph, Id, Runner, SimpleScheduler, StopReason};
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Node, Operand, Program, ProgramOutput, ResultInfo, Value};

use extract::Choice;
pub use folding::Facts;
pub use term::Term;

/// How far the search may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How often all rules are tried.
    pub iterations: usize,
    /// How many nodes the e-graph may have for each node of the program; small programs may have more.
    pub growth: usize,
}

impl Limits {
    /// Enough for every rule to see what another one made.
    pub const DEFAULT: Limits = Limits { iterations: 12, growth: 8 };
}

/// How the search ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How often all rules were tried.
    pub iterations: usize,
    /// Did the search end by itself, with nothing left to find?
    pub saturated: bool,
    /// How often each rule found something, by name, in the order of the names.
    pub applied: Vec<(String, usize)>,
}

/// Optimizes a program: the same outputs, under the same names.
pub fn optimize(program: &Program, limits: Limits) -> (Program, Report) {
    let mut egraph = EGraph::new(folding::TypesAndNumbers);
    let classes = insert(program, &mut egraph);
    egraph.rebuild();
    let runner = Runner::new(folding::TypesAndNumbers)
        .with_egraph(egraph)
        .with_scheduler(SimpleScheduler)
        .with_iter_limit(limits.iterations)
        .with_node_limit(1_000 + limits.growth * program.nodes.len())
        .with_time_limit(Duration::MAX)
        .run(&rules::all());
    let report = report(&runner);
    let choices = extract::cheapest(&runner.egraph);
    (Rebuild::new(program, &runner.egraph, &classes, &choices).run(), report)
}

fn report(runner: &Runner<Term, folding::TypesAndNumbers>) -> Report {
    let mut applied: std::collections::BTreeMap<String, usize> = Default::default();
    for (rule, times) in runner.iterations.iter().flat_map(|iteration| &iteration.applied) {
        *applied.entry(rule.to_string()).or_default() += times;
    }
    Report {
        iterations: runner.iterations.len(),
        saturated: matches!(runner.stop_reason, Some(StopReason::Saturated)),
        applied: applied.into_iter().collect(),
    }
}

/// Puts a program into an e-graph; gives the class of every value.
fn insert(program: &Program, egraph: &mut EGraph<Term, folding::TypesAndNumbers>) -> HashMap<Value, Id> {
    let mut classes: HashMap<Value, Id> = HashMap::new();
    for (place, node) in program.nodes.iter().enumerate() {
        let term = match &node.op {
            Op::Leaf(leaf) => {
                // Two inputs of one type are two tensors; two equal constants are one.
                let name =
                    if matches!(leaf, Leaf::Constant { .. }) { "" } else { node.results[0].name.as_str() };
                Term::Leaf(name.to_owned(), leaf.clone())
            }
            op => {
                let operands = node.operands.iter().map(|operand| match operand {
                    Operand::Absent => egraph.add(Term::Absent),
                    Operand::Literal(literal) => egraph.add(Term::Literal(*literal)),
                    Operand::Value(value) => classes[value],
                });
                let operands: Vec<Id> = operands.collect();
                Term::apply(op, operands, egraph)
            }
        };
        let whole = egraph.add(term);
        for result in 0..node.results.len() as u32 {
            let class = match node.results.len() {
                1 => whole,
                _ => egraph.add(Term::Result(result, whole)),
            };
            classes.insert(Value { node: place as u32, result }, class);
        }
    }
    classes
}

/// Builds the program of the chosen forms.
struct Rebuild<'a> {
    program: &'a Program,
    egraph: &'a EGraph<Term, folding::TypesAndNumbers>,
    classes: &'a HashMap<Value, Id>,
    choices: &'a HashMap<Id, Choice>,
    /// By class: what is known of the first value of the old program that is in it.
    origin: HashMap<Id, Value>,
    built: HashMap<Id, Operand>,
    nodes: Vec<Node>,
}

impl<'a> Rebuild<'a> {
    fn new(
        program: &'a Program,
        egraph: &'a EGraph<Term, folding::TypesAndNumbers>,
        classes: &'a HashMap<Value, Id>,
        choices: &'a HashMap<Id, Choice>,
    ) -> Rebuild<'a> {
        let mut origin: HashMap<Id, Value> = HashMap::new();
        let mut values: Vec<(&Value, &Id)> = classes.iter().collect();
        values.sort();
        for (value, class) in values {
            let class = egraph.find(*class);
            // A layer's own name says more than that of a step within it; so does the last one's.
            let better = |known: &Value| is_inner(program, *known) && !is_inner(program, *value);
            origin
                .entry(class)
                .and_modify(|known| *known = if better(known) { *value } else { *known })
                .or_insert(*value);
        }
        Rebuild { program, egraph, classes, choices, origin, built: HashMap::new(), nodes: vec![] }
    }

    fn run(mut self) -> Program {
        let needed = self.needed();
        let mut order: Vec<(Option<Value>, Id)> =
            needed.iter().map(|class| (self.origin.get(class).copied(), *class)).collect();
        order.sort_by_key(|(origin, class)| (origin.is_none(), *origin, *class));
        for (value, _) in self.program.inputs() {
            self.build(self.class(value));
        }
        for (_, class) in order {
            self.build(class);
        }
        self.annotate_masks();
        let outputs = self.program.outputs.iter().map(|output| ProgramOutput {
            name: output.name.clone(),
            operand: match &output.operand {
                Operand::Value(value) => self.built[&self.class(*value)].clone(),
                other => other.clone(),
            },
        });
        let outputs = outputs.collect();
        Program {
            name: self.program.name.clone(),
            semantics: self.program.semantics,
            nodes: self.nodes,
            outputs,
        }
    }

    fn class(&self, value: Value) -> Id {
        self.egraph.find(self.classes[&value])
    }

    /// The classes that outputs need, masks of needed values among them.
    fn needed(&self) -> Vec<Id> {
        let outputs = self.program.outputs.iter().filter_map(|output| output.operand.value());
        let mut open: Vec<Id> = outputs.map(|value| self.class(value)).collect();
        let mut seen: std::collections::HashSet<Id> = Default::default();
        let mut needed = vec![];
        while let Some(class) = open.pop() {
            if !seen.insert(class) {
                continue;
            }
            if let Some(choice) = self.choices.get(&class) {
                open.extend(
                    egg::Language::children(&choice.term).iter().map(|child| self.egraph.find(*child)),
                );
            }
            if let Some(mask) = self.origin.get(&class).and_then(|value| self.program.result(*value).mask) {
                open.push(self.class(mask));
            }
            needed.push(class);
        }
        needed
    }

    /// Builds a class and all that its chosen form is made of, parts first.
    fn build(&mut self, class: Id) {
        let mut open = vec![class];
        while let Some(&class) = open.last() {
            if self.built.contains_key(&class) {
                open.pop();
                continue;
            }
            let term = &self.choices[&class].term;
            let missing = egg::Language::children(term).iter().map(|child| self.egraph.find(*child));
            let missing: Vec<Id> = missing.filter(|child| !self.built.contains_key(child)).collect();
            if missing.is_empty() {
                let operand = self.emit(class, term.clone());
                self.built.insert(class, operand);
                open.pop();
            } else {
                open.extend(missing.into_iter().rev());
            }
        }
    }

    fn emit(&mut self, class: Id, term: Term) -> Operand {
        let (op, children) = match term {
            // Attributes are no operands: they are read where they are applied.
            Term::Absent | Term::Attributes(_) => return Operand::Absent,
            Term::Literal(literal) => return Operand::Literal(literal),
            Term::Leaf(_, leaf) => (Op::Leaf(leaf), vec![]),
            Term::Result(result, whole) => return self.name_result(class, result, whole),
            Term::Apply(mnemonic, children) => match self.attributes(&children) {
                Some(op) => (op, children[..children.len() - 1].to_vec()),
                None => (term::plain(mnemonic), children.to_vec()),
            },
        };
        let operands = children.iter().map(|child| self.built[&self.egraph.find(*child)].clone()).collect();
        let types = self.egraph[class].data.types.clone();
        let results = types.into_iter().enumerate().map(|(result, ty)| ResultInfo {
            name: if result == 0 {
                self.name(class, op.info().mnemonic)
            } else {
                self.fresh(op.info().mnemonic)
            },
            ty,
            mask: None,
        });
        let results = results.collect();
        let node = self.nodes.len() as u32;
        self.nodes.push(Node { op, operands, results });
        Operand::Value(Value { node, result: 0 })
    }

    fn attributes(&self, children: &[Id]) -> Option<Op> {
        let last = children.last()?;
        self.egraph[*last].nodes.iter().find_map(|term| match term {
            Term::Attributes(op) => Some(op.clone()),
            _ => None,
        })
    }

    /// One result of a node that was built before; it gets the name that its class has.
    fn name_result(&mut self, class: Id, result: u32, whole: Id) -> Operand {
        let Operand::Value(value) = self.built[&self.egraph.find(whole)] else { return Operand::Absent };
        if let Some(origin) = self.origin.get(&class) {
            let name = self.program.result(*origin).name.clone();
            self.nodes[value.node as usize].results[result as usize].name = name;
        }
        Operand::Value(Value { node: value.node, result })
    }

    fn name(&self, class: Id, mnemonic: &str) -> String {
        self.origin
            .get(&class)
            .map_or_else(|| self.fresh(mnemonic), |value| self.program.result(*value).name.clone())
    }

    /// Names of values that the old program did not have; `new/` keeps them apart from all others.
    fn fresh(&self, mnemonic: &str) -> String {
        format!("new/{mnemonic}.{}", self.nodes.len())
    }

    /// Writes the masks beside the values, where both are in the new program.
    fn annotate_masks(&mut self) {
        for (class, operand) in &self.built {
            let mask = self.origin.get(class).and_then(|value| self.program.result(*value).mask);
            let mask = mask.and_then(|mask| self.built.get(&self.class(mask))).and_then(Operand::value);
            if let (Operand::Value(value), Some(mask)) = (operand, mask) {
                // A mask must stand before what it belongs to.
                if mask.node < value.node {
                    self.nodes[value.node as usize].results[value.result as usize].mask = Some(mask);
                }
            }
        }
    }
}

/// Is the value a step within a layer, and not what the layer gives?
fn is_inner(program: &Program, value: Value) -> bool {
    program.result(value).name.contains('/')
}
