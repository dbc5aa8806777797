//! Compiles the runner, the program that every executable of masque begins with, so that `masque` can carry it.
//!
//! The runner is a binary of the runtime crate. A build script can't have it as a dependency, so it is built by a cargo
//! of its own: with a profile that makes it small, in a target folder of its own (the outer cargo holds the lock of the
//! usual one) that development and release builds share, and without the outer build's wrappers, flags and job server.
//! Nothing is downloaded: all it needs is among what the outer build needs.
//!
//! `MASQUE_RUNNER` names a runner to carry in place of this one, for whoever builds for another machine or from a
//! package without the workspace around it.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The variables by which the outer cargo talks to its compiler; the inner one has to find its own way.
const OUTER: [&str; 13] = [
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "MAKEFLAGS",
    "MFLAGS",
    "TARGET",
    "HOST",
    "PROFILE",
    "OPT_LEVEL",
    "DEBUG",
    "NUM_JOBS",
    "OUT_DIR",
    "RUSTC_LINKER",
];

/// What of cargo's own variables is the user's, not the outer build's.
const KEPT: [&str; 4] = ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTR"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=MASQUE_RUNNER");
    let runner = match env::var_os("MASQUE_RUNNER") {
        Some(path) => {
            println!("cargo::rerun-if-changed={}", Path::new(&path).display());
            PathBuf::from(path)
        }
        None => build()?,
    };
    let runner = runner.canonicalize().map_err(|error| format!("{}: {error}", runner.display()))?;
    println!("cargo::rustc-env=MASQUE_RUNNER_PATH={}", runner.display());
    let version = env::var("CARGO_PKG_VERSION")?;
    let version = commit().map_or(version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=MASQUE_VERSION={version}");
    Ok(())
}

/// The commit that is built: what a package says of itself, or git. Builds for development do without, for they would
/// compile everything anew with each commit.
fn commit() -> Option<String> {
    let folder = variable("CARGO_MANIFEST_DIR").ok()?;
    if let Ok(packaged) = fs::read_to_string(folder.join(".cargo_vcs_info.json")) {
        let (_, rest) = packaged.split_once("\"sha1\"")?;
        return rest.split('"').nth(1).map(|hash| hash.chars().take(12).collect());
    }
    if env::var("PROFILE").is_ok_and(|profile| profile != "release") {
        return None;
    }
    let root = folder.join("..").canonicalize().ok()?;
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    // A repository around this one has commits of its own.
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()? != root {
        return None;
    }
    for changed in [git(&["rev-parse", "--git-path", "logs/HEAD"])?, "compiler/src".to_owned()] {
        println!("cargo::rerun-if-changed={}", root.join(changed).display());
    }
    git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])
}

fn variable(name: &str) -> Result<PathBuf, String> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("cargo did not set {name}"))
}

fn build() -> Result<PathBuf, Box<dyn Error>> {
    let root = variable("CARGO_MANIFEST_DIR")?.join("..");
    let manifest = root.join("runtime/Cargo.toml");
    if !manifest.is_file() {
        return Err("the runner's source is not beside the compiler's: name a runner in MASQUE_RUNNER".into());
    }
    for source in [
        "Cargo.toml",
        "Cargo.lock",
        "ir-specs/Cargo.toml",
        "ir-specs/src",
        "runtime/Cargo.toml",
        "runtime/src",
        "runtime/kernels/Cargo.toml",
        "runtime/kernels/src",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    // What cargo gives is TARGET/PROFILE/build/PACKAGE/out.
    let out_dir = variable("OUT_DIR")?;
    let target_dir = out_dir.ancestors().nth(4).unwrap_or(&out_dir).join("runner");
    let (host, target) = (variable("HOST")?, variable("TARGET")?);
    let mut cargo = Command::new(variable("CARGO")?);
    cargo.args(["build", "--quiet", "--offline", "--locked", "--package", "masque-runtime"]);
    cargo.args(["--bin", "masque-runner", "--profile", "runner"]);
    cargo.arg("--manifest-path").arg(&manifest).arg("--target-dir").arg(&target_dir);
    let features =
        ["arrow", "parquet", "zstd"].map(|name| (name, format!("CARGO_FEATURE_{}", name.to_uppercase())));
    let features: Vec<&str> = features
        .iter()
        .filter(|(_, variable)| env::var_os(variable).is_some())
        .map(|(name, _)| *name)
        .collect();
    if !features.is_empty() {
        // What the readers of these formats, which others wrote, do not expect is an error of the file, not an end.
        cargo.arg("--features").arg(features.join(",")).args(["--config", "profile.runner.panic=\"unwind\""]);
    }
    let mut binary = target_dir.clone();
    if host != target {
        cargo.arg("--target").arg(&target);
        binary.push(&target);
    }
    forget_outer_build(&mut cargo);
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("the runner could not be built: {status}").into());
    }
    // A copy, which no other build replaces while this one reads it.
    let name = format!("masque-runner{}", executable_suffix());
    let carried = out_dir.join(&name);
    fs::copy(binary.join("runner").join(&name), &carried)?;
    Ok(carried)
}

fn executable_suffix() -> &'static str {
    if env::var("CARGO_CFG_WINDOWS").is_ok() { ".exe" } else { "" }
}

fn forget_outer_build(cargo: &mut Command) {
    let of_cargo = |name: &str| name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept));
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| of_cargo(name) || OUTER.contains(&name)) {
            cargo.env_remove(name);
        }
    }
}
