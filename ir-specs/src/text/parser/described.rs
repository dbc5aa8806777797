//! Descriptions of layers.

use std::collections::HashSet;

use super::layers::Scope;
use super::{Header, Parsed, Parser};
use crate::described::{Body, Description, Meaning, OwnMasks};
use crate::semantics::Semantics;
use crate::text::MAX_BYTES;
use crate::text::Problem;
use crate::text::TextError;
use crate::text::lexer::Kind;

/// The word in the header.
pub(crate) const STAGE: &str = "described";

/// Reads a text of descriptions.
pub(crate) fn descriptions(text: &str) -> Parsed<Vec<Description>> {
    if text.len() > MAX_BYTES {
        let problem = Problem::TooLong { limit: MAX_BYTES, found: text.len() };
        return Err(TextError { line: 1, column: 1, problem });
    }
    let mut parser = Parser::new(text);
    parser.skip_lines();
    parser.keyword("masque")?;
    if parser.token.kind != Kind::Number("1") {
        return Err(parser.expected("version 1 of the text form of descriptions"));
    }
    parser.advance();
    parser.keyword(STAGE)?;
    parser.end_line()?;
    let (mut found, mut classes) = (vec![], HashSet::new());
    while parser.token.kind != Kind::End {
        let start = parser.token.start;
        let description = parser.description()?;
        if !classes.insert(description.class.clone()) {
            return Err(parser.error_at(start, Problem::Redefined(description.class)));
        }
        found.push(description);
    }
    Ok(found)
}

impl Parser<'_> {
    /// `describe "Custom>Block" {units = int} body { … }`, or `describe "Custom>Row" as Dense`.
    fn description(&mut self) -> Parsed<Description> {
        self.keyword("describe")?;
        let class = self.text("the class of a layer")?;
        if self.eat_word("as") {
            let meaning = Meaning::Same(self.text("the class of a layer")?);
            self.end_line()?;
            return Ok(Description { class, meaning });
        }
        let settings = self.settings()?.into_iter().collect();
        self.keyword("body")?;
        self.mark('{')?;
        self.end_line()?;
        let header = Header { semantics: Semantics::Keras3_15, name: class.clone() };
        let mut scope = self.scope(header);
        self.declarations(&mut scope)?;
        while !self.is_word("return") && !self.is_word("masks") {
            self.call(&mut scope)?;
            self.end_line()?;
        }
        let masks = self.own_masks(&scope)?;
        if !self.is_word("return") {
            return Err(self.expected("`return`"));
        }
        self.outputs(&mut scope)?;
        self.end_line()?;
        self.mark('}')?;
        self.end_line()?;
        Ok(Description { class, meaning: Meaning::Body(Body { settings, graph: scope.graph, masks }) })
    }

    /// `masks keep`, `masks ends`, `masks %m, -`; nothing where they are lost.
    fn own_masks(&mut self, scope: &Scope) -> Parsed<OwnMasks> {
        if !self.eat_word("masks") {
            return Ok(OwnMasks::Lost);
        }
        let masks = match self.token.kind {
            Kind::Word("keep") => OwnMasks::Keep,
            Kind::Word("ends") => OwnMasks::Ends,
            Kind::Name(_) | Kind::Stray('-') => {
                let given = self.several(|parser| {
                    if parser.token.kind == Kind::Stray('-') {
                        parser.advance();
                        return Ok(None);
                    }
                    let name = parser.tensor_name("a tensor, or `-`")?;
                    scope.find(parser, &name).map(Some)
                })?;
                self.end_line()?;
                return Ok(OwnMasks::Given(given));
            }
            _ => return Err(self.expected("`keep`, `ends`, or the mask of each output")),
        };
        self.advance();
        self.end_line()?;
        Ok(masks)
    }
}
