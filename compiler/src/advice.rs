//! What to do about a finding.
//!
//! Advice is a promise, so none is given on trust. A *way* ([`Way`]) proposes a change of the model; the change is made,
//! the changed model is inferred anew, and the way is suggested only if the finding is gone and no other has come. Where
//! every way leads to another finding, that is said with it. A change is written in Python, as whoever built the model
//! would make it, and the same lines are what is tried.
//!
//! Which ways a layer's finding has is named beside the layer ([`Masking::advice`](crate::layer::Masking::advice)); what
//! each of them does to a model is here.

mod baked;
mod change;
mod expr;
mod findings;
mod leak;
mod operations;
mod place;
mod python;
mod trial;
mod ways;

use std::collections::BTreeSet;

use masque_ir::facts::InferredGraph;
use masque_ir::layers::{CallId, TensorRef};

use self::change::Line;
use self::expr::Expr;
use self::place::{Candidate, Place};
use self::python::Python;
use self::trial::{Outcome, Trials};
use crate::Inferred;
use crate::diagnostics::{Code, Diagnostic, Subject, Suggestion, enumerated};
pub use crate::layer::Way;

/// As many suggestions are made for a finding.
const MOST_SUGGESTIONS: usize = 4;

/// As many calls are inferred anew in all trials of one model.
const MOST_WORK: usize = 200_000;

impl Inferred {
    /// Adds to findings of this model what to do about them. Every change of the model among it was tried.
    pub fn advise(&self, findings: &mut [Diagnostic]) {
        let Some(advisor) = Advisor::of(self, findings) else { return };
        let suggested = advisor.suggested(findings);
        for (finding, suggested) in findings.iter_mut().zip(suggested) {
            finding.advice = suggested.into_iter().map(|(suggestion, _)| suggestion).collect();
        }
    }

    /// Follows what [`Inferred::advise`] suggests for findings of this model, where it is a change of the model.
    pub fn followed(&self, findings: &[Diagnostic]) -> Vec<Followed> {
        let Some(advisor) = Advisor::of(self, findings) else { return vec![] };
        let suggested = advisor.suggested(findings).into_iter().enumerate();
        let all = suggested.flat_map(|(finding, all)| all.into_iter().map(move |one| (finding, one)));
        let changed = all.filter(|(_, (_, lines))| !lines.is_empty());
        let follow = |(finding, (suggestion, lines)): (usize, Suggested)| Followed {
            finding,
            suggestion,
            inferred: advisor.trials.follow(&lines),
        };
        changed.map(follow).collect()
    }
}

/// A model after one suggestion was followed.
pub struct Followed {
    /// The finding that the suggestion is for, by its place among those that were given.
    pub finding: usize,
    /// The suggestion.
    pub suggestion: Suggestion,
    /// The changed model, without weights; `None` if it cannot be inferred.
    pub inferred: Option<Inferred>,
}

/// A suggestion, and the change that it is; none of what is words alone.
type Suggested = (Suggestion, Vec<Line>);

/// What to do about a mask that does not fit.
const RANK: &str = "pass a mask with as many axes as what it is applied to, such as \
                    mask=ops.expand_dims(mask, axis=-1) for scores [B, T, 1]";

struct Advisor<'a> {
    inferred: &'a Inferred,
    /// The model with the masks that its layers' rules intend.
    meant: InferredGraph,
    trials: Trials<'a>,
}

type Tried = (Candidate, Outcome);

impl<'a> Advisor<'a> {
    fn of(inferred: &'a Inferred, findings: &[Diagnostic]) -> Option<Advisor<'a>> {
        let trials = Trials::of(inferred).filter(|_| !findings.is_empty())?;
        let meant = InferredGraph { graph: inferred.graph.graph.clone(), facts: inferred.others.clone() };
        Some(Advisor { inferred, meant, trials })
    }

    /// What is suggested for each finding.
    fn suggested(&self, findings: &[Diagnostic]) -> Vec<Vec<Suggested>> {
        let mut work = MOST_WORK;
        let for_one = |finding: &Diagnostic| {
            let tried = match self.cause(finding, findings) {
                Some(cause) => vec![(cause, vec![])],
                None => self.tried(finding, &mut work).iter().map(|tried| self.suggestion(tried)).collect(),
            };
            tried.into_iter().chain(self.always(finding)).collect()
        };
        findings.iter().map(for_one).collect()
    }

    fn subject(&self) -> Subject<'_> {
        let Inferred { graph, layers, pointers, .. } = self.inferred;
        Subject { model: graph, layers, pointers }
    }

