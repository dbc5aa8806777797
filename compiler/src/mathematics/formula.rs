//! Notation as a tree: formulas in which every index is explicit.
//!
//! A formula is one element of a tensor, as a function of its indices. The tree is what text and LaTeX are printed from,
//! and it can be evaluated: an index is a number, a sum is a loop, a name with indices is a definition or an array.
//! Indices and positions count from 0.

use masque_ir::activation::Activation;
use masque_ir::dim::Dim;
use masque_ir::ops::Elementwise;
use masque_ir::ops::attend::Blind;
use masque_ir::ty::DType;

use super::affine::Affine;

/// An index, and how many values it takes: 0 to `size - 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Var {
    /// The letter.
    pub name: String,
    /// The number of its values.
    pub size: Dim,
}

/// How elements become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fold {
    /// The sum; 0 of nothing.
    Sum,
    /// The product; 1 of nothing.
    Product,
    /// The largest element.
    Max,
    /// The smallest element.
    Min,
    /// The mean.
    Mean,
    /// Whether any element is true.
    Any,
    /// Whether all elements are true.
    All,
    /// How many elements are true.
    Count,
}

/// A formula; see the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub enum Formula {
    /// A number.
    Number(f64),
    /// An index, as a number.
    Index(Var),
    /// A size that only a run knows.
    Size(Dim),
    /// An element of what has a name: `x[b, t, i]`.
    Element(String, Vec<Formula>),
    /// An operation on numbers.
    Apply(Elementwise, Vec<Formula>),
    /// An activation function of a number.
    Activation(Activation, Box<Formula>),
    /// Elements folded into one along indices, where a condition holds.
    Fold {
        /// How.
        kind: Fold,
        /// The indices that run.
        over: Vec<Var>,
        /// The condition, if there is one.
        given: Option<Box<Formula>>,
        /// The elements.
        of: Box<Formula>,
    },
    /// An activation function along indices: its value at these indices.
    Along {
        /// Which function.
        function: Activation,
        /// The indices along which it looks.
        over: Vec<Var>,
        /// Which positions take part, and what the function is where none does.
        given: Option<(Box<Formula>, Blind)>,
        /// The elements.
        of: Box<Formula>,
    },
    /// The first value whose condition holds, or the last one.
    Cases(Vec<(Formula, Formula)>, Box<Formula>),
    /// An element of what a function without notation gives; [`Formula::Free`] is the axis along which it looks.
    Whole {
        /// The function.
        function: String,
        /// What it takes.
        of: Vec<Formula>,
        /// Its settings by name.
        settings: Vec<(String, String)>,
        /// The indices of the result along axes that the operands lack.
        at: Vec<Formula>,
    },
    /// All positions of an axis.
    Free,
}

/// `left = right`, for every value of the indices on the left.
#[derive(Clone, Debug, PartialEq)]
pub struct Equation {
    /// What is defined: an element.
    pub left: Formula,
    /// As what.
    pub right: Formula,
}

impl Formula {
    /// A size as a formula.
    pub(super) fn size(size: &Dim) -> Formula {
        size.known().map_or_else(|| Formula::Size(size.clone()), |size| Formula::Number(size as f64))
    }

    /// A number of an element type; truth values are words.
    pub(super) fn number(dtype: DType, number: f64) -> Formula {
        match (dtype, number != 0.0) {
            (DType::Bool, true) => Formula::Element("true".to_owned(), vec![]),
            (DType::Bool, false) => Formula::Element("false".to_owned(), vec![]),
            _ => Formula::Number(number),
        }
    }

    /// Both conditions.
    pub(super) fn both(a: Option<Formula>, b: Option<Formula>) -> Option<Formula> {
        match (a, b) {
            (Some(a), Some(b)) => Some(Formula::Apply(Elementwise::And, vec![a, b])),
            (a, b) => a.or(b),
        }
    }

