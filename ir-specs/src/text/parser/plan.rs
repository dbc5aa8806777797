//! The stage `plan`.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{Header, Parsed, Parser};
use crate::kernel::Kernel;
use crate::plan::{Plan, PlanInput, PlanOutput, PlanState, PlanValue, PlanWeight, Provenance, Source, Step};
use crate::text::lexer::Kind;
use crate::text::{Problem, tagged};
use crate::ty::Type;

/// A plan while it is read, and what its names stand for.
struct Reading {
    plan: Plan,
    values: HashMap<String, u32>,
    weights: HashMap<String, u32>,
}

impl Parser<'_> {
    pub(super) fn plan(&mut self, header: Header) -> Parsed<Plan> {
        let plan = Plan {
            name: header.name,
            semantics: header.semantics,
            provenance: self.provenance()?,
            inputs: vec![],
            states: vec![],
            weights: vec![],
            values: vec![],
            steps: vec![],
            outputs: vec![],
            masks: vec![],
        };
        let mut reading = Reading { plan, values: HashMap::new(), weights: HashMap::new() };
        while let Kind::Name(name) = self.token.kind {
            if name.sigil == '@' {
                self.weight(&mut reading)?;
            } else {
                self.input_or_step(&mut reading)?;
            }
            self.end_line()?;
        }
        self.kept(&mut reading)?;
        reading.plan.outputs = self.given("return", &reading)?;
        reading.plan.masks = self.given("mask", &reading)?;
        Ok(reading.plan)
    }

    fn provenance(&mut self) -> Parsed<Provenance> {
        let start = self.token.start;
        if !self.eat_word("provenance") {
            return Ok(Provenance::default());
        }
        let fields = Json::Object(self.settings()?);
        let provenance = self.record(start, "provenance", fields)?;
        self.end_line()?;
        Ok(provenance)
    }

    /// `@gru/kernel = weight {bytes = 360, …} : f32[6, 15]`
    fn weight(&mut self, reading: &mut Reading) -> Parsed<()> {
        if !reading.plan.steps.is_empty() {
            return Err(self.expected("a step or `return`: weights come before them"));
        }
        let (start, _, name) = self.name("@", "a weight")?;
        self.mark('=')?;
        self.keyword("weight")?;
        let mut fields = self.settings()?;
        self.mark(':')?;
        let ty = self.ty()?;
        let sizes: Option<Vec<i64>> = ty.shape.iter().map(|size| size.known()).collect();
        let sizes = sizes.ok_or_else(|| self.expected_at(start, "sizes that are numbers", ty.to_string()))?;
        let told =
            [("name", Json::from(name.as_str())), ("dtype", tagged(&ty.dtype)), ("shape", sizes.into())];
        for (field, value) in told {
            if fields.insert(field.to_owned(), value).is_some() {
                return Err(self.expected_at(
                    start,
                    "`bytes`, `hash`, `layout` and `offset`",
                    format!("`{field}`"),
                ));
            }
        }
        let weight: PlanWeight = self.record(start, "weight", Json::Object(fields))?;
        if reading.weights.insert(name.clone(), reading.plan.weights.len() as u32).is_some() {
            return Err(self.error_at(start, Problem::Redefined(format!("@{name}"))));
        }
        reading.plan.weights.push(weight);
        Ok(())
    }

    /// `%ids = input {pad = 0} : i32[B, 8]`, `%gru/state.0 = state : f32[4, 5]` or `%gru = gru(…) : f32[B, 5] by gru`
    fn input_or_step(&mut self, reading: &mut Reading) -> Parsed<()> {
        let names = self.several(|parser| {
            let (start, _, name) = parser.name("%", "the name of a value")?;
            Ok((start, name))
        })?;
        self.mark('=')?;
        let leaf = ["input", "state"].into_iter().find(|word| names.len() == 1 && self.is_word(word));
        let Some(leaf) = leaf else { return self.step(reading, names) };
        if !reading.plan.steps.is_empty() || !reading.plan.weights.is_empty() {
            return Err(self.expected("an operation: inputs and states come before weights and steps"));
        }
        self.advance();
        let pad = if leaf == "input" { Some(self.pad()?) } else { None };
        self.mark(':')?;
        let ty = self.ty()?;
        let value = self.define(reading, names, vec![ty], None)?[0];
        match pad {
            Some(pad) => reading.plan.inputs.push(PlanInput { value, pad }),
            None => reading.plan.states.push(PlanState { value, kept: Source::Absent }),
        }
        Ok(())
    }

    /// `{pad = 0}`
    fn pad(&mut self) -> Parsed<crate::float::Float> {
        self.mark('{')?;
        self.keyword("pad")?;
        self.mark('=')?;
        let pad = self.number()?;
        self.mark('}')?;
        Ok(pad)
    }

    /// Adds values under names that no other value has; gives their places.
    fn define(
        &self,
        reading: &mut Reading,
        names: Vec<(usize, String)>,
        types: Vec<Type>,
        over: Option<u32>,
    ) -> Parsed<Vec<u32>> {
        let first = reading.plan.values.len() as u32;
        for (place, ((start, name), ty)) in names.into_iter().zip(types).enumerate() {
            if reading.values.insert(name.clone(), first + place as u32).is_some() {
                return Err(self.error_at(start, Problem::Redefined(format!("%{name}"))));
            }
            reading.plan.values.push(PlanValue { name, ty, over: over.filter(|_| place == 0) });
        }
        Ok((first..reading.plan.values.len() as u32).collect())
    }

    /// `keep gru/state.0 = %gru.1`, line by line, for every state in order.
    fn kept(&mut self, reading: &mut Reading) -> Parsed<()> {
        for place in 0..reading.plan.states.len() {
            self.keyword("keep")?;
            let start = self.token.start;
            let name = self.text("the name of a state")?;
            let expected = &reading.plan.value(reading.plan.states[place].value).name;
            if name != *expected {
                return Err(self.expected_at(start, format!("the state `{expected}`"), name));
            }
            self.mark('=')?;
            reading.plan.states[place].kept = self.source(reading)?;
            self.end_line()?;
        }
        Ok(())
    }

    fn step(&mut self, reading: &mut Reading, names: Vec<(usize, String)>) -> Parsed<()> {
        let applied = self.application(|parser| parser.source(reading))?;
        self.mark(':')?;
        let types = self.several(Parser::ty)?;
        if types.len() != names.len() {
            let found = types.len().to_string();
            return Err(self.expected(&format!("{} types, found {found}", names.len())));
        }
        self.keyword("by")?;
        let start = self.token.start;
        let kernel = Json::String(self.text("the name of a kernel")?);
        let kernel: Kernel = self.record(start, "step", kernel)?;
        let over = if self.eat_word("over") { Some(self.value(reading)?) } else { None };
        let (op, operands) = self.finish(applied, &types[0], reading.plan.semantics)?;
        let operands = operands.into_iter().map(|source| source.unwrap_or(Source::Absent)).collect();
        let results = self.define(reading, names, types, over)?;
        reading.plan.steps.push(Step { op, kernel, operands, results });
        Ok(())
    }

    fn value(&mut self, reading: &Reading) -> Parsed<u32> {
        let (start, _, name) = self.name("%", "a value, a weight or a number")?;
        let undefined = || self.error_at(start, Problem::Undefined(format!("%{name}")));
        reading.values.get(&name).copied().ok_or_else(undefined)
    }

    fn source(&mut self, reading: &Reading) -> Parsed<Source> {
        match self.token.kind {
            Kind::Name(name) if name.sigil == '%' => self.value(reading).map(Source::Value),
            Kind::Name(_) => {
                let (start, _, name) = self.name("@", "a value, a weight or a number")?;
                let place = reading.weights.get(&name).copied();
                let undefined = || self.error_at(start, Problem::Undefined(format!("@{name}")));
                place.map(Source::Weight).ok_or_else(undefined)
            }
            Kind::Word(_) | Kind::Number(_) => self.literal().map(Source::Literal),
            _ => Err(self.expected("a value, a weight or a number with its type")),
        }
    }

    /// `return output_0 = %score : f32[B, 1]`, line by line.
    fn given(&mut self, keyword: &str, reading: &Reading) -> Parsed<Vec<PlanOutput>> {
        let mut outputs = vec![];
        while self.eat_word(keyword) {
            let name = self.text("the name of an output")?;
            self.mark('=')?;
            let source = self.source(reading)?;
            self.mark(':')?;
            outputs.push(PlanOutput { name, ty: self.ty()?, source });
            self.end_line()?;
        }
        Ok(outputs)
    }
}
