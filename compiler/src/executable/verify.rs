//! What an executable is made of, by hashes, and whether anything of it was changed since it was built.
//!
//! Checksums show what was changed by accident. They show nothing of a forger, who writes new ones; that the program is
//! the one which this masque would have put there is seen by comparing the two.

use std::fmt::Write as _;
use std::path::Path;

use masque_ir::plan::Plan;
use masque_runtime::bundle::{BundleError, Part, Parts};
use masque_runtime::quote::one_line;
use serde_json::{Value as Json, json};

use super::Runner;

/// A part of an executable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which one.
    pub part: Part,
    /// How many bytes it has.
    pub bytes: usize,
    /// Their hash: the first 128 bits of BLAKE3, as hexadecimal digits.
    pub hash: String,
    /// Is it as its checksum says?
    pub intact: bool,
}

/// What was found in an executable or a plan file.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The parts, in the order of the file.
    pub parts: Vec<Found>,
    /// Is the program the one that this masque carries? `None` if there is none: a plan file.
    pub carried: Option<bool>,
    /// The version of the format.
    pub format: u32,
    /// The epoch of the numbers.
    pub numerics: u32,
    /// The plan, if it is sound.
    pub plan: Option<Plan>,
    /// What is wrong, a sentence each; nothing if all is well.
    pub problems: Vec<String>,
}

/// Looks at an executable, which is to begin with `runner` (the carried one if absent), or at a plan file.
///
/// # Errors
///
/// [`BundleError`], naming the file: it cannot be read, is no executable of masque's, is of an unknown version, or was
/// cut.
pub fn verify(file: &Path, runner: Option<&Runner>) -> Result<Verdict, BundleError> {
    let parts = Parts::open(file)?;
    let found = |part: Part| {
        let bytes = parts.bytes(part);
        let hash = blake3::hash(bytes).to_hex()[..32].to_owned();
        Found { part, bytes: bytes.len(), hash, intact: parts.is_intact(part) }
    };
    let found: Vec<Found> = Part::ALL.map(found).into();
    let program = parts.bytes(Part::Runner);
    let carried = (!program.is_empty()).then(|| Runner::carried().begins(program));
    let changed = found.iter().filter(|found| !found.intact);
    let mut problems: Vec<String> =
        changed.map(|found| format!("its {} changed: the checksum is wrong", found.part.name())).collect();
    let plan = match parts.contents() {
        Ok((plan, _)) => Some(plan),
        Err(problem) if problems.is_empty() => {
            problems.push(problem.to_string());
            None
        }
        Err(_) => None,
    };
    let expected =
        runner.map_or(carried, |runner| Some(runner.begins(program))).filter(|_| !program.is_empty());
    if expected == Some(false) && problems.is_empty() && runner.is_some() {
        problems.push("it begins with another runner than the one that it is compared with".to_owned());
    } else if expected == Some(false) && problems.is_empty() {
        let by = plan.as_ref().map_or("another masque", |plan| &plan.provenance.compiler);
        problems.push(format!(
            "it begins with another runner than the one that this masque carries; the masque that built it ({by}) can \
             tell whether it is the right one, or --runner names the one that it was built with"
        ));
    }
    let (format, numerics) = (parts.version(), parts.numerics());
    Ok(Verdict { parts: found, carried, format, numerics, plan, problems })
}

impl Verdict {
    /// Is nothing wrong?
    pub fn is_fine(&self) -> bool {
        self.problems.is_empty()
    }

    /// Facts for people, one a line.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "{name:<11} {}", one_line(value));
            }
        };
        for (name, value) in self.model() {
            line(name, &value);
        }
        line("format", &self.format.to_string());
        line("numerics", &self.numerics.to_string());
        for found in self.parts.iter().filter(|found| found.bytes > 0) {
            let intact = if found.intact { "unchanged" } else { "changed" };
            let carried = match self.carried.filter(|_| found.part == Part::Runner) {
                Some(true) => ", the one that this masque carries",
                Some(false) => ", another one than this masque carries",
                None => "",
            };
            line(found.part.name(), &format!("{}, {} bytes, {intact}{carried}", found.hash, found.bytes));
        }
        text
    }

    fn model(&self) -> Vec<(&'static str, String)> {
        let Some(plan) = &self.plan else { return vec![] };
        let from = &plan.provenance;
        vec![
            ("model", plan.name.clone()),
            ("file", from.file.clone()),
            ("hash", from.hash.clone()),
            ("compiler", from.compiler.clone()),
            ("semantics", plan.semantics.to_string()),
        ]
    }

    /// The same for programs.
    pub fn json(&self) -> Json {
        let mut json = json!({
            "ok": self.is_fine(),
            "problems": self.problems,
            "format": self.format,
            "numerics": self.numerics,
        });
        for (name, value) in self.model() {
            json[name] = value.into();
        }
        for found in &self.parts {
            json[found.part.name()] =
                json!({"hash": found.hash, "bytes": found.bytes, "intact": found.intact});
        }
        json["runner"]["carried"] = json!(self.carried);
        json
    }
}
