//! Where padding lies along the axes of a value: cases of positions.
//!
//! An axis that runs over padded sequences falls into *cases*: positions where a mask holds, and positions where it
//! does not. Whatever is known of a value is known for each case. Cases only tell apart, they claim nothing: a value
//! that has nothing to do with a mask has the same facts in all of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use masque_ir::Dim;

/// An axis of padded sequences: all axes of that size that masks lie over, or that meet such an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Base {
    /// Its size.
    pub size: Dim,
    /// How many masks lie over it.
    pub masks: u32,
}

/// The axes of padded sequences in a program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bases {
    /// Each of them.
    pub all: Vec<Base>,
    symbols: BTreeSet<Arc<str>>,
}

impl Bases {
    /// The axis of that size.
    pub fn of(&self, size: &Dim) -> Option<usize> {
        self.all.iter().position(|base| base.size == *size)
    }

    /// Adds a mask over an axis of that size: its axis and its place there. `None` where there are too many.
    pub fn add(&mut self, size: &Dim) -> Option<(usize, u32)> {
        let base = self.of(size).unwrap_or_else(|| {
            self.all.push(Base { size: size.clone(), masks: 0 });
            self.symbols.extend(size.symbols());
            self.all.len() - 1
        });
        let masks = &mut self.all[base].masks;
        *masks += 1;
        (*masks <= MOST_MASKS).then_some((base, *masks - 1)).or_else(|| {
            *masks = MOST_MASKS;
            None
        })
    }

    /// Does this size grow when sequences are padded further?
    pub fn grows(&self, size: &Dim) -> bool {
        size.symbols().iter().any(|symbol| self.symbols.contains(symbol))
    }
}

/// More masks over one axis are not told apart.
const MOST_MASKS: u32 = 3;

/// A run of positions of an axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// How many.
    pub size: Dim,
    /// The axis of padded sequences that they are; none if nothing there is padding.
    pub base: Option<usize>,
    /// From the last one to the first?
    pub reversed: bool,
}

/// An axis, or one of several that a reshape made into one.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Its size.
    pub size: Dim,
    /// What it runs over; empty if that is nothing padded, or in no order that is known.
    pub segments: Vec<Segment>,
}

impl Factor {
    /// An axis of which nothing is known but the size.
    pub fn plain(size: &Dim) -> Factor {
        Factor { size: size.clone(), segments: vec![] }
    }

    /// An axis of padded sequences.
    pub fn over(base: usize, bases: &Bases) -> Factor {
        let size = bases.all[base].size.clone();
        Factor { segments: vec![Segment { size: size.clone(), base: Some(base), reversed: false }], size }
    }

    /// Is it of unknown order?
    pub fn is_plain(&self) -> bool {
        self.segments.is_empty()
    }

    /// How many cases it has.
    pub fn cases(&self, bases: &Bases) -> usize {
        self.segments.iter().map(|segment| segment.cases(bases)).sum::<usize>().max(1)
    }

    /// The segment of a case, and which masks do not hold there, as bits.
    pub fn case(&self, mut case: usize, bases: &Bases) -> Option<(&Segment, usize)> {
        for segment in &self.segments {
            let cases = segment.cases(bases);
            if case < cases {
                return Some((segment, case));
            }
            case -= cases;
        }
        None
    }

    /// Is there a mask that does not hold in this case?
    pub fn is_padded(&self, case: usize, bases: &Bases) -> bool {
        self.case(case, bases).is_some_and(|(_, bits)| bits > 0)
    }

    /// Does no mask hold in this case?
    pub fn is_only_padding(&self, case: usize, bases: &Bases) -> bool {
        self.case(case, bases).is_some_and(|(segment, bits)| bits > 0 && bits + 1 == segment.cases(bases))
    }

    /// The axis of padded sequences that it is, in order and with nothing before or behind.
    pub fn whole(&self) -> Option<usize> {
        match self.segments.as_slice() {
            [segment] if !segment.reversed => segment.base,
            _ => None,
        }
    }
}

impl Segment {
    /// How many cases it has.
    pub fn cases(&self, bases: &Bases) -> usize {
        self.base.map_or(1, |base| 1 << bases.all[base].masks)
    }
}

/// The factors of an axis; none for an axis of size 1.
pub type Axis = Vec<Factor>;

/// The axes of a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout(pub Vec<Axis>);

impl Layout {
    /// Axes of these sizes. Those whose size only padded sequences have run over them.
    pub fn fresh(shape: &[Dim], bases: &Bases) -> Layout {
        Layout(shape.iter().map(|size| axis(size, bases)).collect())
    }

    /// Axes of these sizes, of which nothing is known.
    pub fn plain(shape: &[Dim]) -> Layout {
        let factors = |size: &Dim| if size.is_one() { vec![] } else { vec![Factor::plain(size)] };
        Layout(shape.iter().map(factors).collect())
    }

    /// All factors, in order.
    pub fn factors(&self) -> impl Iterator<Item = &Factor> {
        self.0.iter().flatten()
    }

    /// How many cases the value has.
    pub fn cases(&self, bases: &Bases) -> usize {
        self.factors().map(|factor| factor.cases(bases)).product()
    }

    /// A case as one case for each factor.
    pub fn split(&self, case: usize, bases: &Bases) -> Vec<usize> {
        split(self.factors(), case, bases)
    }

    /// One case for each factor as a case.
    pub fn join(&self, parts: &[usize], bases: &Bases) -> usize {
        self.factors().zip(parts).fold(0, |case, (factor, part)| case * factor.cases(bases) + part)
    }

    /// Does any axis grow with the padding?
    pub fn grows(&self, bases: &Bases) -> bool {
        self.factors().any(|factor| bases.grows(&factor.size))
    }

    /// The factors over padded sequences, each with its axis and whether it is padding in a case.
    pub fn sequences(&self, case: usize, bases: &Bases) -> Vec<(usize, bool)> {
        let parts = self.split(case, bases);
        let axes =
            self.0.iter().enumerate().flat_map(|(axis, factors)| factors.iter().map(move |f| (axis, f)));
        axes.zip(parts)
            .filter(|((_, factor), _)| !factor.is_plain())
            .map(|((axis, factor), part)| (axis, factor.is_padded(part, bases)))
            .collect()
    }

    /// Is a position of this case padding along any axis?
    pub fn is_padded(&self, case: usize, bases: &Bases) -> bool {
        self.sequences(case, bases).iter().any(|(_, padded)| *padded)
    }
}

/// A number in the mixed radix of the factors' cases.
pub fn split<'a>(factors: impl Iterator<Item = &'a Factor>, mut case: usize, bases: &Bases) -> Vec<usize> {
    let radix: Vec<usize> = factors.map(|factor| factor.cases(bases)).collect();
    let mut parts = vec![0; radix.len()];
    for (part, radix) in parts.iter_mut().zip(&radix).rev() {
        *part = case % radix;
        case /= radix;
    }
    parts
}

/// An axis of that size. A size that is no number belongs to the sequences that have it.
pub fn axis(size: &Dim, bases: &Bases) -> Axis {
    let base = bases.of(size).filter(|_| size.known().is_none());
    match base {
        _ if size.is_one() => vec![],
        Some(base) => vec![Factor::over(base, bases)],
        None => vec![Factor::plain(size)],
    }
}
