//! The golden models. `golden/README.md` says what is in a case's folder; here it becomes a value.
//!
//! A folder below `golden/AREA/` is a case, and nothing else has to be written down anywhere. A key of `case.json`
//! that nobody reads is an error: it would be a promise that nobody checks.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use masque_runtime::io::{Named, Place, read_inputs};
use masque_runtime::npz;
use serde::Deserialize;
use serde_json::Value as Json;

use masque_ir::plan::Plan;

/// A golden model, and what Keras says of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Area and folder: `layers/gru-outputs`.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// `case.json`.
    pub expected: Expected,
}

/// `case.json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// What the case is about.
    pub title: String,
    /// Where the model was met, for those rebuilt from public reports.
    #[serde(default)]
    pub source: String,
    /// What people got wrong in it, or asked about it.
    #[serde(default)]
    pub about: String,
    /// Who gave the numbers.
    pub keras_version: String,
    /// Is a mask destroyed, so that the default policy refuses the model?
    pub policy: Policy,
    /// The layers that destroy masks.
    pub expected_check: Vec<String>,
    /// The model's file.
    pub model: String,
    /// The inputs' file.
    #[serde(default)]
    pub input: Option<String>,
    /// How near the numbers have to be.
    pub tolerance: Tolerance,
    /// Words to find cases by.
    pub tags: Vec<String>,
    /// Has the model no weights, so that it can't be run?
    #[serde(default)]
    pub mask_inference_only: bool,
    /// A loss with its value.
    #[serde(default)]
    pub evaluate: Option<Evaluate>,
    /// Every call, with its masks.
    pub calls: Vec<Call>,
}

/// Under which policy a model can be compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Only if destroyed masks are no error.
    Error,
    /// Under any: no mask is destroyed.
    Warn,
}

/// `|found - expected| <= atol + rtol * |expected|`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Relative.
    pub rtol: f64,
    /// Absolute.
    pub atol: f64,
}

/// A loss with its value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// The loss, as `compile` is given it; null for what the model was saved with.
    pub loss: Json,
    /// How much the outputs' losses count.
    #[serde(default)]
    pub loss_weights: Json,
    /// Its value.
    pub expected: f64,
    /// All that Keras reports, if the model was compiled with metrics.
    #[serde(default)]
    pub report: BTreeMap<String, f64>,
}

/// A call, with the masks of the run and those of Keras' symbolic graph.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The layer.
    pub layer: String,
    /// Which call of the layer.
    pub call: u32,
    /// The layer's class.
    pub class: String,
    /// A layer, or an operation?
    pub is_layer: bool,
    /// Did each tensor come with a mask?
    pub mask_in: Vec<bool>,
    /// Did each tensor go with a mask?
    pub mask_out: Vec<bool>,
    /// As the symbolic graph has it.
    pub symbolic_mask_in: Vec<bool>,
    /// As the symbolic graph has it.
    pub symbolic_mask_out: Vec<bool>,
    /// The words that are right.
    pub status: Vec<String>,
}

impl Case {
    /// The model's file.
    pub fn model(&self) -> PathBuf {
        self.folder.join(&self.expected.model)
    }

    /// The inputs, as the command reads them.
    ///
    /// # Panics
    ///
    /// If they can't be read, or the case has none.
    pub fn inputs(&self, plan: &Plan) -> Named {
        let file = self.expected.input.as_ref().map(|name| self.folder.join(name)).unwrap_or_default();
        read_inputs(plan, &Place::File(file)).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Arrays of the case's folder, by name.
    ///
    /// # Panics
    ///
    /// If the file can't be read.
    pub fn arrays(&self, file: &str) -> BTreeMap<String, masque_runtime::Tensor> {
        let bytes =
            fs::read(self.folder.join(file)).unwrap_or_else(|error| panic!("{}/{file}: {error}", self.name));
        let arrays = npz::read(&bytes).unwrap_or_else(|error| panic!("{}/{file}: {error}", self.name));
        arrays.into_iter().collect()
    }
}

/// Where the golden models are.
pub fn folder() -> PathBuf {
    crate::root().join("tests/golden")
}

/// Every golden model, sorted by name.
///
/// # Panics
///
/// If a case can't be read.
pub fn cases() -> Vec<Case> {
    let areas = subfolders(&folder()).into_iter();
    // The generator's own folder, the leaks, which have their own form, and models that are read with descriptions.
    let areas =
        areas.filter(|area| !["described", "generator", "leaks"].iter().any(|name| area.ends_with(name)));
    let cases: Vec<Case> = areas.flat_map(|area| cases_in(&area)).collect();
    assert!(cases.len() >= 100, "only {} golden models", cases.len());
    cases
}

/// The golden models whose files hold custom layers by name: beside each lies `layers.mq`, which describes them.
///
/// # Panics
///
/// If a case can't be read.
pub fn described() -> Vec<Case> {
    cases_in(&folder().join("described"))
}

fn cases_in(area: &std::path::Path) -> Vec<Case> {
    let case = |folder: PathBuf| {
        let file = folder.join("case.json");
        let text = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let expected =
            serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Case { name: format!("{}/{}", file_name(area), file_name(&folder)), folder, expected }
    };
    // Python leaves folders behind.
    subfolders(area).into_iter().filter(|folder| !folder.ends_with("__pycache__")).map(case).collect()
}

/// One golden model.
///
/// # Panics
///
/// If there is none of that name.
pub fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("there is no case {name}"))
}

/// The cases of one area.
pub fn area(name: &str) -> Vec<Case> {
    cases().into_iter().filter(|case| case.name.starts_with(&format!("{name}/"))).collect()
}

/// A list of cases that fail because something is missing, such as `golden/not-yet.txt`: each with the reason.
///
/// # Panics
///
/// If the file is missing, or a line has no reason.
pub fn listed(file: &str) -> BTreeMap<String, String> {
    let text =
        fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("golden/{file}: {error}"));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (name, reason) = line.split_once(": ").unwrap_or_else(|| panic!("{file}: no reason in `{line}`"));
        (name.to_owned(), reason.trim().to_owned())
    };
    lines.map(entry).collect()
}

fn subfolders(folder: &std::path::Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a folder's entry").path());
    let mut folders: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
