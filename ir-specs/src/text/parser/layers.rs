//! The stages `layers` and `masks`.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::masks::{CallText, MaskReader, MaskText};
use super::{Header, Parsed, Parser};
use crate::facts::{InferredGraph, MaskSource, WeightDecl};
use crate::layers::{Argument, ArgumentValue, Call, CallId, Layer, LayerGraph, LayerId, TensorRef};
use crate::text::Problem;
use crate::text::lexer::Kind;

/// A tensor as the text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorName {
    pub(super) start: usize,
    layer: String,
    call: u32,
    output: u32,
}

impl TensorName {
    fn display(&self) -> String {
        let TensorName { layer, call, output, .. } = self;
        format!("%{layer}{}{}", suffix(':', *call), suffix('.', *output))
    }
}

fn suffix(mark: char, number: u32) -> String {
    if number == 0 { String::new() } else { format!("{mark}{number}") }
}

/// The graph that is being read, and which calls have which names.
pub(super) struct Scope {
    pub(super) graph: LayerGraph,
    calls: HashMap<(LayerId, u32), CallId>,
}

impl Scope {
    pub(super) fn find(&self, parser: &Parser<'_>, name: &TensorName) -> Parsed<TensorRef> {
        let layer = self.graph.layer_named(&name.layer);
        let call = layer.and_then(|layer| self.calls.get(&(layer, name.call)));
        let call = call.filter(|&&call| name.output < self.graph.call(call).outputs);
        let found = call.map(|&call| TensorRef { call, output: name.output });
        found.ok_or_else(|| parser.error_at(name.start, Problem::Undefined(name.display())))
    }
}

