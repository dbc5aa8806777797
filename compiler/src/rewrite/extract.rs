//! Choosing the cheapest form of every class.
//!
//! A form costs as much as its most expensive path: that only grows from parts to wholes, so one walk from cheap to
//! dear finds the least of every class (Knuth's generalization of Dijkstra's algorithm), in time linear in the forms
//! but for the queue, and never chooses a form that is part of itself. Of the forms with the shortest path, the one
//! with the cheapest operands is taken; sizes of trees would say the same, but in a chain of residual additions they
//! double at every step.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use egg::{Id, Language};
use smallvec::SmallVec;

use super::by_class::ByClass;
use super::term::Term;
use super::{Graph, canonical};

/// Which of two forms is taken that cost the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// One that the program had, the first if it had several.
    Old,
    /// One that it did not have.
    New,
}

/// The chosen form of every class that has one.
pub(super) type Choices<'a> = ByClass<&'a Term>;

/// What decides between forms of a class, the smallest being taken: the most expensive path, all operands together,
/// preference, and the order of the e-graph.
type Rank = (u64, u64, usize, usize);

/// What an operation costs: a pass over memory, whatever it computes on the way. Leaves are there already.
fn own_cost(term: &Term) -> u64 {
    match term {
        Term::Apply(..) => 10,
        _ => 1,
    }
}

/// A form that waits for the costs of its parts.
struct Form<'a> {
    class: Id,
    term: &'a Term,
    /// How many different parts have no cost yet.
    open: usize,
    preference: usize,
}

/// The cheapest form of every class. `own` are the terms of the program with their classes, in order.
pub(super) fn cheapest<'a>(graph: &'a Graph, own: &[(Id, Term)], prefer: Prefer) -> Choices<'a> {
    // Most classes have one form, and nothing to prefer.
    let mut old: HashMap<Term, usize> = HashMap::new();
    for (place, (class, term)) in own.iter().enumerate() {
        if graph[*class].len() > 1 {
            old.entry(canonical(graph, term)).or_insert(place);
        }
    }
    let mut forms: Vec<Form<'a>> = Vec::with_capacity(graph.total_size());
    let mut users: ByClass<SmallVec<[u32; 4]>> = ByClass::default();
    let mut queue: BinaryHeap<Reverse<Rank>> = BinaryHeap::new();
    let mut costs: ByClass<u64> = ByClass::default();
    for (class, term) in graph.classes().flat_map(|class| class.nodes.iter().map(|term| (class.id, term))) {
        let mut parts: SmallVec<[Id; 8]> = term.children().iter().map(|child| graph.find(*child)).collect();
        parts.sort_unstable();
        parts.dedup();
        for part in &parts {
            users.entry(*part).get_or_insert_default().push(forms.len() as u32);
        }
        let preference = match (prefer, old.get(term)) {
            (Prefer::Old, place) => place.copied().unwrap_or(usize::MAX),
            (Prefer::New, place) => usize::from(place.is_some()),
        };
        forms.push(Form { class, term, open: parts.len(), preference });
        if parts.is_empty() {
            queue.push(Reverse(rank(graph, &forms, forms.len() - 1, &costs)));
        }
    }
    let mut chosen = Choices::default();
    while let Some(Reverse((cost, _, _, place))) = queue.pop() {
        let Form { class, term, .. } = forms[place];
        if costs.contains(class) {
            continue;
        }
        costs.insert(class, cost);
        chosen.insert(class, term);
        for &user in users.get(class).into_iter().flatten() {
            let user = user as usize;
            forms[user].open -= 1;
            if forms[user].open == 0 {
                queue.push(Reverse(rank(graph, &forms, user, &costs)));
            }
        }
    }
    chosen
}

fn rank(graph: &Graph, forms: &[Form<'_>], place: usize, costs: &ByClass<u64>) -> Rank {
    let Form { term, preference, .. } = &forms[place];
    let parts = term.children().iter().filter_map(|child| costs.get(graph.find(*child)));
    let (longest, all) = parts.fold((0, 0), |(longest, all), &part| (part.max(longest), all + part));
    (longest + own_cost(term), all, *preference, place)
}
