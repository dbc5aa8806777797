//! Advice is a promise: whoever follows it is rid of the finding, gets no other one, and Keras then reads of the padding
//! what masque says of the changed model.
//!
//! `golden/advice.json` holds what Keras did with every suggestion: `golden/follow.py` ran its lines of Python among those
//! that build the model. Here the same suggestion is followed in masque's own form.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use libtest_mimic::{Arguments, Failed, Trial};
use masque::advice::{Followed, Way};
use masque::diagnostics::{Code, Diagnostic, UnsupportedMask};
use masque::{Inferred, Model};
use masque_tests::corpus::folder;
use serde::Deserialize;

/// What became of a suggestion in Keras.
#[derive(Debug, Deserialize)]
struct InKeras {
    code: String,
    layer: String,
    way: String,
    lines: Vec<String>,
    /// What outputs at real steps read of the padding; none where the model could not be run on numbers.
    reads: Option<BTreeSet<String>>,
}

fn main() {
    let text = fs::read(folder().join("advice.json")).expect("golden/advice.json");
    let stored: BTreeMap<String, Vec<InKeras>> = serde_json::from_slice(&text).expect("golden/advice.json");
    let of_all_ways = Trial::test("every_way_is_followed", {
        let seen: BTreeSet<String> = stored.values().flatten().map(|entry| entry.way.clone()).collect();
        move || every_way(&seen).map_err(Failed::from)
    });
    let of_cases = stored
        .into_iter()
        .map(|(case, stored)| Trial::test(case.clone(), move || check(&case, &stored).map_err(Failed::from)));
    let trials: Vec<Trial> = of_cases.chain([of_all_ways]).collect();
    assert!(trials.len() >= 60, "only {} models", trials.len());
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Ways that change no model.
const WORDS: &[Way] = &[Way::Intended, Way::Warn];

/// Ways that no model of the corpus is told; fixtures in `programs/` are.
const UNSEEN: &[Way] = &[Way::Squeeze];

/// Models of which more is said than Keras showed, and why.
const SAID_MORE: &[(&str, &str)] = &[
    (
        "leaks/037-averagepooling1d-lstm",
        "a row without padding ends in a window of one position, and none was run",
    ),
    ("leaks/038-upsampling1d-lstm", "ids that were repeated are taken for what callers pad"),
];

fn every_way(seen: &BTreeSet<String>) -> Result<(), String> {
    let expected = Way::ALL.iter().filter(|way| !WORDS.contains(way) && !UNSEEN.contains(way));
    let missing: Vec<&str> = expected.map(|way| way.name()).filter(|name| !seen.contains(*name)).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("no model of golden/advice.json follows {missing:?}"))
    }
}

/// Everything that is found in a model, by code and place.
fn found(inferred: &Inferred) -> Result<Vec<Diagnostic>, String> {
    let padding = inferred.padding().map_err(|error| error.to_string())?;
    let mut findings = inferred.findings(UnsupportedMask::Error);
    findings.extend(inferred.leaks(&padding));
    Ok(findings)
}

fn keys(findings: &[Diagnostic]) -> BTreeSet<(Code, String)> {
    findings.iter().map(key).collect()
}

fn key(finding: &Diagnostic) -> (Code, String) {
    let place = finding.output.clone().unwrap_or_else(|| format!("{}:{}", finding.layer, finding.call));
    (finding.code, place)
}

fn check(case: &str, stored: &[InKeras]) -> Result<(), String> {
    let model = Model::open(folder().join(case).join("model.keras")).map_err(|error| error.to_string())?;
    let inferred = model.infer().map_err(|error| error.to_string())?;
    let mut findings = found(&inferred)?;
    inferred.advise(&mut findings);
    let followed = inferred.followed(&findings);
    let now: Vec<&[String]> = followed.iter().map(|followed| followed.suggestion.code.as_slice()).collect();
    let then: Vec<&[String]> = stored.iter().map(|entry| entry.lines.as_slice()).collect();
    if now != then {
        return Err(format!(
            "the advice is another one now, make golden/advice.json again:\n{now:#?}\n{then:#?}"
        ));
    }
    let before = keys(&findings);
    followed.iter().zip(stored).try_for_each(|(followed, stored)| {
        let place = format!("{} at {}, {}", stored.code, stored.layer, stored.way);
        let more = SAID_MORE.iter().any(|(known, _)| *known == case);
        keeps(followed, &findings[followed.finding], &before, (stored, more))
            .map_err(|error| format!("{place}: {error}"))
    })
}

/// Is what a suggestion promises true?
fn keeps(
    followed: &Followed,
    finding: &Diagnostic,
    before: &BTreeSet<(Code, String)>,
    (stored, more): (&InKeras, bool),
) -> Result<(), String> {
    let changed = followed.inferred.as_ref().ok_or("the changed model cannot be inferred")?;
    let after = keys(&found(changed)?);
    if after.contains(&key(finding)) {
        return Err("the finding stays".to_owned());
    }
    // Without a mask, what was padding is data, and the text says when this is meant.
    let given_up = matches!(followed.suggestion.way, Some(Way::WithoutMaskZero | Way::WithoutMasking));
    if given_up {
        return Ok(());
    }
    let unsaid = |(_, place): &&(Code, String)| {
        let layer = place.rsplit_once(':').map_or(place.as_str(), |(layer, _)| layer);
        !followed.suggestion.text.contains(&format!("at `{layer}`"))
    };
    let new: Vec<_> = after.difference(before).filter(unsaid).collect();
    if !new.is_empty() {
        return Err(format!("other findings come: {new:?}"));
    }
    reads_as_said(changed, stored.reads.as_ref(), more)
}

/// Is said what Keras shows, and does Keras show what is said to be so, where no more is said?
fn reads_as_said(changed: &Inferred, reads: Option<&BTreeSet<String>>, more: bool) -> Result<(), String> {
    let Some(reads) = reads else { return Ok(()) };
    let tested = |word: &str| word != "length" || !reads.contains("length-untested");
    let padding = changed.padding().map_err(|error| error.to_string())?;
    let outputs = padding.outputs.iter().zip(changed.shown(&padding));
    let (mut facts, mut possible) = (BTreeSet::new(), BTreeSet::new());
    for (output, shown) in outputs {
        let words = output.reads.words().into_iter().filter(|word| tested(word));
        let (shown, rest): (Vec<_>, Vec<_>) = words.partition(|word| shown.words().contains(word));
        facts.extend(shown);
        possible.extend(rest);
    }
    let reads: BTreeSet<&str> =
        reads.iter().map(String::as_str).filter(|word| *word != "length-untested").collect();
    let said = facts.iter().chain(&possible).copied().collect::<BTreeSet<_>>();
    match reads.is_subset(&said) && (more || facts.is_subset(&reads)) {
        true => Ok(()),
        false => {
            Err(format!("reads {reads:?} in Keras, and is said to read {facts:?}, possibly {possible:?}"))
        }
    }
}