impl Parser<'_> {
    pub(super) fn layers(&mut self, header: Header) -> Parsed<LayerGraph> {
        let mut scope = self.scope(header);
        self.declarations(&mut scope)?;
        while !self.is_word("return") {
            self.call(&mut scope)?;
            self.end_line()?;
        }
        self.outputs(&mut scope)?;
        Ok(scope.graph)
    }

    pub(super) fn masks(&mut self, header: Header) -> Parsed<InferredGraph> {
        let mut scope = self.scope(header);
        let source = self.mask_source()?;
        let weights = self.weights()?;
        let shared = self.shared_masks()?;
        self.declarations(&mut scope)?;
        let mut calls: Vec<CallText> = vec![];
        while !self.is_word("return") {
            let call = self.call(&mut scope)?;
            calls.push(self.facts(scope.graph.call(call))?);
            self.end_line()?;
        }
        self.outputs(&mut scope)?;
        let facts = MaskReader::new(self, &scope, &calls).facts(source, &shared, weights)?;
        Ok(InferredGraph { graph: scope.graph, facts })
    }

    /// `masks intended`; those of Keras where nothing is said.
    fn mask_source(&mut self) -> Parsed<MaskSource> {
        if !self.eat_word("masks") {
            return Ok(MaskSource::default());
        }
        let name = match self.token.kind {
            Kind::Word(name) => name.parse().ok(),
            _ => None,
        };
        let source = name.ok_or_else(|| self.expected("`keras` or `intended`"))?;
        self.advance();
        self.end_line()?;
        Ok(source)
    }

    pub(super) fn scope(&self, header: Header) -> Scope {
        Scope { graph: LayerGraph::new(header.name, header.semantics), calls: HashMap::new() }
    }

    /// `@gru/kernel = weight {hash = "…"} : f32[6, 15]`
    fn weights(&mut self) -> Parsed<Vec<WeightDecl>> {
        let mut weights = vec![];
        while matches!(self.token.kind, Kind::Name(name) if name.sigil == '@') {
            let (start, _, name) = self.name("@", "a weight")?;
            self.mark('=')?;
            self.keyword("weight")?;
            let mut settings = self.settings()?;
            let hash = match (settings.remove("hash"), settings.is_empty()) {
                (None, true) => None,
                (Some(Json::String(hash)), true) => Some(hash),
                _ => return Err(self.expected_at(start, "`hash` as the only setting", "others")),
            };
            self.mark(':')?;
            weights.push(WeightDecl { name, ty: self.ty()?, hash });
            self.end_line()?;
        }
        Ok(weights)
    }

    /// `!0 = concat(1, …)`
    fn shared_masks(&mut self) -> Parsed<Vec<MaskText>> {
        let mut shared = vec![];
        while matches!(self.token.kind, Kind::Name(name) if name.sigil == '!') {
            let start = self.token.start;
            let number = self.numbered("!", "a mask")?;
            if number as usize != shared.len() {
                return Err(self.expected_at(start, format!("`!{}`", shared.len()), format!("`!{number}`")));
            }
            self.mark('=')?;
            shared.push(self.mask()?);
            self.end_line()?;
        }
        Ok(shared)
    }

    /// `layer %dense = Dense {units = 3}`
    pub(super) fn declarations(&mut self, scope: &mut Scope) -> Parsed<()> {
        while self.eat_word("layer") {
            let name = self.tensor_name("a layer")?;
            if (name.call, name.output) != (0, 0) {
                return Err(self.expected_at(name.start, "the name of a layer", name.display()));
            }
            self.mark('=')?;
            let class = self.text("the class of a layer")?;
            let settings = self.settings()?;
            self.add_layer(scope, &name, class, settings)?;
            self.end_line()?;
        }
        Ok(())
    }

    fn add_layer(
        &mut self,
        scope: &mut Scope,
        name: &TensorName,
        class: String,
        settings: Map<String, Json>,
    ) -> Parsed<LayerId> {
        let layer = Layer { name: name.layer.clone(), class, settings: settings.into_iter().collect() };
        scope.graph.add_layer(layer).map_err(|error| self.error_at(name.start, error.into()))
    }

    /// `%lstm, %lstm.1 = LSTM(%x, mask = %m) {units = 4}`
    pub(super) fn call(&mut self, scope: &mut Scope) -> Parsed<CallId> {
        let names = self.several(|parser| parser.tensor_name("a call or `return`"))?;
        let first = &names[0];
        for (output, name) in names.iter().enumerate() {
            let expected = TensorName { output: output as u32, start: name.start, ..first.clone() };
            if *name != expected {
                let found = format!("`{}`", name.display());
                return Err(self.expected_at(name.start, format!("`{}`", expected.display()), found));
            }
        }
        self.mark('=')?;
        let at = self.token.start;
        let class = self.text("the class of a layer")?;
        self.mark('(')?;
        let arguments = self.arguments(scope)?;
        let layer = match scope.graph.layer_named(&first.layer) {
            Some(layer) if scope.graph.layer(layer).class != class => {
                let expected = format!("`{}`, the class of %{}", scope.graph.layer(layer).class, first.layer);
                return Err(self.expected_at(at, expected, format!("`{class}`")));
            }
            Some(layer) => layer,
            None => {
                let settings = self.settings()?;
                self.add_layer(scope, first, class, settings)?
            }
        };
        let call = Call { layer, index: first.call, arguments, outputs: names.len() as u32 };
        let id = scope.graph.add_call(call).map_err(|error| self.error_at(first.start, error.into()))?;
        match scope.calls.insert((layer, first.call), id) {
            None => Ok(id),
            Some(_) => Err(self.error_at(first.start, Problem::Redefined(first.display()))),
        }
    }

    fn arguments(&mut self, scope: &Scope) -> Parsed<Vec<Argument>> {
        let mut named = false;
        self.list(')', |parser| {
            let keyword = match parser.token.kind {
                Kind::Word(_) | Kind::Quoted(_) if parser.ahead() == Kind::Mark('=') => {
                    let keyword = parser.text("a keyword")?;
                    parser.mark('=')?;
                    Some(keyword)
                }
                _ if named => return Err(parser.expected("a keyword")),
                _ => None,
            };
            named |= keyword.is_some();
            Ok(Argument { keyword, value: parser.argument(scope)? })
        })
    }

    fn argument(&mut self, scope: &Scope) -> Parsed<ArgumentValue> {
        match self.token.kind {
            Kind::Name(name) if name.sigil != '$' => {
                let name = self.tensor_name("a tensor")?;
                scope.find(self, &name).map(ArgumentValue::Tensor)
            }
            Kind::Mark('[') => {
                self.advance();
                let items = self.list(']', |parser| parser.argument(scope))?;
                let constants: Option<Vec<Json>> = items.iter().map(constant).collect();
                Ok(constants.map_or(ArgumentValue::List(items), |all| ArgumentValue::Constant(all.into())))
            }
            _ => self.json().map(ArgumentValue::Constant),
        }
    }

    pub(super) fn outputs(&mut self, scope: &mut Scope) -> Parsed<()> {
        self.advance();
        if matches!(self.token.kind, Kind::Newline | Kind::End) {
            return Ok(());
        }
        self.several(|parser| {
            parser.keyword(&format!("output_{}", scope.graph.outputs().len()))?;
            parser.mark('=')?;
            let name = parser.tensor_name("a tensor")?;
            let tensor = scope.find(parser, &name)?;
            scope.graph.add_output(tensor).map_err(|error| parser.error_at(name.start, error.into()))
        })?;
        Ok(())
    }

    /// `%gru`, `%dense:1`, `%lstm.2`, `%"my layer":1.2`
    pub(super) fn tensor_name(&mut self, what: &str) -> Parsed<TensorName> {
        let start = self.token.start;
        let name = match self.token.kind {
            Kind::Name(name) if name.sigil == '%' => name,
            _ => return Err(self.expected(what)),
        };
        let (layer, place) = match name.quoted {
            Some(quoted) => (self.unquote(start, quoted)?, name.bare),
            None => {
                let end = name.bare.find(['.', ':']).unwrap_or(name.bare.len());
                let (layer, place) = name.bare.split_at(end);
                if layer.is_empty() {
                    return Err(self.expected(what));
                }
                (layer.to_owned(), place)
            }
        };
        let (call, output) = numbers(place).ok_or_else(|| self.expected(what))?;
        self.advance();
        Ok(TensorName { start, layer, call, output })
    }
}

/// `:1.2`, both parts optional: which call, which output.
fn numbers(place: &str) -> Option<(u32, u32)> {
    let (call, output) = place.split_once('.').map_or((place, "0"), |(call, output)| (call, output));
    let call = if call.is_empty() { "0" } else { call.strip_prefix(':')? };
    Some((call.parse().ok()?, output.parse().ok()?))
}

/// What holds no tensor, in JSON's terms.
fn constant(value: &ArgumentValue) -> Option<Json> {
    match value {
        ArgumentValue::Constant(constant) => Some(constant.clone()),
        _ => None,
    }
}
