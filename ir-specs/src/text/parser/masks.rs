//! What was inferred about calls. Masks may name tensors and types that come later in the text, so they are
//! read first and built, with the constructors that keep them canonical, when all calls are known.

use super::layers::{Scope, TensorName};
use super::{Parsed, Parser};
use crate::facts::{CallFact, Facts, MaskSource, MaskStatus, TensorFact, WeightDecl};
use crate::layers::{Call, TensorRef};
use crate::mask::{Band, MAX_HEIGHT, MAX_PARTS, MaskId, MaskPool};
use crate::text::lexer::Kind;
use crate::text::{MAX_DEPTH, Problem, data_tensors};
use crate::ty::Type;

/// A mask as it is written.
pub(super) struct MaskText {
    start: usize,
    depth: u32,
    form: Form,
}

enum Form {
    Shared(u32),
    Tensor(TensorName),
    NotEqual(TensorName, f64),
    Any(Box<MaskText>),
    Or(Vec<MaskText>),
    And(Vec<MaskText>),
    Not(Box<MaskText>),
    Ones(TensorName, u32),
    Zeros(TensorName, u32),
    Unknown(TensorName, u32),
    Expand(Box<MaskText>, Option<u32>),
    Spread(Box<MaskText>, TensorName),
    Concat(u32, Vec<MaskText>),
    Reverse(u32, Box<MaskText>),
    Fold(Box<MaskText>),
    Unfold(Box<MaskText>, TensorName),
    Band(Band, TensorName, TensorName),
}

/// What stands behind a call.
pub(super) struct CallText {
    outputs: Vec<(Type, Option<MaskText>)>,
    status: MaskStatus,
    mask_in: Vec<Option<MaskText>>,
}

