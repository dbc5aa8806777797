//! From operations to equations: a value that is read once is written where it is read; one that is read more often gets
//! a letter and an equation of its own; a loop becomes a recurrence.

use std::collections::HashMap;

use masque_ir::activation::Activation;
use masque_ir::ops::{Notation, Op, Scan};
use masque_ir::program::{Builder, Node, Operand, Program, Value};
use masque_ir::text::print_number;
use masque_ir::ty::Type;
use serde_json::Value as Json;

use super::known;
use super::term::{Equation, Term};

/// The names of values that have none: a letter, then letters with numbers.
const LETTERS: [&str; 6] = ["a", "b", "d", "e", "u", "v"];

/// How deep terms are nested before a part gets an equation of its own.
const DEEPEST: u32 = 24;

/// Equations about one program.
pub(super) struct Equations<'a> {
    program: &'a Program,
    /// Values that have a name, as they are written.
    terms: HashMap<Value, Term>,
    /// Functions that can be in what was taken apart.
    functions: Vec<Activation>,
    uses: HashMap<Value, u32>,
    equations: Vec<Equation>,
    /// How many letters were given, to this program and those within.
    letters: usize,
}

impl<'a> Equations<'a> {
    pub(super) fn new(program: &'a Program, names: &HashMap<Value, String>) -> Equations<'a> {
        let terms = names.iter().map(|(value, name)| (*value, Term::symbol(name.clone()))).collect();
        Equations::of(program, terms, vec![], 0)
    }

    fn of(
        program: &'a Program,
        terms: HashMap<Value, Term>,
        functions: Vec<Activation>,
        letters: usize,
    ) -> Equations<'a> {
        Equations { program, terms, functions, uses: HashMap::new(), equations: vec![], letters }
    }

    pub(super) fn finish(self) -> Vec<Equation> {
        self.equations
    }

    /// Writes how a value with a name is computed: in its operations, and then those in what they are made of.
    pub(super) fn define(&mut self, operand: Operand) {
        let Operand::Value(value) = operand else { return };
        let node = &self.program.nodes[value.node as usize];
        if node.operands.is_empty() {
            return;
        }
        let Some(left) = self.terms.remove(&value) else { return };
        self.count(&operand);
        let right = self.term(&operand, 0);
        self.equations.push(Equation { left: left.clone(), right });
        self.terms.insert(value, left.clone());
        if value.result == 0 {
            self.meaning(node, left);
        }
    }

    /// What a composite means, in primitives.
    fn meaning(&mut self, node: &Node, left: Term) {
        let program = self.program;
        let mut builder = Builder::new("meaning", program.semantics);
        let mut terms = HashMap::new();
        let mut operands = vec![];
        for (place, operand) in node.operands.iter().enumerate() {
            let row = node.op.info().operands.get(place).map_or("x", |row| row.name);
            operands.push(match operand {
                Operand::Value(value) => {
                    let inside = builder.input(row, program.result(*value).ty.clone());
                    terms.extend(inside.value().map(|inside| (inside, self.terms.get(value).cloned())));
                    inside
                }
                other => other.clone(),
            });
        }
        let Some(Ok(results)) = node.op.decompose(&mut builder, &operands) else { return };
        let meaning = builder.finish();
        let terms = terms.into_iter().filter_map(|(value, term)| term.map(|term| (value, term))).collect();
        let functions = known::functions_of(&node.op.attributes());
        let mut within = Equations::of(&meaning, terms, functions, self.letters);
        within.count(&results[0]);
        let right = within.term(&results[0], 0);
        self.letters = within.letters;
        self.equations.append(&mut within.equations);
        // A formula that says no more than the line before says nothing.
        if self.equations.last().is_none_or(|last| last.right != right) {
            self.equations.push(Equation { left, right });
        }
    }

    /// Counts how often each value below an operand is read, up to those that have names.
    fn count(&mut self, operand: &Operand) {
        let Some(value) = operand.value() else { return };
        if self.terms.contains_key(&value) {
            return;
        }
        let uses = self.uses.entry(value).or_insert(0);
        *uses += 1;
        if *uses > 1 {
            return;
        }
        if let Some((_, inner)) = known::find(self.program, value, &self.functions) {
            return self.count(&inner);
        }
        for operand in &self.program.nodes[value.node as usize].operands {
            self.count(operand);
        }
    }

    fn term(&mut self, operand: &Operand, depth: u32) -> Term {
        let value = match operand {
            Operand::Value(value) => *value,
            Operand::Literal(literal) => return Term::Number(print_number(literal.dtype, literal.number)),
            Operand::Absent => return Term::symbol("nothing"),
        };
        if let Some(term) = self.terms.get(&value) {
            return term.clone();
        }
        let term = self.written(value, depth);
        let trivial = matches!(term, Term::Symbol(..) | Term::Number(_) | Term::Places(..));
        let often = self.uses.get(&value).is_some_and(|uses| *uses > 1);
        if trivial || !often && depth < DEEPEST {
            if trivial {
                self.terms.insert(value, term.clone());
            }
            return term;
        }
        let letter = self.letter();
        self.equations.push(Equation { left: letter.clone(), right: term });
        self.terms.insert(value, letter.clone());
        letter
    }

