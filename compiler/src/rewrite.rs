//! Optimization as equality saturation: the program becomes an e-graph (egg), rules add equal forms, and the
//! cheapest form of every value comes back as a program. That is done over again until it can change nothing, so that
//! an optimized program is its own optimized program. Once is enough where the search ended by itself: what rules find
//! in the new program they found before, as its terms were all there. Only a rule that must not do work twice may find
//! more when others no longer read what it replaces; then there is another round.
//!
//! What egg makes of a program must depend on the program alone: the search is bounded by nodes and iterations,
//! never by time, egg is built with insertion-ordered maps, and where forms cost the same, the program's own one
//! stays. Equal expressions become one node on the way in, so common subexpressions are shared without a rule. A
//! loop's body is an attribute of the loop: nothing looks into it.

mod apply;
mod by_class;
mod extract;
mod facts;
mod numbers;
mod rebuild;
pub mod rules;
mod term;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use egg::{EGraph, Id, Language, Runner, SimpleScheduler, StopReason};
use masque_ir::ops::Op;
use masque_ir::program::{Operand, Program, Value};

use extract::Prefer;
use facts::Knowledge;
use rules::Rule;
use smallvec::{SmallVec, smallvec};
use term::Term;

/// The e-graph of a program.
type Graph = EGraph<Term, Knowledge>;

/// How far the search may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How often the program may be optimized over again.
    pub rounds: usize,
    /// How often all rules are tried in a round.
    pub iterations: usize,
    /// How many nodes the e-graph may have for each node of the program; small programs may have more.
    pub growth: usize,
}

impl Limits {
    /// Enough for every rule to see what another one made.
    pub const DEFAULT: Limits = Limits { rounds: 8, iterations: 12, growth: 8 };
}

/// How the search went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How often the program was optimized, at most as often as the limit says.
    pub rounds: usize,
    /// How often all rules were tried, in all rounds.
    pub iterations: usize,
    /// Did every round end by itself, with nothing left to find?
    pub saturated: bool,
    /// How often each rule found something, by name.
    pub applied: BTreeMap<String, usize>,
}

/// Optimizes a program: the same outputs, under the same names.
pub fn optimize(program: &Program, limits: Limits) -> (Program, Report) {
    rounds(program, limits, &mut |_| {})
}

/// Optimizes a program, and shows what each round leaves.
pub(crate) fn rounds(program: &Program, limits: Limits, seen: &mut dyn FnMut(&Program)) -> (Program, Report) {
    let mut report = Report { saturated: true, ..Report::default() };
    let mut current = Cow::Borrowed(program);
    while report.rounds < limits.rounds {
        let saturated = saturate(&current, rules::RULES, limits);
        report.add(&saturated.runner);
        let (next, last) = (saturated.cheapest(), saturated.is_final());
        drop(saturated);
        seen(&next);
        let changed = next != *current;
        current = Cow::Owned(next);
        if last || !changed {
            break;
        }
    }
    (current.into_owned(), report)
}

impl Report {
    fn add(&mut self, runner: &Runner<Term, Knowledge>) {
        self.rounds += 1;
        self.iterations += runner.iterations.len();
        self.saturated &= matches!(runner.stop_reason, Some(StopReason::Saturated));
        for (rule, times) in runner.iterations.iter().flat_map(|iteration| &iteration.applied) {
            *self.applied.entry(rule.to_string()).or_default() += times;
        }
    }
}

/// A program and everything that rules found equal to its parts.
pub struct Saturated<'a> {
    program: &'a Program,
    runner: Runner<Term, Knowledge>,
    places: Places,
    waits: Waits,
}

/// Did a rule find its left side in this iteration, and somebody else who reads a part of it?
type Waits = Arc<AtomicBool>;

