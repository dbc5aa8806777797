//! The best scores are those of a plain sort; labels are for one output each, and as many as it has classes.

use std::path::PathBuf;

use masque_ir::text::parse_type;
use proptest::prelude::*;

use super::*;
use crate::testing::model;

#[test]
fn equal_scores_stand_by_index_and_nan_last() {
    let nan = f64::NAN;
    assert_eq!(best(&[0.25, 0.5, 0.25, 0.5], 3), [1, 3, 0]);
    assert_eq!(best(&[nan, f64::NEG_INFINITY, nan, f64::INFINITY, 0.0], 10), [3, 4, 1, 0, 2]);
    assert_eq!(best(&[-0.0, 0.0], 1), [0]);
    assert_eq!(best(&[nan, nan], 1), [0]);
}

proptest! {
    #[test]
    fn the_best_are_those_of_a_plain_sort(
        scores in prop::collection::vec(prop_oneof![Just(f64::NAN), (-3..3).prop_map(f64::from)], 1..40),
        most in 1..50_usize,
    ) {
        let mut sorted: Vec<usize> = (0..scores.len()).collect();
        let key = |&place: &usize| scores[place];
        sorted.sort_by(|a, b| match (key(a).is_nan(), key(b).is_nan()) {
            (false, false) => key(b).total_cmp(&key(a)),
            (a, b) => a.cmp(&b),
        });
        sorted.truncate(most);
        prop_assert_eq!(best(&scores, most), sorted);
    }
}

/// The model with these outputs, f32[B, 3] and others.
fn plan(outputs: &[(&str, &str)]) -> Plan {
    let (mut plan, _) = model();
    let source = plan.outputs[0].source;
    let output = |(place, (_, ty)): (usize, &(&str, &str))| PlanOutput {
        name: format!("output_{place}"),
        ty: parse_type(ty).unwrap(),
        source,
    };
    plan.provenance.output_names = outputs.iter().map(|(name, _)| (*name).to_owned()).collect();
    plan.outputs = outputs.iter().enumerate().map(output).collect();
    plan
}

fn read(plan: &Plan, files: &[(&str, &[u8])]) -> Result<Labels, String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |(place, (output, content)): (usize, &(&str, &[u8]))| {
        let path = folder.path().join(format!("{place}.txt"));
        std::fs::write(&path, content).unwrap();
        PathBuf::from(format!("{output}{}", path.display()))
    };
    let given: Vec<PathBuf> = files.iter().enumerate().map(write).collect();
    let bare =
        |error: crate::io::FileError| error.to_string().replace(&format!("{}/", folder.path().display()), "");
    crate::io::read_labels(plan, &given).map_err(bare)
}

#[test]
fn a_file_has_a_line_for_each_class() {
    let plan = plan(&[("y", "f32[B, 3]"), ("steps", "i32[B, 4]")]);
    let labels = read(&plan, &[("", b"\xef\xbb\xbfcat\r\n\n\"dog\" \xc3\xa9")]).unwrap();
    assert_eq!(labels.of(0).unwrap()[..], ["cat", "", "\"dog\" é"]);
    assert_eq!((labels.of(1), labels.of(2)), (None, None));
    assert!(labels.fit(&plan) && !labels.fit(&self::plan(&[("y", "f32[B, 4]")])));
    assert!(!labels.fit(&self::plan(&[])));
    let refused = |content| read(&plan, &[("", content)]).unwrap_err();
    assert_eq!(
        refused(b"cat\ndog\n\n\n"),
        "0.txt: expected 3 labels, one a line, for the classes of y: f32[B, 3], found 4"
    );
    assert!(refused(b"").ends_with("found 0"));
    assert_eq!(refused(b"a\n\xff\nc\n"), "0.txt: line 2: not UTF-8 text");
    let missing = crate::io::read_labels(&plan, &["/no/such".into()]).unwrap_err().to_string();
    assert!(missing.starts_with("/no/such: "), "{missing}");
}

#[test]
fn an_output_without_classes_has_no_labels() {
    for other in ["f32[B, 1]", "f32[B]", "f32[B, T]", "i32[B, 3]"] {
        let refused = read(&plan(&[("y", other)]), &[("", b"a\nb\nc\n")]).unwrap_err();
        assert!(refused.contains("scores of classes") && refused.contains(other), "{refused}");
    }
    assert_eq!(classes(&parse_type("f32[B, T, 7]").unwrap()), Some(7));
}

#[test]
fn one_of_several_outputs_is_named() {
    let plan = plan(&[("kind", "f32[B, 2]"), ("a=b", "f32[B, T, 2]")]);
    let two: &[u8] = b"no\nyes\n";
    let refused = |files: &[(&str, &[u8])]| read(&plan, files).unwrap_err();
    assert!(
        refused(&[("", two)]).ends_with("write OUTPUT=FILE, with one of \"kind\", \"a=b\" before the file")
    );
    assert!(refused(&[("kind=", two), ("output_0=", two)]).contains("has the labels of another file"));
    let labels = read(&plan, &[("output_1=", two)]).unwrap();
    assert_eq!((labels.of(0), labels.of(1).unwrap().len()), (None, 2));
    let both = labels.or(&read(&plan, &[("kind=", b"ham\nspam\n"), ("output_1=", b"x\ny")]).unwrap());
    assert_eq!((&both.of(0).unwrap()[0], &both.of(1).unwrap()[0]), (&"ham".to_owned(), &"no".to_owned()));
}
