//! What the arguments of an executable ask for, and what it says of itself.

use super::*;
use crate::testing::model;

fn parsed(arguments: &[&str]) -> Result<Task, String> {
    let all = std::iter::once("model").chain(arguments.iter().copied()).map(OsString::from);
    parse(all).map_err(|error| error.to_string())
}

#[test]
fn arguments_say_what_to_do() {
    assert_eq!(parsed(&[]), Ok(Task::Run(Job::default())));
    assert_eq!(parsed(&["-", "-o", "-"]), Ok(Task::Run(Job::default())));
    assert_eq!(parsed(&["x.npz", "--help"]), Ok(Task::Help));
    let job = Job {
        input: Place::File("in.npz".into()),
        output: Place::File("out.npz".into()),
        masks: Some("m.npz".into()),
        threads: Some(2),
        force: true,
        reading: Reading { header: Some(false) },
    };
    let long = [
        "--input",
        "in.npz",
        "--output=out.npz",
        "--masks",
        "m.npz",
        "--threads",
        "2",
        "--force",
        "--header",
        "no",
    ];
    assert_eq!(parsed(&long), Ok(Task::Run(job)));
    for twice in [["-o", "a", "--output", "b"], ["--masks", "a", "--masks", "b"], ["a", "-", "-i", "b"]] {
        assert!(parsed(&twice).unwrap_err().ends_with(" is given twice"), "{twice:?}");
    }
    for wrong in [
        &["a", "b"][..],
        &["--frobnicate"],
        &["--threads", "0"],
        &["-o"],
        &["--header", "perhaps"],
        &["a", "--input", "b"],
    ] {
        assert!(parsed(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_model_describes_itself() {
    let (plan, _) = model();
    let help = about::help(&plan);
    assert!(help.contains("ids: i32[B, T]") && help.contains("output_0: f32[B, 3]"), "{help}");
    assert!(help.contains(r#"echo '{"ids": [1, 1]}' | "#), "{help}");
    let info = about::info(&plan);
    assert!(info.contains("semantics  keras-3.15") && info.contains("  embedding  born"), "{info}");
    assert!(about::version(&plan).starts_with("reviews (masque 0.1.0, runtime "));
}