    /// The ways that work, of each kind the first; those that bring no other finding, if there are any.
    fn tried(&self, finding: &Diagnostic, work: &mut usize) -> Vec<Tried> {
        let key = trial::key(finding);
        let mut found: Vec<Tried> = vec![];
        for group in self.groups(finding) {
            let mut best: Option<Tried> = None;
            for candidate in group {
                let calls = self.inferred.graph.graph.calls().len();
                let Some(left) = work.checked_sub(calls) else { break };
                *work = left;
                let Some(outcome) = self.trials.attempt(&candidate.lines) else { continue };
                let works = !outcome.left.contains(&key);
                let better = best.as_ref().is_none_or(|(_, known)| outcome.rank() < known.rank());
                if works && better {
                    best = Some((candidate, outcome));
                }
            }
            found.extend(best);
        }
        found.dedup_by(|(one, _), (other, _)| one.lines == other.lines);
        let least = found.iter().map(|(_, outcome)| outcome.rank()).min();
        found.retain(|(_, outcome)| Some(outcome.rank()) == least);
        found.truncate(MOST_SUGGESTIONS);
        found
    }

    /// Candidates by way.
    fn groups(&self, finding: &Diagnostic) -> Vec<Vec<Candidate>> {
        let subject = self.subject();
        let Some(call) = self.call_of(finding) else { return vec![] };
        match finding.code {
            Code::MaskUnsupported => {
                let Some(place) = self.place(&subject, call) else { return vec![] };
                subject.layer(call).masking().advice.ways.iter().map(|&way| place.candidates(way)).collect()
            }
            Code::MaskLost => self.place(&subject, call).map_or_else(Vec::new, |place| place.for_lost()),
            Code::MaskDiffers => self.differing(&subject, call),
            Code::PaddingLeak => self.leaking(&subject, call, finding),
            Code::NoMask => vec![self.unmarked(finding)],
            Code::LayerOpaque
            | Code::LossUnmasked
            | Code::PaddingApart
            | Code::MaskLate
            | Code::MaskRank
            | Code::MaskUnborn
            | Code::StepsUnmasked => {
                vec![]
            }
        }
    }

    /// The place of a call that gets a mask.
    fn place<'s>(&self, subject: &'s Subject<'s>, call: CallId) -> Option<Place<'s>> {
        let facts = &subject.model.facts;
        let data = subject.data(call);
        let masks = facts.call(call).mask_in.iter().copied();
        let (x, mask) = data
            .into_iter()
            .zip(masks)
            .find_map(|(x, mask)| Some((x, mask.filter(|_| subject.says_something(mask))?)))?;
        Place::of(subject, call, x, subject.model, mask)
    }

    fn differing(&self, subject: &Subject<'_>, call: CallId) -> Vec<Vec<Candidate>> {
        let known = self.inferred.differing().iter().find(|differing| differing.call == call);
        let Some(differing) = known else { return vec![] };
        let mask = self.meant.facts.call(call).mask_in.get(differing.place).copied().flatten();
        let place = mask.and_then(|mask| Place::of(subject, call, differing.tensor, &self.meant, mask));
        place.map_or_else(Vec::new, |place| place.for_differing(differing.taken))
    }

    /// The place where padding comes to be read: what the call reads of the path, or else what it reads under a mask; and
    /// that mask, or else one from before it that fits.
    fn leaking(&self, subject: &Subject<'_>, call: CallId, finding: &Diagnostic) -> Vec<Vec<Candidate>> {
        let facts = &subject.model.facts;
        let path: Vec<CallId> =
            finding.labels.iter().map(|label| label.call).take_while(|&passed| passed != call).collect();
        let mut data = subject.data(call);
        data.sort_by_key(|x| path.last() != Some(&x.call));
        let own = |x: &TensorRef| {
            Some((*x, facts.tensor(*x).mask.filter(|&mask| subject.says_something(Some(mask)))?))
        };
        let earlier = |x: &TensorRef| Some((*x, subject.mask_before(*x)?));
        let found = data.iter().find_map(own).or_else(|| data.iter().find_map(earlier));
        let place = found.and_then(|(x, mask)| Place::of(subject, call, x, subject.model, mask));
        let here = place.map_or_else(|| vec![self.unmarked(finding)], |place| place.for_leak());
        // A merge before it may have brought together what is masked in different ways.
        let merges = path.into_iter().filter(|&passed| subject.data(passed).len() > 1);
        let merged = merges.filter_map(|passed| self.place(subject, passed)).map(|place| place.zero_each());
        here.into_iter().chain(merged).collect()
    }

