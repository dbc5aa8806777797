//! What was written is what is read; whatever was cut, changed or forged is noticed.

use std::sync::Arc;

use masque_ir::Semantics;
use masque_ir::ops::{MAX_LOOPS, Scan};
use masque_ir::plan::Step;
use masque_ir::program::{Node, Program};

use super::*;
use crate::classes::Labels;
use crate::testing::model;

/// What stands before the container: an odd length, so that there is padding.
const PREFIX: &[u8] = b"#!/bin/true\n";

fn attached() -> Attached {
    let labels = Labels::of_outputs(vec![Some(["a", "b", "ä"].map(str::to_owned).into())]);
    let notes = vec![("owner".to_owned(), "b team".to_owned())];
    Attached { labels, notes, example: b"an example".to_vec() }
}

fn sections(bytes: &[u8]) -> Result<(Plan, Attached), Problem> {
    Parts::of(bytes)?.contents()
}

fn bytes() -> (Vec<u8>, Plan, Vec<Vec<u8>>) {
    let (plan, weights) = model();
    let mut bytes = Vec::new();
    let written = write(&mut bytes, PREFIX, &plan, &weights, &attached()).unwrap();
    assert_eq!(written, bytes.len() as u64);
    (bytes, plan, weights)
}

fn open(bytes: &[u8]) -> Result<Bundle, BundleError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    Bundle::open(file.path())
}

#[test]
fn what_is_written_is_read() {
    let (written, plan, weights) = bytes();
    assert_eq!(written, bytes().0, "the same plan gives the same bytes");
    assert_eq!(written[..PREFIX.len()], *PREFIX);
    let bundle = open(&written).unwrap();
    assert_eq!(*bundle.plan(), plan);
    for (weight, bytes) in plan.weights.iter().zip(&weights) {
        assert_eq!(bundle.weights()[weight.offset as usize..][..bytes.len()], bytes[..]);
    }
    assert_eq!(bundle.weights().as_ptr() as u64 % ALIGNMENT, 0);
    assert_eq!(*bundle.attached(), attached());
    let parts = Parts::of(&written[..]).unwrap();
    assert_eq!((parts.version(), parts.numerics()), (5, crate::NUMERICS));
    assert!(parts.bytes(Part::Runner).starts_with(PREFIX) && parts.bytes(Part::Runner).len() == PAGE);
}

#[test]
fn a_changed_program_is_noticed_by_whoever_asks() {
    let (mut bytes, ..) = bytes();
    for place in [0, PREFIX.len() + 1, PAGE - 1] {
        bytes[place] ^= 4;
        assert!(sections(&bytes).is_ok(), "the system has its own checks");
        assert!(!Parts::of(&bytes[..]).unwrap().is_intact(Part::Runner), "{place}");
        bytes[place] ^= 4;
    }
    assert!(Parts::of(&bytes[..]).unwrap().is_intact(Part::Runner));
}

