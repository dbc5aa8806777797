//! From operations to equations. A formula is written from the outside in: asked for one element of a value, an
//! operation asks for elements of its operands, so that whatever only moves elements becomes arithmetic on indices.
//! A value that is read once is written where it is read; one that is read more often, and one that would make a line
//! too long, gets a name and an equation of its own.

use std::collections::{BTreeSet, HashMap, HashSet};

use masque_ir::activation::Activation;
use masque_ir::dim::Dim;
use masque_ir::ops::{Elementwise, Leaf, Op, Shape};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::ty::Type;

use super::formula::{Equation, Formula, Var};
use super::indices::{fresh, letters};
use super::print::Form;

/// The names of values that have none: these letters, then the letters with numbers. No index is called so.
const LETTERS: [&str; 6] = ["a", "e", "f", "g", "o", "z"];

/// How deep formulas are nested before a part gets an equation of its own.
const DEEPEST: u32 = 24;

/// How many columns the operands of an operation take together before one of them gets an equation of its own.
const WIDEST: usize = 76;

/// How many columns the second writing of a value may take.
const LIGHT: usize = 38;

/// Equations about one call.
pub(super) struct Equations<'a> {
    pub(super) frames: Vec<Frame<'a>>,
    /// Functions that can be in what was taken apart.
    pub(super) functions: &'a [Activation],
    /// The names of constants.
    pub(super) constants: HashMap<(usize, Value), String>,
    /// What equations assume, in sentences.
    pub(super) notes: Vec<String>,
    /// The names of values and arrays.
    taken: HashSet<String>,
    /// Those of the rest of the model.
    elsewhere: &'a HashSet<&'a str>,
    /// Letters that arrays are called, and therefore no index.
    single: Vec<String>,
    /// The letters of indices around what is being written.
    pub(super) scope: Vec<String>,
    /// Is it within a sum that something is being written? A sum in a sum gets an equation of its own.
    pub(super) folding: bool,
    depth: u32,
    letters: usize,
}

/// A program whose values are written: that of the model, or the body of a loop.
pub(super) struct Frame<'a> {
    pub(super) program: &'a Program,
    /// Values that have a name.
    pub(super) named: HashMap<Value, String>,
    /// What the inputs of a body stand for.
    pub(super) inputs: HashMap<Value, Input<'a>>,
    /// The states that values are, at the end of a step.
    pub(super) states: HashMap<Value, String>,
    /// Names for values that shall have an equation of their own.
    pub(super) hints: HashMap<Value, &'static str>,
    /// Values whose axes with one position are left out.
    squeezed: HashSet<Value>,
    /// Values that are short enough to be written wherever they are read.
    light: HashSet<Value>,
    pub(super) uses: HashMap<Value, u32>,
    pub(super) equations: Vec<Equation>,
    /// The index of the step, in the body of a loop.
    pub(super) step: Option<Var>,
    /// What the results of a loop are called, by node.
    pub(super) loops: HashMap<u32, Vec<String>>,
}

/// What an input of a loop's body stands for.
pub(super) enum Input<'a> {
    /// The value of that name, at the step before.
    Carried(String),
    /// A position of a value outside.
    Sequence(usize, &'a Operand),
    /// A value outside.
    Constant(usize, &'a Operand),
}

impl<'a> Frame<'a> {
    pub(super) fn new(program: &'a Program, step: Option<Var>) -> Frame<'a> {
        Frame {
            program,
            named: HashMap::new(),
            inputs: HashMap::new(),
            states: HashMap::new(),
            hints: HashMap::new(),
            squeezed: HashSet::new(),
            light: HashSet::new(),
            uses: HashMap::new(),
            equations: vec![],
            step,
            loops: HashMap::new(),
        }
    }

    pub(super) fn node(&self, value: Value) -> &'a Node {
        &self.program.nodes[value.node as usize]
    }

    pub(super) fn ty(&self, operand: &Operand) -> Type {
        self.program.operand_type(operand).unwrap_or_else(|| Type::scalar(masque_ir::ty::DType::Bool))
    }

    /// The operand's node, if it is a value that an operation makes.
    pub(super) fn made(&self, operand: &Operand) -> Option<&'a Node> {
        operand.value().filter(|value| !self.named.contains_key(value)).map(|value| self.node(value))
    }

    /// The indices that are written of a value with a name.
    fn written(&self, value: Value, mut index: Vec<Formula>) -> Vec<Formula> {
        if self.squeezed.contains(&value) {
            let mut sizes = self.program.result(value).ty.shape.iter();
            index.retain(|_| sizes.next().is_none_or(|size| !size.is_one()));
        }
        self.stepped(index)
    }

    /// The indices of an element among those of the steps.
    pub(super) fn stepped(&self, mut index: Vec<Formula>) -> Vec<Formula> {
        if let Some(step) = &self.step {
            index.insert(index.len().min(1), Formula::Index(step.clone()));
        }
        index
    }
}