impl Parser<'_> {
    /// ` : f32[B, 5] mask … [carried …]`
    pub(super) fn facts(&mut self, call: &Call) -> Parsed<CallText> {
        self.mark(':')?;
        let start = self.token.start;
        let outputs = self.several(|parser| {
            let ty = parser.ty()?;
            let mask = if parser.eat_word("mask") { Some(parser.mask()?) } else { None };
            Ok((ty, mask))
        })?;
        if outputs.len() != call.outputs as usize {
            let found = outputs.len().to_string();
            return Err(self.expected_at(start, format!("{} types", call.outputs), found));
        }
        if !self.eat('[') {
            let mask_in = (0..data_tensors(call.positional())).map(|_| None).collect();
            return Ok(CallText { outputs, status: MaskStatus::None, mask_in });
        }
        let status = match self.token.kind {
            Kind::Word(word) => word.parse().ok(),
            _ => None,
        };
        let status = status.ok_or_else(|| self.expected("what the call did with a mask"))?;
        self.advance();
        let mask_in = self.list(']', |parser| match parser.token.kind {
            Kind::Stray('-') => {
                parser.advance();
                Ok(None)
            }
            _ => parser.mask().map(Some),
        })?;
        Ok(CallText { outputs, status, mask_in })
    }

    pub(super) fn mask(&mut self) -> Parsed<MaskText> {
        let start = self.token.start;
        let (form, depth) = match self.token.kind {
            Kind::Name(name) if name.sigil == '!' => (Form::Shared(self.numbered("!", "a mask")?), 0),
            Kind::Name(_) => (Form::Tensor(self.tensor_name("a mask")?), 0),
            Kind::Word(word) => {
                self.advance();
                self.mark('(')?;
                self.enter()?;
                let form = self.mask_form(start, word)?;
                self.mark(')')?;
                self.depth -= 1;
                form
            }
            _ => return Err(self.expected("a mask")),
        };
        Ok(MaskText { start, depth: depth + 1, form })
    }

    /// What stands in the parentheses behind the word, and how deep it is.
    fn mask_form(&mut self, start: usize, word: &str) -> Parsed<(Form, u32)> {
        let leaf = |form: Form| Ok((form, 0));
        match word {
            "ne" => leaf(Form::NotEqual(self.first_tensor()?, self.number()?.0)),
            "ones" => leaf(Form::Ones(self.first_tensor()?, self.axes()?)),
            "zeros" => leaf(Form::Zeros(self.first_tensor()?, self.axes()?)),
            "unknown" => leaf(Form::Unknown(self.first_tensor()?, self.axes()?)),
            "not" => self.mask().map(|part| (part.depth, part)).map(|(d, part)| (Form::Not(part.into()), d)),
            "any" => {
                let part = self.mask()?;
                self.mark(',')?;
                if !self.eat_last() {
                    return Err(self.expected("`-1`, the last axis"));
                }
                Ok((part.depth, part)).map(|(depth, part)| (Form::Any(part.into()), depth))
            }
            "expand" => {
                let part = self.mask()?;
                self.mark(',')?;
                let axis = if self.eat_last() { None } else { Some(self.axes()?) };
                Ok((part.depth, part)).map(|(depth, part)| (Form::Expand(part.into(), axis), depth))
            }
            "causal" => leaf(Form::Band(Band::Causal, self.first_tensor()?, self.tensor_name("a tensor")?)),
            "within" => {
                let steps = self.count("a number of steps")?;
                self.mark(',')?;
                leaf(Form::Band(Band::Within(steps), self.first_tensor()?, self.tensor_name("a tensor")?))
            }
            "spread" => {
                let (part, depth, tensor) = self.part_and_tensor()?;
                Ok((Form::Spread(part, tensor), depth))
            }
            "unfold" => {
                let (part, depth, tensor) = self.part_and_tensor()?;
                Ok((Form::Unfold(part, tensor), depth))
            }
            "fold" => {
                self.mask().map(|part| (part.depth, part)).map(|(d, part)| (Form::Fold(part.into()), d))
            }
            "or" => self.parts().map(|(parts, depth)| (Form::Or(parts), depth)),
            "and" => self.parts().map(|(parts, depth)| (Form::And(parts), depth)),
            "concat" => {
                let axis = self.count("an axis")?;
                self.mark(',')?;
                self.parts().map(|(parts, depth)| (Form::Concat(axis, parts), depth))
            }
            "reverse" => {
                let axis = self.count("an axis")?;
                self.mark(',')?;
                self.mask()
                    .map(|part| (part.depth, part))
                    .map(|(d, part)| (Form::Reverse(axis, part.into()), d))
            }
            _ => Err(self.expected_at(start, "a mask", format!("`{word}`"))),
        }
    }

    fn part_and_tensor(&mut self) -> Parsed<(Box<MaskText>, u32, TensorName)> {
        let part = self.mask()?;
        self.mark(',')?;
        let depth = part.depth;
        Ok((part.into(), depth, self.tensor_name("a tensor")?))
    }

    /// `-1`: the last axis, or behind it.
    fn eat_last(&mut self) -> bool {
        let is_last = self.token.kind == Kind::Number("-1");
        if is_last {
            self.advance();
        }
        is_last
    }

    fn axes(&mut self) -> Parsed<u32> {
        let start = self.token.start;
        let axes = self.count("a number of axes")?;
        let refused = || self.expected_at(start, format!("at most {MAX_DEPTH} axes"), axes.to_string());
        if axes <= MAX_DEPTH { Ok(axes) } else { Err(refused()) }
    }

    fn first_tensor(&mut self) -> Parsed<TensorName> {
        let name = self.tensor_name("a tensor")?;
        self.mark(',')?;
        Ok(name)
    }

    /// Two masks or more.
    fn parts(&mut self) -> Parsed<(Vec<MaskText>, u32)> {
        let parts = self.several(Parser::mask)?;
        if parts.len() < 2 {
            return Err(self.expected("`,` and another mask"));
        }
        let depth = parts.iter().map(|part| part.depth).max().unwrap_or(0);
        Ok((parts, depth))
    }
}

/// Builds the masks of a graph.
pub(super) struct MaskReader<'a, 'text> {
    parser: &'a Parser<'text>,
    scope: &'a Scope,
    calls: &'a [CallText],
    pool: MaskPool,
    shared: Vec<(MaskId, u32)>,
    parts: usize,
}

impl<'a, 'text> MaskReader<'a, 'text> {
    pub(super) fn new(parser: &'a Parser<'text>, scope: &'a Scope, calls: &'a [CallText]) -> Self {
        MaskReader { parser, scope, calls, pool: MaskPool::default(), shared: vec![], parts: 0 }
    }