    /// An operation; arithmetic on indices is simplified, and factors are written before what they multiply.
    pub(super) fn apply(op: Elementwise, mut of: Vec<Formula>) -> Formula {
        if let Some(index) = Affine::of_operation(&op, &of) {
            return index.formula();
        }
        match (&op, of.as_slice()) {
            (Elementwise::Ge, [a, b]) if a.is_index() && b.is_index() => {
                of.reverse();
                return Formula::Apply(Elementwise::Le, of);
            }
            (Elementwise::Gt, [a, b]) if a.is_index() && b.is_index() => {
                of.reverse();
                return Formula::Apply(Elementwise::Lt, of);
            }
            (Elementwise::Mul, [a, b]) if a == b => {
                return Formula::Apply(Elementwise::Pow, vec![of.swap_remove(0), Formula::Number(2.0)]);
            }
            (Elementwise::Add, [_, Formula::Number(0.0)]) => return of.swap_remove(0),
            _ => {}
        }
        match op {
            Elementwise::Mul => factors(of),
            op => Formula::Apply(op, of),
        }
    }

    /// Is it arithmetic on indices?
    pub(super) fn is_index(&self) -> bool {
        Affine::of(self).is_some()
    }

    /// Where an index is inside of an axis; nothing where it always is.
    pub(super) fn inside(index: &Formula, size: &Dim) -> Option<Formula> {
        let bounds = Affine::of(index).and_then(|index| index.bounds());
        let (low, high) = bounds.map_or((false, false), |(low, high)| {
            let rest = &(size - &Dim::constant(1)) - &high;
            (low.known().is_some_and(|low| low >= 0), rest.known().is_some_and(|rest| rest >= 0))
        });
        let above = Formula::Apply(Elementwise::Le, vec![Formula::Number(0.0), index.clone()]);
        let below = Formula::Apply(Elementwise::Lt, vec![index.clone(), Formula::size(size)]);
        Formula::both((!low).then_some(above), (!high).then_some(below))
    }

    /// Elements folded along indices. What adds nothing where a condition fails is left out by that condition; nested
    /// folds of a kind become one; an index that is only taken apart becomes two; a factor moves before a sum.
    pub(super) fn fold(kind: Fold, over: Vec<Var>, of: Formula) -> Formula {
        if over.is_empty() {
            return of;
        }
        let (condition, of) = conditional(kind, of);
        match of {
            Formula::Apply(Elementwise::Mul, mut parts)
                if kind == Fold::Sum
                    && matches!(parts.first(), Some(Formula::Number(_)))
                    && parts.len() == 2 =>
            {
                let rest = parts.pop().unwrap_or(Formula::Free);
                let sum = Formula::given(kind, over, condition, rest);
                Formula::Apply(Elementwise::Mul, vec![parts.remove(0), sum])
            }
            of => Formula::given(kind, over, condition, of),
        }
    }

    /// The same where a condition is known already.
    pub(super) fn given(
        kind: Fold,
        mut over: Vec<Var>,
        mut given: Option<Formula>,
        mut of: Formula,
    ) -> Formula {
        if let Formula::Fold { kind: inner, .. } = &of
            && *inner == kind
            && let Formula::Fold { over: more, given: condition, of: elements, .. } = of
        {
            over.extend(more);
            given = Formula::both(given, condition.map(|condition| *condition));
            of = *elements;
        }
        match of {
            Formula::Cases(arms, otherwise)
                if kind == Fold::Sum
                    && matches!(&arms[..], [(Formula::Number(1.0), _)])
                    && *otherwise == Formula::Number(0.0) =>
            {
                let condition = arms.into_iter().next().map_or(Formula::Free, |(_, condition)| condition);
                Formula::Fold { kind: Fold::Count, over, given: given.map(Box::new), of: Box::new(condition) }
            }
            of => Formula::Fold { kind, over, given: given.map(Box::new), of: Box::new(of) }.taken_apart(),
        }
    }