impl<'a> Equations<'a> {
    pub(super) fn new(
        program: &'a Program,
        named: HashMap<Value, String>,
        functions: &'a [Activation],
        elsewhere: &'a HashSet<&'a str>,
    ) -> Equations<'a> {
        let taken: HashSet<String> = named.values().cloned().collect();
        let names = taken.iter().map(String::as_str).chain(elsewhere.iter().copied());
        let single: BTreeSet<String> =
            names.filter(|name| name.chars().count() == 1).map(str::to_owned).collect();
        let frame = Frame { named, ..Frame::new(program, None) };
        Equations {
            frames: vec![frame],
            functions,
            constants: HashMap::new(),
            notes: vec![],
            taken,
            elsewhere,
            single: single.into_iter().collect(),
            scope: vec![],
            folding: false,
            depth: 0,
            letters: 0,
        }
    }

    pub(super) fn finish(mut self) -> (Vec<Equation>, Vec<String>) {
        (std::mem::take(&mut self.frames[0].equations), self.notes)
    }

    /// The values with names that the equations read.
    pub(super) fn read(&self) -> HashSet<Value> {
        let mut names = HashSet::new();
        for equation in &self.frames[0].equations {
            equation.right.visit(&mut |part| {
                if let Formula::Element(name, _) = part {
                    names.insert(name.as_str());
                }
            });
        }
        let named = self.frames[0].named.iter().filter(|(_, name)| names.contains(name.as_str()));
        named.map(|(value, _)| *value).collect()
    }

    /// Writes how a value with a name is computed.
    pub(super) fn define(&mut self, value: Value) {
        let node = self.frames[0].node(value);
        if node.operands.is_empty() {
            return;
        }
        let Some(name) = self.frames[0].named.remove(&value) else { return };
        self.count(0, &Operand::Value(value));
        self.equation(0, value, &name);
        self.frames[0].named.insert(value, name);
    }

    /// Adds the equation of a value under a name.
    fn equation(&mut self, frame: usize, value: Value, name: &str) {
        let ty = self.frames[frame].program.result(value).ty.clone();
        let like = self.own_indices(frame, value);
        let index = self.indices(frame, &ty, like.as_deref());
        let right = self.alone(frame, index.clone(), |all| all.produced(frame, value, &index));
        let left = Formula::Element(name.to_owned(), self.frames[frame].stepped(index));
        self.frames[frame].equations.push(Equation { left, right });
    }

    /// Indices by the letters that attention has for its axes.
    fn own_indices(&self, frame: usize, value: Value) -> Option<Vec<Formula>> {
        let letters = self.attention_letters(frame, value)?;
        let sizes = self.frames[frame].program.result(value).ty.shape.iter();
        let var = |(letter, size): (&&str, &Dim)| Var { name: (*letter).to_owned(), size: size.clone() };
        Some(letters.iter().zip(sizes).map(|index| Formula::Index(var(index))).collect())
    }

    /// Writes something with these indices that is not part of what is being written.
    pub(super) fn alone<R>(
        &mut self,
        frame: usize,
        index: Vec<Formula>,
        write: impl FnOnce(&mut Self) -> R,
    ) -> R {
        let step = self.frames[frame].step.iter().map(|step| step.name.clone());
        let scope: Vec<String> = index.iter().filter_map(letter).chain(step).collect();
        let before = (std::mem::replace(&mut self.scope, scope), self.folding, self.depth);
        (self.folding, self.depth) = (false, 0);
        let written = write(self);
        (self.scope, self.folding, self.depth) = before;
        written
    }

    /// Indices for all elements of a type: those at hand where they are one letter each.
    pub(super) fn indices(&self, frame: usize, ty: &Type, like: Option<&[Formula]>) -> Vec<Formula> {
        let mut taken: Vec<String> = self.frames[frame].step.iter().map(|step| step.name.clone()).collect();
        taken.extend(self.single.iter().cloned());
        let like = like.filter(|like| like.len() == ty.rank());
        let wanted = letters(ty);
        let mut index = vec![];
        for (axis, size) in ty.shape.iter().enumerate() {
            let at_hand = like.and_then(|like| letter(&like[axis])).filter(|name| !taken.contains(name));
            let name = at_hand.unwrap_or_else(|| fresh(wanted[axis], &taken));
            taken.push(name.clone());
            index.push(Formula::Index(Var { name, size: size.clone() }));
        }
        // An axis with one position needs no letter.
        let one = |(index, size): (Formula, &Dim)| match size.is_one() {
            true => Formula::Number(0.0),
            false => index,
        };
        index.into_iter().zip(ty.shape.iter()).map(one).collect()
    }

    /// A name that nothing has.
    pub(super) fn name(&mut self, wanted: Option<&str>) -> String {
        let mut round = 0;
        loop {
            let name = match wanted {
                Some(wanted) if round == 0 => wanted.to_owned(),
                Some(wanted) => format!("{wanted}{}", round + 1),
                None => {
                    let (letter, number) =
                        (LETTERS[self.letters % LETTERS.len()], self.letters / LETTERS.len());
                    self.letters += 1;
                    if number == 0 { letter.to_owned() } else { format!("{letter}{number}") }
                }
            };
            round += 1;
            if !self.elsewhere.contains(name.as_str()) && self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// Counts how often each value below an operand is written, up to those that have names.
    pub(super) fn count(&mut self, frame: usize, operand: &Operand) {
        let Some(value) = operand.value() else { return };
        if self.frames[frame].named.contains_key(&value) {
            return;
        }
        let uses = self.frames[frame].uses.entry(value).or_insert(0);
        *uses += 1;
        if *uses > 1 && !moves(&self.frames[frame].node(value).op) {
            return;
        }
        for operand in self.written_of(frame, value) {
            self.count(frame, &operand);
        }
    }

    /// An element of an operand.
    pub(super) fn element(&mut self, frame: usize, operand: &Operand, index: Vec<Formula>) -> Formula {
        let value = match operand {
            Operand::Value(value) => *value,
            Operand::Literal(literal) => return Formula::number(literal.dtype, literal.number.0),
            Operand::Absent => return Formula::Element("nothing".to_owned(), vec![]),
        };
        if let Some(known) = self.known(frame, value, &index) {
            return known;
        }
        let at = &self.frames[frame];
        let can = !moves(&at.node(value).op) || at.hints.contains_key(&value);
        if can && self.wants_name(frame, value, &index) {
            let hint = self.frames[frame].hints.get(&value).copied();
            self.hoist(frame, value, Some(&index), hint);
            if let Some(known) = self.known(frame, value, &index) {
                return known;
            }
        }
        self.depth += 1;
        let formula = self.produced(frame, value, &index);
        self.depth -= 1;
        formula
    }

    /// An element of what has a name, or comes from outside.
    fn known(&mut self, frame: usize, value: Value, index: &[Formula]) -> Option<Formula> {
        let at = &self.frames[frame];
        if let Some(name) = at.named.get(&value) {
            return Some(Formula::Element(name.clone(), at.written(value, index.to_vec())));
        }
        let step = at.step.clone().map_or(Formula::Number(0.0), Formula::Index);
        let with = |step: Formula| {
            let mut index = index.to_vec();
            index.insert(index.len().min(1), step);
            index
        };
        match at.inputs.get(&value)? {
            Input::Carried(name) => {
                let before = Formula::apply(Elementwise::Sub, vec![step, Formula::Number(1.0)]);
                Some(Formula::Element(name.clone(), with(before)))
            }
            Input::Sequence(outside, operand) => {
                let (outside, operand, index) = (*outside, *operand, with(step));
                Some(self.element(outside, operand, index))
            }
            Input::Constant(outside, operand) => {
                let (outside, operand) = (*outside, *operand);
                Some(self.element(outside, operand, index.to_vec()))
            }
        }
    }

    /// Shall a value be written in an equation of its own?
    fn wants_name(&mut self, frame: usize, value: Value, index: &[Formula]) -> bool {
        let at = &self.frames[frame];
        if at.hints.contains_key(&value) || self.depth > DEEPEST {
            return true;
        }
        if at.uses.get(&value).is_some_and(|uses| *uses > 1) && !at.light.contains(&value) {
            return true;
        }
        if let Some(hint) = self.means(frame, value) {
            self.frames[frame].hints.insert(value, hint);
            return true;
        }
        let along = self.softmax(frame, value).is_some_and(|softmax| !distinct(index, &softmax.axes));
        along || self.folding && folds(&self.frames[frame].node(value).op)
    }

    /// Gives a value a name and an equation, unless it is so short that it is written wherever it is read.
    pub(super) fn hoist(&mut self, frame: usize, value: Value, like: Option<&[Formula]>, hint: Option<&str>) {
        if self.frames[frame].named.contains_key(&value) || self.frames[frame].inputs.contains_key(&value) {
            return;
        }
        let own = self.own_indices(frame, value);
        let index =
            self.indices(frame, &self.frames[frame].program.result(value).ty, own.as_deref().or(like));
        let hint = hint.or_else(|| self.is_weighted(frame, value).then_some("context"));
        let right = self.alone(frame, index.clone(), |all| all.produced(frame, value, &index));
        let short =
            right.elements() <= 2 && !right.folds() && right.text(Form::Plain).chars().count() <= LIGHT;
        let state = self.frames[frame].states.get(&value).cloned();
        if short
            && hint.is_none()
            && state.is_none()
            && self.depth <= DEEPEST
            && !matches!(right, Formula::Cases(..))
        {
            self.frames[frame].light.insert(value);
            return;
        }
        let name = match state {
            Some(state) => state,
            None => {
                self.frames[frame].squeezed.insert(value);
                self.name(hint)
            }
        };
        let left = Formula::Element(name.clone(), self.frames[frame].written(value, index));
        self.frames[frame].equations.push(Equation { left, right });
        self.frames[frame].named.insert(value, name);
    }

    /// Elements of operands that are written beside one another: the widest ones get equations of their own until
    /// all of them fit into a line.
    pub(super) fn elements(&mut self, frame: usize, of: &[(&Operand, Vec<Formula>)]) -> Vec<Formula> {
        let mut written: Vec<Formula> =
            of.iter().map(|(operand, index)| self.element(frame, operand, index.clone())).collect();
        let width = |formula: &Formula| formula.text(Form::Plain).chars().count();
        let mut widths: Vec<usize> = written.iter().map(width).collect();
        let mut left: Vec<usize> = (0..of.len()).collect();
        while widths.iter().sum::<usize>() > WIDEST {
            let Some(&widest) = left.iter().max_by_key(|&&place| widths[place]) else { break };
            left.retain(|&place| place != widest);
            let Some(value) = of[widest].0.value().filter(|_| widths[widest] > LIGHT) else { continue };
            // An element of what has a name is as short as it gets.
            if matches!(written[widest], Formula::Element(..)) {
                continue;
            }
            self.hoist(frame, value, Some(&of[widest].1), None);
            written[widest] = self.element(frame, of[widest].0, of[widest].1.clone());
            widths[widest] = width(&written[widest]);
        }
        written
    }

    /// Elements below a sum.
    pub(super) fn folded(&mut self, frame: usize, of: &[(&Operand, Vec<Formula>)]) -> Vec<Formula> {
        let before = std::mem::replace(&mut self.folding, true);
        let written = self.elements(frame, of);
        self.folding = before;
        written
    }

    /// A letter that nothing around is called, in use until the scope is left.
    pub(super) fn bound(&mut self, wanted: &str, size: &Dim) -> Var {
        let taken: Vec<String> = self.scope.iter().chain(&self.single).cloned().collect();
        let name = fresh(wanted, &taken);
        self.scope.push(name.clone());
        Var { name, size: size.clone() }
    }

    /// Adds a sentence, once.
    pub(super) fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|other| other == note) {
            self.notes.push(note.to_owned());
        }
    }
}

/// The letter, if an index is one.
pub(super) fn letter(index: &Formula) -> Option<String> {
    match index {
        Formula::Index(var) => Some(var.name.clone()),
        _ => None,
    }
}

/// Are the indices along these axes letters, none of which occurs elsewhere?
pub(super) fn distinct(index: &[Formula], axes: &[usize]) -> bool {
    axes.iter().all(|&axis| {
        let Some(Formula::Index(var)) = index.get(axis) else { return false };
        let mut found = 0;
        index.iter().for_each(|index| {
            index.visit(&mut |part| {
                found += usize::from(matches!(part, Formula::Index(own) if own.name == var.name))
            })
        });
        found == 1
    })
}

/// Does it only move elements? Then it is arithmetic on indices, and never has a name.
pub(super) fn moves(op: &Op) -> bool {
    match op {
        Op::Shape(shape) => !matches!(shape, Shape::Concat { .. }),
        Op::Elementwise(Elementwise::Cast { .. }) | Op::Leaf(Leaf::Constant { .. }) => true,
        _ => false,
    }
}

/// Does it fold elements?
fn folds(op: &Op) -> bool {
    matches!(op, Op::Reduce(_) | Op::Product(_) | Op::Window(_))
}
