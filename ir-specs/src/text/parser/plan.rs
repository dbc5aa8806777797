//! The stage `plan`.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{Header, Parsed, Parser};
use crate::plan::{Plan, PlanInput, PlanOutput, PlanResult, PlanState, PlanWeight, Provenance, Source, Step};
use crate::text::lexer::Kind;
use crate::text::{Problem, tagged};

/// Which weight has which name.
type Weights = HashMap<String, u32>;

impl Parser<'_> {
    pub(super) fn plan(&mut self, header: Header) -> Parsed<Plan> {
        let provenance = self.provenance()?;
        self.keyword("slots")?;
        let slots = self.count("the number of slots")?;
        self.end_line()?;
        let mut plan = Plan {
            name: header.name,
            semantics: header.semantics,
            provenance,
            inputs: vec![],
            states: vec![],
            weights: vec![],
            slots,
            steps: vec![],
            outputs: vec![],
            masks: vec![],
        };
        let mut weights = Weights::new();
        while let Kind::Name(name) = self.token.kind {
            if name.sigil == '@' {
                self.weight(&mut plan, &mut weights)?;
            } else {
                self.input_or_step(&mut plan, &weights)?;
            }
            self.end_line()?;
        }
        self.kept(&mut plan, &weights)?;
        plan.outputs = self.given("return", &weights)?;
        plan.masks = self.given("mask", &weights)?;
        Ok(plan)
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
    fn weight(&mut self, plan: &mut Plan, weights: &mut Weights) -> Parsed<()> {
        if !plan.steps.is_empty() {
            return Err(self.expected("a step or `return`: weights stand before them"));
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
        if weights.insert(name.clone(), plan.weights.len() as u32).is_some() {
            return Err(self.error_at(start, Problem::Redefined(format!("@{name}"))));
        }
        plan.weights.push(weight);
        Ok(())
    }

    /// `$0 %ids = input {pad = 0} : i32[B, 8]` `$1 %gru/state.0 = state : f32[4, 5]` or `$3 %gru = native gru(…) : f32[B, 5] release $1`
    fn input_or_step(&mut self, plan: &mut Plan, weights: &Weights) -> Parsed<()> {
        let places = self.several(|parser| {
            let slot = parser.slot()?;
            let (_, _, name) = parser.name("%", "the name of a value")?;
            Ok((slot, name))
        })?;
        self.mark('=')?;
        if let ([(slot, name)], true) = (places.as_slice(), self.is_word("input")) {
            if !plan.steps.is_empty() || !plan.weights.is_empty() {
                return Err(self.expected("a kernel: inputs stand before weights and steps"));
            }
            self.advance();
            let input = self.input(*slot, name.clone())?;
            plan.inputs.push(input);
            return Ok(());
        }
        if let ([(slot, name)], true) = (places.as_slice(), self.is_word("state")) {
            if !plan.steps.is_empty() || !plan.weights.is_empty() {
                return Err(self.expected("a kernel: states stand before weights and steps"));
            }
            self.advance();
            self.mark(':')?;
            let (name, ty) = (name.clone(), self.ty()?);
            plan.states.push(PlanState { name, ty, slot: *slot, kept: Source::Absent });
            return Ok(());
        }
        let step = self.step(plan, places, weights)?;
        plan.steps.push(step);
        Ok(())
    }

    /// `keep gru/state.0 = $5`, line by line, for every state in order.
    fn kept(&mut self, plan: &mut Plan, weights: &Weights) -> Parsed<()> {
        for state in &mut plan.states {
            self.keyword("keep")?;
            let start = self.token.start;
            let name = self.text("the name of a state")?;
            if name != state.name {
                return Err(self.expected_at(start, format!("the state `{}`", state.name), name));
            }
            self.mark('=')?;
            state.kept = self.source(weights)?;
            self.end_line()?;
        }
        Ok(())
    }

    fn input(&mut self, slot: u32, name: String) -> Parsed<PlanInput> {
        self.mark('{')?;
        self.keyword("pad")?;
        self.mark('=')?;
        let pad = self.number()?;
        self.mark('}')?;
        self.mark(':')?;
        Ok(PlanInput { name, ty: self.ty()?, pad, slot })
    }

    fn step(&mut self, plan: &Plan, places: Vec<(u32, String)>, weights: &Weights) -> Parsed<Step> {
        let start = self.token.start;
        let kernel = self.text("the name of a kernel")?;
        let kernel = self.record(start, "step", Json::String(kernel))?;
        let applied = self.application(|parser| parser.source(weights))?;
        self.mark(':')?;
        let types = self.several(Parser::ty)?;
        if types.len() != places.len() {
            let found = types.len().to_string();
            return Err(self.expected_at(start, format!("{} types", places.len()), found));
        }
        let release = if self.eat_word("release") { self.several(Parser::slot)? } else { vec![] };
        let (op, sources) = self.finish(applied, &types[0], plan.semantics)?;
        let sources = sources.into_iter().map(|source| source.unwrap_or(Source::Absent)).collect();
        let results = places.into_iter().zip(types);
        let results = results.map(|((slot, name), ty)| PlanResult { name, ty, slot }).collect();
        Ok(Step { op, kernel, sources, results, release })
    }

    fn slot(&mut self) -> Parsed<u32> {
        self.numbered("$", "a slot")
    }

    fn source(&mut self, weights: &Weights) -> Parsed<Source> {
        match self.token.kind {
            Kind::Name(name) if name.sigil == '$' => self.slot().map(Source::Slot),
            Kind::Name(_) => {
                let (start, _, name) = self.name("@", "a slot, a weight or a number")?;
                let place = weights.get(&name).copied();
                let undefined = || self.error_at(start, Problem::Undefined(format!("@{name}")));
                place.map(Source::Weight).ok_or_else(undefined)
            }
            Kind::Word(_) | Kind::Number(_) => self.literal().map(Source::Literal),
            _ => Err(self.expected("a slot, a weight or a number with its type")),
        }
    }

    /// `return output_0 = $5 : f32[B, 1]`, line by line.
    fn given(&mut self, keyword: &str, weights: &Weights) -> Parsed<Vec<PlanOutput>> {
        let mut outputs = vec![];
        while self.eat_word(keyword) {
            let name = self.text("the name of an output")?;
            self.mark('=')?;
            let source = self.source(weights)?;
            self.mark(':')?;
            outputs.push(PlanOutput { name, ty: self.ty()?, source });
            self.end_line()?;
        }
        Ok(outputs)
    }
}