    /// A mask from an embedding on the way of padding that nothing marks.
    fn unmarked(&self, finding: &Diagnostic) -> Vec<Candidate> {
        let graph = &self.inferred.graph.graph;
        let mut embeddings: Vec<CallId> = finding.labels.iter().map(|label| label.call).collect();
        embeddings.extend(self.call_of(finding).into_iter().flat_map(|input| {
            graph.readers(input).into_iter().map(|(reader, _)| reader).collect::<Vec<_>>()
        }));
        embeddings.retain(|&call| graph.layer_of(call).class == "Embedding");
        embeddings.sort();
        embeddings.dedup();
        let python = Python { graph };
        let ids = |call: CallId| graph.call(call).positional().flat_map(|ids| ids.tensors()).next();
        let candidate = |call: CallId| {
            let way = Way::MaskZero;
            let text = way.text().replace("{call}", &graph.call_name(call));
            let text = text.replace("{x}", &format!("`{}`", python.tensor(ids(call)?)));
            let layer = graph.call(call).layer;
            let lines = vec![Line::Setting { layer, settings: vec![("mask_zero", true.into())] }];
            Some(Candidate { way, text, lines })
        };
        embeddings.into_iter().filter_map(candidate).collect()
    }

    fn call_of(&self, finding: &Diagnostic) -> Option<CallId> {
        let graph = &self.inferred.graph.graph;
        let layer = graph.layer_named(&finding.layer)?;
        graph.calls().find(|&call| graph.call(call).layer == layer && graph.call(call).index == finding.call)
    }

    fn suggestion(&self, (candidate, outcome): &Tried) -> Suggested {
        let python = Python { graph: &self.inferred.graph.graph };
        let code = candidate.lines.iter().map(|line| python.line(line)).collect();
        let mut text = candidate.text.clone();
        if !outcome.new.is_empty() {
            let next: Vec<String> =
                outcome.new.iter().map(|(code, place)| format!("{code} at `{place}`")).collect();
            text.push_str(&format!("; what comes to light then: {}", enumerated(&next)));
        }
        (Suggestion { way: Some(candidate.way), text, code }, candidate.lines.clone())
    }

    /// What can be done whatever the model is.
    fn always(&self, finding: &Diagnostic) -> Vec<Suggested> {
        let words =
            |way: Way| (Suggestion { way: Some(way), text: way.text().to_owned(), code: vec![] }, vec![]);
        match finding.code {
            Code::MaskUnsupported => {
                let source = finding.labels.first().and_then(|label| self.without(label.call));
                source.into_iter().chain([words(Way::Warn)]).collect()
            }
            Code::MaskDiffers => vec![words(Way::Intended)],
            Code::LayerOpaque
            | Code::LossUnmasked
            | Code::PaddingApart
            | Code::MaskLate
            | Code::MaskUnborn
            | Code::StepsUnmasked => finding.advice.iter().map(|own| (own.clone(), vec![])).collect(),
            Code::MaskRank => vec![(Suggestion::words(RANK), vec![])],
            Code::MaskLost | Code::PaddingLeak | Code::NoMask => vec![],
        }
    }

    /// The same model without the mask.
    fn without(&self, source: CallId) -> Option<Suggested> {
        let graph = &self.inferred.graph.graph;
        let (way, line) = match graph.layer_of(source).class.as_str() {
            "Embedding" => {
                let layer = graph.call(source).layer;
                (Way::WithoutMaskZero, Line::Setting { layer, settings: vec![("mask_zero", false.into())] })
            }
            "Masking" => {
                let value = graph.call(source).positional().next().map(Expr::of)?;
                (Way::WithoutMasking, Line::Tensor { tensor: TensorRef { call: source, output: 0 }, value })
            }
            _ => return None,
        };
        let text = way.text().replace("{call}", &graph.call_name(source));
        let code = vec![Python { graph }.line(&line)];
        Some((Suggestion { way: Some(way), text, code }, vec![line]))
    }

    /// A leak whose mask was lost on the way is fixed there.
    fn cause(&self, finding: &Diagnostic, all: &[Diagnostic]) -> Option<Suggestion> {
        if finding.code != Code::PaddingLeak {
            return None;
        }
        let on_the_way: BTreeSet<CallId> = finding.labels.iter().map(|label| label.call).collect();
        let leaking = self.call_of(finding);
        let cause = all.iter().find(|other| {
            let names = leaking.is_some_and(|leaking| other.missed_by().any(|call| call == leaking));
            let passed = self.call_of(other).is_some_and(|call| on_the_way.contains(&call));
            other.code != Code::PaddingLeak && (names || passed)
        })?;
        Some(Suggestion::words(format!("fix {} at `{}`: the mask is dropped there", cause.code, cause.layer)))
    }
}