/// Finds all forms of a program that some rules lead to.
pub fn saturate<'a, 'r>(
    program: &'a Program,
    rules: impl IntoIterator<Item = &'r Rule>,
    limits: Limits,
) -> Saturated<'a> {
    let (graph, places) = insert(program);
    let waits = Waits::default();
    let rules: Vec<_> = rules.into_iter().map(|rule| apply::rewrite(rule, &waits)).collect();
    let iteration = waits.clone();
    let runner = Runner::new(Knowledge::default())
        .with_egraph(graph)
        .with_scheduler(SimpleScheduler)
        .with_iter_limit(limits.iterations)
        .with_node_limit(1_000 + limits.growth * program.nodes.len())
        .with_time_limit(Duration::MAX)
        .with_hook(move |_| {
            iteration.store(false, Ordering::Relaxed);
            Ok(())
        })
        .run(&rules);
    Saturated { program, runner, places, waits }
}

impl Saturated<'_> {
    /// The cheapest forms; where several are, the program's own.
    pub fn cheapest(&self) -> Program {
        self.extract(Prefer::Old)
    }

    /// The cheapest forms; where several are, those that rules found. Whoever tests a rule looks at them.
    pub fn newest(&self) -> Program {
        self.extract(Prefer::New)
    }

    /// Would a search in the program of the cheapest forms find nothing more?
    fn is_final(&self) -> bool {
        matches!(self.runner.stop_reason, Some(StopReason::Saturated)) && !self.waits.load(Ordering::Relaxed)
    }

    /// How the search went.
    pub fn report(&self) -> Report {
        let mut report = Report { saturated: true, ..Report::default() };
        report.add(&self.runner);
        report
    }

    fn extract(&self, prefer: Prefer) -> Program {
        let graph = &self.runner.egraph;
        let choices = extract::cheapest(graph, &self.places.terms, prefer);
        let program = rebuild::rebuild(self.program, graph, &self.places, &choices);
        debug_assert_eq!(masque_ir::verify::program(&program).map_err(|wrong| wrong.to_string()), Ok(()));
        program
    }
}

/// Where a program's values are in its e-graph. Values that nobody needs are nowhere.
#[derive(Default)]
struct Places {
    /// By node and result.
    classes: Vec<SmallVec<[Id; 1]>>,
    /// The nodes' own terms, in order, with their classes.
    terms: Vec<(Id, Term)>,
}

impl Places {
    fn class(&self, graph: &Graph, value: Value) -> Option<Id> {
        let results = self.classes.get(value.node as usize)?;
        results.get(value.result as usize).map(|class| graph.find(*class))
    }
}

/// Puts what is needed of a program into an e-graph.
fn insert(program: &Program) -> (Graph, Places) {
    let mut graph = Graph::new(Knowledge::of(program));
    let mut places = Places::default();
    for (node, live) in program.nodes.iter().zip(program.live(true)) {
        if !live && !matches!(&node.op, Op::Leaf(leaf) if leaf.is_given()) {
            places.classes.push(smallvec![]);
            continue;
        }
        let operands = node.operands.iter().map(|operand| operand_class(operand, &mut graph, &places));
        let operands: term::Children = operands.collect();
        let term = match &node.op {
            Op::Leaf(leaf) => Term::leaf(leaf, &node.results[0].name),
            op => Term::apply(op, operands, &mut graph),
        };
        let whole = graph.add(term.clone());
        places.terms.push((whole, term));
        let classes = match node.results.len() {
            1 => smallvec![whole],
            results => (0..results as u32).map(|result| graph.add(Term::Result(result, whole))).collect(),
        };
        debug_assert!(
            node.results
                .iter()
                .zip(&classes)
                .all(|(result, class)| { graph[*class].data.types.as_slice() == [result.ty.clone()] })
        );
        places.classes.push(classes);
    }
    let given = program.outputs.iter().filter_map(|output| output.operand.value());
    let given = given.filter_map(|value| places.class(&graph, value)).collect();
    graph.add(Term::Outputs(given));
    graph.rebuild();
    (graph, places)
}

fn operand_class(operand: &Operand, graph: &mut Graph, places: &Places) -> Id {
    match operand {
        Operand::Absent => graph.add(Term::Absent),
        Operand::Literal(literal) => graph.add(Term::Literal(numbers::canonical(*literal))),
        Operand::Value(value) => {
            places.class(graph, *value).expect("what a needed node reads is needed and stands before it")
        }
    }
}

/// A term whose children are named after their classes.
fn canonical(graph: &Graph, term: &Term) -> Term {
    term.clone().map_children(|child| graph.find(child))
}