    pub(super) fn facts(
        mut self,
        source: MaskSource,
        shared: &[MaskText],
        weights: Vec<WeightDecl>,
    ) -> Parsed<Facts> {
        for text in shared {
            let (mask, depth) = self.build(text)?;
            if depth > MAX_HEIGHT {
                return Err(self.parser.error_at(text.start, Problem::TooDeep(MAX_HEIGHT)));
            }
            self.shared.push((mask, depth));
        }
        let mut calls = vec![];
        for call in self.calls {
            let mask_in: Parsed<Vec<_>> = call.mask_in.iter().map(|mask| self.optional(mask)).collect();
            let outputs = call
                .outputs
                .iter()
                .map(|(ty, mask)| Ok(TensorFact { ty: ty.clone(), mask: self.optional(mask)? }));
            let outputs: Parsed<Vec<_>> = outputs.collect();
            calls.push(CallFact { mask_in: mask_in?, status: call.status, outputs: outputs? });
        }
        Ok(Facts { source, calls, masks: self.pool, weights }.compact())
    }

    fn optional(&mut self, text: &Option<MaskText>) -> Parsed<Option<MaskId>> {
        text.as_ref().map(|text| self.build(text).map(|(mask, _)| mask)).transpose()
    }

    /// The mask, and how deep it is nested.
    fn build(&mut self, text: &MaskText) -> Parsed<(MaskId, u32)> {
        let mut depth = 0;
        let mask = match &text.form {
            Form::Shared(number) => {
                let known = self.shared.get(*number as usize).copied();
                let undefined = || Problem::Undefined(format!("!{number}"));
                return known.ok_or_else(|| self.parser.error_at(text.start, undefined()));
            }
            Form::Tensor(name) => self.tensor(name).map(|(x, rank)| self.pool.tensor(x, rank)),
            Form::NotEqual(name, n) => self.tensor(name).map(|(x, rank)| self.pool.not_equal(x, *n, rank)),
            Form::Ones(name, rank) => self.tensor(name).map(|(x, _)| self.pool.ones(x, *rank)),
            Form::Zeros(name, rank) => self.tensor(name).map(|(x, _)| self.pool.zeros(x, *rank)),
            Form::Unknown(name, rank) => self.tensor(name).map(|(x, _)| self.pool.unknown(x, *rank)),
            Form::Any(part) => self.part(part, &mut depth).map(|part| self.pool.any_last(part)),
            Form::Not(part) => self.part(part, &mut depth).map(|part| self.pool.not(part)),
            Form::Expand(part, axis) => self
                .part(part, &mut depth)
                .map(|part| self.pool.expand(axis.unwrap_or_else(|| self.pool.rank(part)), part)),
            Form::Band(band, rows, columns) => {
                let ((rows, _), (columns, _)) = (self.tensor(rows)?, self.tensor(columns)?);
                Ok(self.pool.band(*band, rows, columns))
            }
            Form::Reverse(axis, part) => {
                self.part(part, &mut depth).map(|part| self.pool.reverse(*axis, part))
            }
            Form::Fold(part) => self.part(part, &mut depth).map(|part| self.pool.fold(part)),
            Form::Unfold(part, name) => {
                let (tensor, _) = self.tensor(name)?;
                self.part(part, &mut depth).map(|part| self.pool.unfold(part, tensor))
            }
            Form::Spread(part, name) => {
                let (tensor, _) = self.tensor(name)?;
                self.part(part, &mut depth).map(|part| self.pool.spread(part, tensor))
            }
            Form::Or(parts) => self.all(parts, &mut depth).map(|parts| self.pool.or(&parts)),
            Form::And(parts) => self.all(parts, &mut depth).map(|parts| self.pool.and(&parts)),
            Form::Concat(axis, parts) => {
                self.all(parts, &mut depth).map(|parts| self.pool.concat(*axis, &parts))
            }
        }?;
        self.parts += self.pool.get(mask).parts().len();
        if self.parts > MAX_PARTS {
            let expected = format!("at most {MAX_PARTS} parts of masks");
            return Err(self.parser.expected_at(text.start, expected, "more"));
        }
        Ok((mask, depth + 1))
    }

    fn part(&mut self, text: &MaskText, depth: &mut u32) -> Parsed<MaskId> {
        let (mask, below) = self.build(text)?;
        *depth = below.max(*depth);
        Ok(mask)
    }

    fn all(&mut self, texts: &[MaskText], depth: &mut u32) -> Parsed<Vec<MaskId>> {
        texts.iter().map(|text| self.part(text, depth)).collect()
    }

    /// A tensor and its rank.
    fn tensor(&self, name: &TensorName) -> Parsed<(TensorRef, u32)> {
        let tensor = self.scope.find(self.parser, name)?;
        let (ty, _) = &self.calls[tensor.call.0 as usize].outputs[tensor.output as usize];
        Ok((tensor, ty.rank() as u32))
    }
}
