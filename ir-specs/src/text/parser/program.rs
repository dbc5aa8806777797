//! Tensor graphs: nodes, the bodies of loops, and how an operation is applied.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::{Header, Parsed, Parser};
use crate::ops::{Arity, Leaf, Op, OpInfo, UnknownOp};
use crate::program::{Node, Operand, Program, ProgramOutput, ResultInfo, Value};
use crate::semantics::Semantics;
use crate::text::lexer::Kind;
use crate::text::printer::ELSEWHERE;
use crate::text::{Problem, tagged};
use crate::ty::Type;

/// An operation and what it is applied to, before its types are known.
pub(super) struct Application<T> {
    start: usize,
    row: &'static OpInfo,
    /// With a place for every optional operand.
    pub(super) operands: Vec<Option<T>>,
    attributes: Map<String, Json>,
}

/// The program that is being read, and who has which name.
struct Scope {
    program: Program,
    names: HashMap<String, (char, Value)>,
    /// Masks may be named before they are read.
    masks: Vec<(Value, Reference)>,
}

/// A name that is used, and where.
type Reference = (usize, char, String);

impl Scope {
    fn find(&self, parser: &Parser<'_>, (start, sigil, name): &Reference) -> Parsed<Value> {
        match self.names.get(name) {
            Some((defined, value)) if defined == sigil => Ok(*value),
            _ => Err(parser.error_at(*start, Problem::Undefined(format!("{sigil}{name}")))),
        }
    }
}