    /// Indices that occur only as `floor(k / n)` and `k mod n` become two indices each.
    fn taken_apart(self) -> Formula {
        let Formula::Fold { over, .. } = &self else { return self };
        for (place, var) in over.iter().enumerate() {
            let mut parts = Parts::default();
            self.visit(&mut |formula| parts.note(formula, &var.name));
            let Some((inner, outer)) = parts.sizes(&var.size) else { continue };
            let [high, low] = self.letters(&var.name);
            let (high, low) = (Var { name: high, size: outer }, Var { name: low, size: inner.clone() });
            let scaled =
                Formula::apply(Elementwise::Mul, vec![Formula::size(&inner), Formula::Index(high.clone())]);
            let index = Formula::apply(Elementwise::Add, vec![scaled, Formula::Index(low.clone())]);
            let Formula::Fold { kind, mut over, given, of } = self else { return self };
            over.splice(place..=place, [high, low]);
            let of = Box::new(of.substitute(&parts.name, &index));
            let given = given.map(|given| Box::new(given.substitute(&parts.name, &index)));
            return Formula::Fold { kind, over, given, of }.taken_apart();
        }
        self
    }

    /// Two letters for what one stood for: its own, if it is not used twice, and others that are free.
    fn letters(&self, name: &str) -> [String; 2] {
        let mut taken = vec![];
        self.visit(&mut |formula| {
            if let Formula::Index(var) = formula {
                taken.push(var.name.clone());
            }
        });
        let mut free = ["h", "d", "k", "l", "m", "n", "p", "q", "u", "v"]
            .into_iter()
            .filter(|letter| *letter != name && !taken.iter().any(|other| other == letter));
        [(); 2].map(|()| free.next().unwrap_or("x").to_owned())
    }

    /// Every part of the formula, from the outside.
    pub fn visit<'a>(&'a self, look: &mut impl FnMut(&'a Formula)) {
        look(self);
        self.parts().into_iter().for_each(|part| part.visit(look));
    }

    /// What it is made of directly.
    fn parts(&self) -> Vec<&Formula> {
        match self {
            Formula::Number(_) | Formula::Index(_) | Formula::Size(_) | Formula::Free => vec![],
            Formula::Element(_, parts) | Formula::Apply(_, parts) => parts.iter().collect(),
            Formula::Activation(_, of) => vec![of],
            Formula::Fold { given, of, .. } => given.iter().map(|given| &**given).chain([&**of]).collect(),
            Formula::Along { given, of, .. } => {
                given.iter().map(|(given, _)| &**given).chain([&**of]).collect()
            }
            Formula::Cases(arms, otherwise) => {
                arms.iter().flat_map(|(value, condition)| [value, condition]).chain([&**otherwise]).collect()
            }
            Formula::Whole { of, at, .. } => of.iter().chain(at).collect(),
        }
    }

    /// The formula with another formula for an index.
    pub(super) fn substitute(self, name: &str, with: &Formula) -> Formula {
        let all = |parts: Vec<Formula>| parts.into_iter().map(|part| part.substitute(name, with)).collect();
        let boxed = |part: Box<Formula>| Box::new(part.substitute(name, with));
        match self {
            Formula::Index(var) if var.name == name => with.clone(),
            Formula::Number(_) | Formula::Index(_) | Formula::Size(_) | Formula::Free => self,
            Formula::Element(of, at) => Formula::Element(of, all(at)),
            Formula::Apply(op, of) => Formula::apply(op, all(of)),
            Formula::Activation(f, of) => Formula::Activation(f, boxed(of)),
            Formula::Fold { kind, over, given, of } => {
                Formula::Fold { kind, over, given: given.map(boxed), of: boxed(of) }
            }
            Formula::Along { function, over, given, of } => {
                let given = given.map(|(given, blind)| (boxed(given), blind));
                Formula::Along { function, over, given, of: boxed(of) }
            }
            Formula::Cases(arms, otherwise) => {
                let arms = arms
                    .into_iter()
                    .map(|(value, condition)| {
                        (value.substitute(name, with), condition.substitute(name, with))
                    })
                    .collect();
                Formula::Cases(arms, boxed(otherwise))
            }
            Formula::Whole { function, of, settings, at } => {
                Formula::Whole { function, of: all(of), settings, at: all(at) }
            }
        }
    }

