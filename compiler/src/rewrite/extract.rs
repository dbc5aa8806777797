//! Choosing the cheapest form of every class.
//!
//! The cost of a form is the pair (cost along its most expensive path, number of operations as a tree, which
//! saturates): both only grow from parts to wholes, so that one walk from cheap to dear finds every class's best
//! form (Knuth's generalization of Dijkstra's algorithm), in time linear in the forms but for the queue. Shared
//! parts make tree costs alone useless: a chain of residual additions doubles them at every step.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use egg::{EGraph, Id, Language};

use super::folding::TypesAndNumbers;
use super::term::Term;

/// Path cost, then tree size.
type Cost = (u64, u64);

/// The chosen form of a class.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) term: Term,
    cost: Cost,
}

/// What an operation costs: a pass over memory, whatever it computes on the way. Leaves are there already.
fn own_cost(term: &Term) -> u64 {
    match term {
        Term::Apply(..) => 10,
        _ => 1,
    }
}

/// The cheapest form of every class.
pub(super) fn cheapest(egraph: &EGraph<Term, TypesAndNumbers>) -> HashMap<Id, Choice> {
    // For every form: its class, and how many of its children have no cost yet.
    let mut forms: Vec<(Id, &Term, usize)> = vec![];
    let mut users: HashMap<Id, Vec<usize>> = HashMap::new();
    let mut queue: BinaryHeap<Reverse<(Cost, usize)>> = BinaryHeap::new();
    for class in egraph.classes() {
        for term in &class.nodes {
            let form = forms.len();
            let mut children: Vec<Id> = term.children().iter().map(|child| egraph.find(*child)).collect();
            children.sort_unstable();
            children.dedup();
            for child in &children {
                users.entry(*child).or_default().push(form);
            }
            if children.is_empty() {
                queue.push(Reverse(((own_cost(term), 1), form)));
            }
            forms.push((class.id, term, children.len()));
        }
    }
    let mut chosen: HashMap<Id, Choice> = HashMap::with_capacity(egraph.number_of_classes());
    while let Some(Reverse((cost, form))) = queue.pop() {
        let (class, term, _) = forms[form];
        if chosen.contains_key(&class) {
            continue;
        }
        chosen.insert(class, Choice { term: term.clone(), cost });
        for &user in users.get(&class).into_iter().flatten() {
            forms[user].2 -= 1;
            if forms[user].2 == 0 {
                let (_, term, _) = forms[user];
                queue.push(Reverse((cost_of(egraph, term, &chosen), user)));
            }
        }
    }
    chosen
}

fn cost_of(egraph: &EGraph<Term, TypesAndNumbers>, term: &Term, chosen: &HashMap<Id, Choice>) -> Cost {
    let parts = term.children().iter().filter_map(|child| chosen.get(&egraph.find(*child)));
    let (path, size) = parts.fold((0, 0u64), |(path, size), part| {
        (std::cmp::max(path, part.cost.0), size.saturating_add(part.cost.1))
    });
    (path.saturating_add(own_cost(term)), size.saturating_add(1))
}
