//! Rules as egg runs them.

use std::sync::atomic::Ordering;

use egg::{Applier, ENodeOrVar, Id, Language, Pattern, PatternAst, Rewrite, Subst, Symbol, Var};
use masque_ir::float::Float;
use masque_ir::ops::Op;

use super::facts::{Knowledge, attributes};
use super::rules::{Derive, Holds, Rule, When};
use super::term::Term;
use super::{Graph, Waits};

/// A rule for egg. What is wrong with a rule is wrong with the program: a test reads them all.
pub(super) fn rewrite(rule: &Rule, waits: &Waits) -> Rewrite<Term, Knowledge> {
    let applier = Typed {
        waits: waits.clone(),
        right: pattern(rule.right).ast,
        once: rule.once.map(|text| pattern(text).ast),
        condition: match rule.when {
            When::Always => Condition::Always,
            When::Number(name, number) => Condition::Number(var(name), Float(number)),
            When::Holds(names, holds) => Condition::Holds(vars(names), holds),
            When::Derive(names, derive) => Condition::Derive(vars(names), derive, var("?new")),
        },
    };
    Rewrite::new(rule.name, pattern(rule.left), applier).expect("egg takes every pattern for a searcher")
}

fn pattern(text: &str) -> Pattern<Term> {
    text.parse().unwrap_or_else(|wrong| panic!("`{text}` is no pattern: {wrong}"))
}

fn var(name: &str) -> Var {
    name.parse().unwrap_or_else(|wrong| panic!("`{name}` is no variable: {wrong}"))
}

fn vars(names: &[&str]) -> Vec<Var> {
    names.iter().map(|name| var(name)).collect()
}

/// [`When`] with its variables read.
enum Condition {
    Always,
    Number(Var, Float),
    Holds(Vec<Var>, Holds),
    Derive(Vec<Var>, Derive, Var),
}

/// Adds the right side, and joins it to the class if both have the same types.
struct Typed {
    right: PatternAst<Term>,
    once: Option<PatternAst<Term>>,
    condition: Condition,
    waits: Waits,
}

impl Typed {
    /// Does the rule hold? Then the variables, with what it computed.
    fn holds(&self, graph: &mut Graph, subst: &Subst) -> Option<Subst> {
        let mut subst = subst.clone();
        match &self.condition {
            Condition::Always => {}
            Condition::Number(var, number) => {
                graph[subst[*var]].data.number.filter(|literal| literal.number == *number)?;
            }
            Condition::Holds(vars, holds) => {
                holds(&read(graph, vars, &subst)?).then_some(())?;
            }
            Condition::Derive(vars, derive, new) => {
                let op = derive(&read(graph, vars, &subst)?)?;
                subst.insert(*new, graph.add(Term::Attributes(op.into())));
            }
        }
        if let Some(part) = &self.once
            && !read_once(graph, find(graph, part, &subst)?)
        {
            self.waits.store(true, Ordering::Relaxed);
            return None;
        }
        Some(subst)
    }
}

fn read<'g>(graph: &'g Graph, vars: &[Var], subst: &Subst) -> Option<Vec<&'g Op>> {
    vars.iter().map(|var| attributes(graph, subst[*var])).collect()
}

/// Is there only one value that is made of the class?
fn read_once(graph: &Graph, class: Id) -> bool {
    let mut readers = graph[class].parents().map(|reader| graph.find(reader));
    let first = readers.next();
    readers.all(|reader| Some(reader) == first)
}

impl Applier<Term, Knowledge> for Typed {
    fn apply_one(
        &self,
        graph: &mut Graph,
        class: Id,
        subst: &Subst,
        _: Option<&PatternAst<Term>>,
        rule: Symbol,
    ) -> Vec<Id> {
        let Some(subst) = self.holds(graph, subst) else { return vec![] };
        let right = instantiate(&self.right, &subst, |term| Some(graph.add(term)));
        let (left, right) = (graph.find(class), right.map_or(class, |right| graph.find(right)));
        if left == right || graph[left].data.types != graph[right].data.types {
            return vec![];
        }
        graph.union_trusted(left, right, rule);
        vec![left]
    }
}

/// The class of a pattern that is in the e-graph.
fn find(graph: &Graph, pattern: &PatternAst<Term>, subst: &Subst) -> Option<Id> {
    instantiate(pattern, subst, |term| graph.lookup(term))
}

fn instantiate(
    pattern: &PatternAst<Term>,
    subst: &Subst,
    mut class: impl FnMut(Term) -> Option<Id>,
) -> Option<Id> {
    let mut ids: Vec<Id> = vec![];
    for node in pattern.as_ref() {
        ids.push(match node {
            ENodeOrVar::Var(var) => subst[*var],
            ENodeOrVar::ENode(term) => class(term.clone().map_children(|child| ids[usize::from(child)]))?,
        });
    }
    ids.last().copied()
}