#[test]
fn attachments_have_to_fit_the_plan() {
    let (plan, _) = model();
    let encoded = attached().encode().unwrap();
    assert_eq!(Attached::decode(&encoded, &plan).unwrap(), attached());
    assert_eq!(Attached::decode(&[], &plan).unwrap(), Attached::default());
    let refused = |attached: Attached| Attached::decode(&attached.encode().unwrap(), &plan).unwrap_err();
    let two = Attached { labels: Labels::of_outputs(vec![Some(["a".to_owned()].into())]), ..attached() };
    assert!(refused(two).contains("labels"));
    let twice = Attached { notes: [attached().notes, attached().notes].concat(), ..attached() };
    assert!(refused(twice).contains("notes"));
    for place in 0..encoded.len() {
        let mut forged = encoded.clone();
        forged[place] = 0xff;
        // It is refused or it is not; it does not panic, nor take more memory than there is.
        let _ = Attached::decode(&forged, &plan);
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    let (bytes, ..) = bytes();
    let mut changed = bytes.clone();
    for place in PAGE..bytes.len() {
        changed[place] ^= 1 << (place % 8);
        let verdict = sections(&changed);
        assert!(verdict.is_err(), "byte {place} of {}", bytes.len());
        changed[place] = bytes[place];
    }
    assert!(sections(&changed).is_ok());
}

#[test]
fn every_missing_end_is_noticed() {
    let (bytes, ..) = bytes();
    for length in 0..bytes.len() {
        assert!(sections(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(matches!(sections(&longer), Err(Problem::NoPayload)));
}

#[test]
fn messages_name_the_file_and_the_trouble() {
    let (written, ..) = bytes();
    let message = |bytes: &[u8]| open(bytes).unwrap_err().to_string();
    assert!(message(PREFIX).contains("carries no model"), "{}", message(PREFIX));
    assert!(message(b"").contains("carries no model"));
    let shifted = &written[1..];
    assert!(message(shifted).contains("cut short"), "{}", message(shifted));
    let mut version = written.clone();
    let trailer = version.len() - 60;
    version[trailer + 44] = 9;
    assert!(message(&version).ends_with("its format is version 9, this program reads version 5"));
    let missing = Bundle::open(Path::new("/no/such\nfile")).unwrap_err().to_string();
    assert!(missing.starts_with("/no/such file: ") && !missing.contains('\n'), "{missing}");
    assert!(Bundle::open(Path::new("/")).unwrap_err().to_string().contains("not a file"));
}

#[test]
fn weights_have_to_be_where_the_plan_places_them() {
    let (mut plan, mut weights) = model();
    plan.weights[1].offset += 1;
    let refused = |plan: &Plan, weights: &[Vec<u8>]| {
        write(&mut Vec::new(), b"", plan, weights, &Attached::default()).is_err()
    };
    assert!(refused(&plan, &weights));
    plan.weights[1].offset -= 1;
    assert!(!refused(&plan, &weights));
    assert!(refused(&plan, &weights[1..]));
    weights.push(vec![]);
    assert!(refused(&plan, &weights));
}

/// Bytes that a checksum does not protect, because whoever wrote them wrote the checksum as well.
#[test]
fn a_forged_plan_is_refused_without_a_panic() {
    let (plan, weights) = model();
    let encoded = postcard::to_stdvec(&plan).unwrap();
    let section: Vec<u8> = weights.concat();
    let mut refused = 0;
    for place in 0..encoded.len() {
        for flip in [1, 0x80, 0xff] {
            let mut forged = encoded.clone();
            forged[place] ^= flip;
            if let Ok(plan) = postcard::from_bytes::<Plan>(&forged) {
                refused += u32::from(check::check(&plan, section.len() as u64 * 2).is_err());
            }
        }
    }
    assert!(refused > 50, "only {refused} forgeries were refused");
}

/// Decoding goes down into loops by recursion: too many of them are refused on the way, before the stack ends.
#[test]
fn loops_within_loops_are_counted_while_they_are_decoded() {
    let around = |body: Program| Scan::Scan { carried: 0, sequences: 1, body: Arc::new(body) };
    let nest = |depth: u32| {
        (1..depth).fold(Program::new("body", Semantics::Keras3_15), |inner, _| Program {
            nodes: vec![Node { op: around(inner).into(), operands: vec![], results: vec![] }],
            ..Program::new("body", Semantics::Keras3_15)
        })
    };
    let refusal = |depth: u32| {
        let (mut plan, _) = model();
        let step = Step { op: around(nest(depth)).into(), ..plan.steps[0].clone() };
        plan.steps.push(step);
        decode(&postcard::to_stdvec(&plan).unwrap(), u64::MAX).unwrap_err()
    };
    assert!(matches!(refusal(MAX_LOOPS), Problem::Plan(_)), "{:?}", refusal(MAX_LOOPS));
    assert!(matches!(refusal(MAX_LOOPS + 1), Problem::Encoding(_)));
}
