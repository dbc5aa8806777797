//! `masque bench` runs what `masque run` runs, and says how long it took.

use std::path::Path;

use masque_runtime::npz;
use masque_tests::command::run;
use masque_tests::corpus::case;
use serde_json::Value as Json;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

#[test]
fn it_times_the_steps_of_a_run_and_gives_its_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let case = case("seed/embedding-gru-dense");
    let out = folder.path().join("out.npz");
    let [model, input, output] =
        [&case.model(), &case.folder.join("input.npz"), &out].map(|path| path.to_str().unwrap().to_owned());
    let masque = |arguments: &[&str]| run(Path::new(MASQUE), folder.path(), arguments).succeeded().unwrap();
    let files = ["--model", &model, "--inputs", &input, "--outputs", &output];
    let how = ["--repeat", "3", "--min-time", "0", "--threads", "1", "--profile", "--format", "json"];
    let done = masque(&[&["bench"][..], &files, &how].concat());
    let report: Json = serde_json::from_str(done.text().lines().last().unwrap()).unwrap();
    assert_eq!(report["n"], 3);
    let times = ["min_s", "median_s", "max_s"].map(|name| report[name].as_f64().unwrap());
    assert!(0.0 < times[0] && times.is_sorted(), "{report}");
    let plan = masque(&["dump", &model, "--stage", "plan"]).text();
    let steps = report["steps"].as_array().unwrap();
    for step in steps {
        let (name, kernel) = (step["step"].as_str().unwrap(), step["kernel"].as_str().unwrap());
        assert!(
            plan.lines().any(|line| line.starts_with(&format!("%{name} = ")) && line.ends_with(kernel)),
            "{step}"
        );
    }
    let shares: f64 = steps.iter().map(|step| step["share"].as_f64().unwrap()).sum();
    assert!(steps.len() > 2 && (shares - 1.0).abs() < 1e-6, "{report}");
    let timed = npz::read(&std::fs::read(&out).unwrap()).unwrap();
    masque(&["run", &model, "--input", &input, "--output", &output]);
    assert_eq!(timed, npz::read(&std::fs::read(&out).unwrap()).unwrap());
    let text = masque(&["bench", &model, "--input", &input, "--repeat", "1", "--min-time", "0"]).text();
    assert!(text.starts_with("run ") && !text.contains("share"), "{text}");
}