    /// Does it fold elements, or look along an index?
    pub(super) fn folds(&self) -> bool {
        let mut folds = false;
        self.visit(&mut |part| {
            folds |= matches!(part, Formula::Fold { .. } | Formula::Along { .. } | Formula::Whole { .. });
        });
        folds
    }

    /// How many names it reads.
    pub(super) fn elements(&self) -> usize {
        let mut count = 0;
        self.visit(&mut |part| count += usize::from(matches!(part, Formula::Element(..))));
        count
    }
}

/// A product, with a number before everything else.
fn factors(mut of: Vec<Formula>) -> Formula {
    let mut number = None;
    for part in &mut of {
        match part {
            Formula::Apply(Elementwise::Mul, inner)
                if number.is_none() && inner.len() == 2 && matches!(inner[0], Formula::Number(_)) =>
            {
                let rest = inner.swap_remove(1);
                number = inner.pop();
                *part = rest;
            }
            _ => {}
        }
    }
    if matches!(of.last(), Some(Formula::Number(_))) {
        of.reverse();
    }
    let product = Formula::Apply(Elementwise::Mul, of);
    match number {
        Some(number) => Formula::Apply(Elementwise::Mul, vec![number, product]),
        None => product,
    }
}

/// How an index is used by a formula.
#[derive(Default)]
struct Parts {
    name: String,
    /// What it is divided by.
    by: Vec<Dim>,
    /// How often it occurs, and how often within a division.
    found: [usize; 2],
}

impl Parts {
    fn note(&mut self, formula: &Formula, name: &str) {
        name.clone_into(&mut self.name);
        let is_it = |formula: &Formula| matches!(formula, Formula::Index(var) if var.name == name);
        self.found[0] += usize::from(is_it(formula));
        if let Formula::Apply(Elementwise::FloorDiv | Elementwise::Mod, of) = formula
            && let [index, by] = of.as_slice()
            && is_it(index)
            && let Some(by) = Affine::of(by).and_then(|by| by.constant())
        {
            self.found[1] += 1;
            self.by.push(by);
        }
    }

    /// The sizes of the inner and the outer index, if it is only taken apart.
    fn sizes(&self, size: &Dim) -> Option<(Dim, Dim)> {
        let inner = self.by.iter().min_by_key(|by| by.known().unwrap_or(i64::MAX))?;
        let whole = self.by.iter().all(|by| by.exact_div(inner).is_some());
        (whole && self.found[0] == self.found[1])
            .then(|| size.exact_div(inner))
            .flatten()
            .map(|outer| (inner.clone(), outer))
    }
}

/// Takes a condition out of what is folded, where failing it adds nothing.
fn conditional(kind: Fold, of: Formula) -> (Option<Formula>, Formula) {
    let neutral = |value: &Formula| match (kind, value) {
        (Fold::Sum, Formula::Number(number)) => *number == 0.0,
        (Fold::Max, Formula::Number(number)) => *number == f64::NEG_INFINITY,
        (Fold::Min, Formula::Number(number)) => *number == f64::INFINITY,
        _ => false,
    };
    match of {
        // Whether a condition holds is counted, not left out.
        Formula::Cases(arms, otherwise)
            if arms.len() == 1 && neutral(&otherwise) && arms[0].0 != Formula::Number(1.0) =>
        {
            let (value, condition) = arms.into_iter().next().unwrap_or((Formula::Free, Formula::Free));
            let (more, value) = conditional(kind, value);
            (Formula::both(Some(condition), more), value)
        }
        Formula::Apply(Elementwise::Mul, parts) if kind == Fold::Sum => {
            let mut given = None;
            let parts = parts.into_iter().map(|part| {
                let (condition, part) = conditional(kind, part);
                given = Formula::both(given.take(), condition);
                part
            });
            let parts = parts.collect();
            (given, Formula::apply(Elementwise::Mul, parts))
        }
        of => (None, of),
    }
}