impl Parser<'_> {
    pub(super) fn program(&mut self, header: Header) -> Parsed<Program> {
        self.nodes(header.name, header.semantics)
    }

    /// The nodes of a program or of a body, and what it gives.
    fn nodes(&mut self, name: String, semantics: Semantics) -> Parsed<Program> {
        let program = Program::new(name, semantics);
        let mut scope = Scope { program, names: HashMap::new(), masks: vec![] };
        while !self.is_word("return") {
            self.node(&mut scope)?;
            self.end_line()?;
        }
        self.advance();
        if !matches!(self.token.kind, Kind::Newline | Kind::End) {
            scope.program.outputs = self.several(|parser| {
                let name = parser.text("the name of an output")?;
                parser.mark('=')?;
                Ok(ProgramOutput { name, operand: parser.operand(&scope)? })
            })?;
        }
        for (value, mask) in &scope.masks {
            let mask = scope.find(self, mask)?;
            scope.program.nodes[value.node as usize].results[value.result as usize].mask = Some(mask);
        }
        Ok(scope.program)
    }

    /// `%a, %b = scan(…) {…} : f32[B, 5], f32[B, 5] body step { … }`
    fn node(&mut self, scope: &mut Scope) -> Parsed<()> {
        let place = scope.program.nodes.len() as u32;
        let names = self.several(|parser| parser.name("%@", "a value, a weight or `return`"))?;
        self.mark('=')?;
        let applied = self.application(|parser| parser.operand(scope))?;
        self.mark(':')?;
        let mut results = self.results(place, &mut scope.masks)?;
        if names.len() != results.len() {
            let found = results.len().to_string();
            return Err(self.expected_at(names[0].0, format!("{} types", names.len()), found));
        }
        let (op, operands) = self.finish(applied, &results[0].ty, scope.program.semantics)?;
        let sigil = if matches!(op, Op::Leaf(Leaf::Weight { .. })) { '@' } else { '%' };
        for (result, (start, found, name)) in names.into_iter().enumerate() {
            if found != sigil {
                return Err(self.expected_at(start, format!("`{sigil}`"), format!("`{found}`")));
            }
            let value = Value { node: place, result: result as u32 };
            if scope.names.insert(name.clone(), (sigil, value)).is_some() {
                return Err(self.error_at(start, Problem::Redefined(format!("{sigil}{name}"))));
            }
            results[result].name = name;
        }
        let operands = operands.into_iter().map(|operand| operand.unwrap_or(Operand::Absent)).collect();
        scope.program.nodes.push(Node { op, operands, results });
        Ok(())
    }

    /// `f32[B, 5] mask %m, f32[B]`: results that have no names yet, and the masks to look up later.
    fn results(&mut self, node: u32, masks: &mut Vec<(Value, Reference)>) -> Parsed<Vec<ResultInfo>> {
        let mut result = 0;
        self.several(|parser| {
            let ty = parser.ty()?;
            if parser.eat_word("mask") {
                masks.push((Value { node, result }, parser.name("%@", "a mask")?));
            }
            result += 1;
            Ok(ResultInfo { name: String::new(), ty, mask: None })
        })
    }

    fn operand(&mut self, scope: &Scope) -> Parsed<Operand> {
        match self.token.kind {
            Kind::Name(_) => {
                let reference = self.name("%@", "a value or a weight")?;
                scope.find(self, &reference).map(Operand::Value)
            }
            Kind::Word(_) | Kind::Number(_) => self.literal().map(Operand::Literal),
            _ => Err(self.expected("a value, a weight or a number with its type")),
        }
    }

    /// `gather(@table, %ids) {…}`
    pub(super) fn application<T>(
        &mut self,
        mut operand: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Application<T>> {
        let start = self.token.start;
        let Kind::Word(mnemonic) = self.token.kind else { return Err(self.expected("an operation")) };
        let row = Op::table().find(|row| row.mnemonic == mnemonic);
        let row = row.ok_or_else(|| self.error(UnknownOp::Mnemonic(mnemonic.to_owned()).into()))?;
        self.advance();
        let (mut given, mut named) = (vec![], HashMap::new());
        if !row.operands.is_empty() {
            self.mark('(')?;
            self.list(')', |parser| {
                match parser.optional_operand(row)? {
                    Some(place) if named.contains_key(&place) => {
                        let name = row.operands[place].name.to_owned();
                        return Err(parser.error(Problem::Redefined(name)));
                    }
                    Some(place) => drop(named.insert(place, operand(parser)?)),
                    None if named.is_empty() => given.push(operand(parser)?),
                    None => return Err(parser.expected("the name of an operand")),
                }
                Ok(())
            })?;
        }
        let operands = self.places(start, row, given, named)?;
        let at = self.token.start;
        let attributes = self.settings()?;
        match attributes.keys().find(|key| ELSEWHERE.contains(&key.as_str())) {
            Some(key) => Err(self.expected_at(at, "attributes that stand nowhere else", format!("`{key}`"))),
            None => Ok(Application { start, row, operands, attributes }),
        }
    }

    /// `bias =`: the place of the optional operand that is given next.
    fn optional_operand(&mut self, row: &OpInfo) -> Parsed<Option<usize>> {
        let Kind::Word(name) = self.token.kind else { return Ok(None) };
        if self.ahead() != Kind::Mark('=') {
            return Ok(None);
        }
        let place = (0..row.operands.len()).find(|&at| row.is_named(at) && row.operands[at].name == name);
        let place =
            place.ok_or_else(|| self.expected(&format!("an optional operand of `{}`", row.mnemonic)))?;
        self.advance();
        self.advance();
        Ok(Some(place))
    }

    /// Puts every operand in its place.
    fn places<T>(
        &self,
        start: usize,
        row: &OpInfo,
        given: Vec<T>,
        mut named: HashMap<usize, T>,
    ) -> Parsed<Vec<Option<T>>> {
        let count = given.len();
        let required = row.operands.iter().filter(|operand| operand.arity == Arity::One).count();
        // Optional operands that are written without a name are those that there are too many for the required ones.
        let mut spare = count.saturating_sub(required);
        let mut given = given.into_iter();
        let mut operands = vec![];
        for (place, info) in row.operands.iter().enumerate() {
            match info.arity {
                Arity::Optional if spare > 0 && !row.is_named(place) => {
                    spare -= 1;
                    operands.push(given.next());
                }
                Arity::Optional => operands.push(named.remove(&place)),
                Arity::Many => operands.extend(given.by_ref().map(Some)),
                Arity::One => match given.next() {
                    Some(operand) => operands.push(Some(operand)),
                    None => {
                        let expected = format!("an operand `{}` of `{}`", info.name, row.mnemonic);
                        return Err(self.expected_at(start, expected, "none"));
                    }
                },
            }
        }
        match given.next() {
            None => Ok(operands),
            Some(_) => {
                let expected = format!("only the required operands of `{}` without names", row.mnemonic);
                Err(self.expected_at(start, expected, format!("{count} of them")))
            }
        }
    }

    /// Reads a body, if one follows, and makes the operation.
    pub(super) fn finish<T>(
        &mut self,
        applied: Application<T>,
        ty: &Type,
        semantics: Semantics,
    ) -> Parsed<(Op, Vec<Option<T>>)> {
        let Application { start, row, operands, mut attributes } = applied;
        if row.attributes.contains(&"ty") {
            attributes.insert("ty".into(), tagged(ty));
        }
        if row.attributes.contains(&"body") {
            attributes.insert("body".into(), tagged(&self.body(semantics)?));
        }
        let op = Op::from_parts(row.mnemonic, Json::Object(attributes));
        Ok((op.map_err(|unknown| self.error_at(start, unknown.into()))?, operands))
    }

    fn body(&mut self, semantics: Semantics) -> Parsed<Program> {
        self.keyword("body")?;
        let name = self.text("the body's name")?;
        self.mark('{')?;
        self.enter()?;
        self.end_line()?;
        let body = self.nodes(name, semantics)?;
        self.end_line()?;
        self.mark('}')?;
        self.depth -= 1;
        Ok(body)
    }
}