    /// The next letter that nothing is called.
    fn letter(&mut self) -> Term {
        let (letter, round) = (LETTERS[self.letters % LETTERS.len()], self.letters / LETTERS.len());
        self.letters += 1;
        Term::symbol(if round == 0 { letter.to_owned() } else { format!("{letter}{round}") })
    }

    fn written(&mut self, value: Value, depth: u32) -> Term {
        if let Some((function, inner)) = known::find(self.program, value, &self.functions) {
            let (word, parameters) = known::word(function);
            return Term::Function(word, vec![self.term(&inner, depth + 1)], parameters);
        }
        let program = self.program;
        let node = &program.nodes[value.node as usize];
        if let Op::Scan(scan) = &node.op {
            return self.recurrence(scan, node, value.result as usize, depth);
        }
        let types: Vec<Option<Type>> =
            node.operands.iter().map(|operand| program.operand_type(operand)).collect();
        let notation = node.op.notation(&types.iter().map(Option::as_ref).collect::<Vec<_>>());
        let present = node.operands.iter().filter(|operand| **operand != Operand::Absent);
        let mut terms: Vec<Term> = present.map(|operand| self.term(operand, depth + 1)).collect();
        match (&notation, terms.len()) {
            (Notation::Same, 1..) => terms.swap_remove(0),
            (Notation::Prefix { .. }, 1) => Term::Prefix(notation, Box::new(terms.swap_remove(0))),
            (Notation::Infix { .. }, 2) => {
                let right = terms.swap_remove(1);
                Term::Infix(notation, Box::new([terms.swap_remove(0), right]))
            }
            (Notation::Places(places), 1..) => {
                let mut rest = terms.split_off(1).into_iter();
                let place = |place: &Option<String>| match place {
                    Some(text) => Term::Number(text.clone()),
                    None => rest.next().unwrap_or(Term::symbol("nothing")),
                };
                let places = places.iter().map(place).collect();
                Term::Places(Box::new(terms.swap_remove(0)), places)
            }
            _ => Term::Function(node.op.info().mnemonic.to_owned(), terms, attributes(&node.op)),
        }
    }

    /// A loop over time: what is carried at step `t`, by what was carried at `t-1`.
    fn recurrence(&mut self, scan: &Scan, node: &Node, result: usize, depth: u32) -> Term {
        let Scan::Scan { carried, sequences, body } = scan;
        let (carried, sequences) = (*carried as usize, *sequences as usize);
        let inputs: Vec<(Value, String)> =
            body.inputs().map(|(value, info)| (value, info.name.clone())).collect();
        let mut terms = HashMap::new();
        for (place, (operand, (inside, name))) in node.operands.iter().zip(&inputs).enumerate() {
            let outside = self.term(operand, depth + 1);
            let term = if place < carried {
                let first = Term::Symbol(name.clone(), Some("0"));
                self.equations.push(Equation { left: first, right: outside });
                Term::Symbol(name.clone(), Some("t-1"))
            } else if place < carried + sequences {
                let whole = match outside {
                    Term::Symbol(name, None) => name,
                    other => {
                        self.equations.push(Equation { left: Term::symbol(name.clone()), right: other });
                        name.clone()
                    }
                };
                Term::Symbol(whole, Some("t"))
            } else {
                outside
            };
            terms.insert(*inside, term);
        }
        let mut step = Equations::of(body, terms, self.functions.clone(), self.letters);
        body.outputs.iter().for_each(|output| step.count(&output.operand));
        for output in &body.outputs[..carried] {
            let right = step.term(&output.operand, 0);
            let left = Term::Symbol(output.name.clone(), Some("t"));
            step.equations.push(Equation { left: left.clone(), right });
            // What is collected, and what later states are made of, is this value.
            step.terms.extend(output.operand.value().map(|value| (value, left)));
        }
        self.letters = step.letters;
        self.equations.append(&mut step.equations);
        match body.outputs.get(result) {
            Some(output) if result < carried => Term::Symbol(output.name.clone(), Some("T")),
            _ => Term::Symbol(body.outputs[carried - 1].name.clone(), Some("1…T")),
        }
    }
}

/// The attributes that say something, by name.
fn attributes(op: &Op) -> Vec<(String, String)> {
    let Json::Object(map) = op.attributes() else { return vec![] };
    let mut flat = vec![];
    for (name, value) in map {
        match value {
            // What several operations have in common stands together.
            Json::Object(inner) if name == "options" => flat.extend(inner),
            value => flat.push((name, value)),
        }
    }
    let says_something = |value: &Json| !matches!(value, Json::Null | Json::Bool(false));
    let written = |value: Json| match value {
        Json::String(word) => word,
        other => other.to_string(),
    };
    flat.into_iter()
        .filter(|(_, value)| says_something(value))
        .map(|(name, value)| (name, written(value)))
        .collect()
}
