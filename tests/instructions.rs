//! How many instructions the kernels of a run take, on the program that is shipped: what makes them slower shows here,
//! however noisy the machine is.
//!
//! They are counted by valgrind (Linux, x86-64 with AVX2), of one batch and of one twice as large; the difference is what a
//! batch takes, without the start. `MASQUE_BLESS=1` writes the counts anew. They are those of one version of Rust: with
//! another one nothing is compared.

#![expect(clippy::print_stderr, reason = "says where nothing is counted")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use masque::{Model, Options, session};
use masque_ir::Type;
use masque_ir::plan::PlanValue;
use masque_ir::text::{Document, parse};
use masque_runtime::{Tensor, npz};
use masque_tests::command::bare;
use ndarray::ArrayD;

/// A count is this much above the committed one, in percent, before it is an error, and as much below before it has to be
/// written anew.
const TOLERANCE: f64 = 5.0;

/// Examples of a batch, positions of an example, and how many of them are valid in each.
const BATCH: usize = 4;
const STEPS: usize = 48;
const VALID: [usize; BATCH] = [48, 31, 12, 5];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions")
}

/// Numbers without meaning, the same in every run, in [-0.25, 0.25).
fn noise(shape: &[usize]) -> ArrayD<f32> {
    let mut state = 0x9e37_79b9_u32;
    ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 26) as f32 - 0.125
    })
}

/// Builds the model of a text, with weights without meaning; gives its input.
fn build(text: &str, program: &Path) -> PlanValue {
    let Ok(Document::Layers(graph)) = parse(text) else { panic!("the text of layers") };
    let mut inferred = Model::of_graph(&graph).unwrap().infer().unwrap();
    let weight = |ty: &Type| {
        let sizes: Vec<usize> = ty.shape.iter().map(|size| size.known().unwrap() as usize).collect();
        Tensor::F32(noise(&sizes))
    };
    let declared = &inferred.graph().facts.weights;
    let weights = declared.iter().map(|declared| (declared.name.clone(), weight(&declared.ty))).collect();
    inferred.give_weights(weights).unwrap();
    let planned = session::compile(inferred, Options::default(), |_| ()).unwrap();
    planned.write_executable(program).unwrap();
    planned.plan.input_values().next().unwrap().1.clone()
}

/// A batch so many times over: ids with 0 for padding, or rows of numbers.
fn batch(input: &PlanValue, times: usize) -> Tensor {
    let valid = |row: usize, step: usize| step < VALID[row % BATCH];
    let ids = |row: usize, step: usize| if valid(row, step) { 1 + (row * 7 + step * 13) % 1999 } else { 0 };
    match input.ty.shape.get(2) {
        None => {
            let id = |(row, step)| ids(row, step) as i32;
            Tensor::I32(ndarray::Array2::from_shape_fn((BATCH * times, STEPS), id).into_dyn())
        }
        Some(width) => Tensor::F32(noise(&[BATCH * times, STEPS, width.known().unwrap() as usize])),
    }
}

/// Instructions from the start of a program to its end.
fn counted(program: &Path, folder: &Path, input: &str) -> u64 {
    let mut command = bare(Path::new("valgrind"), folder);
    command.args(["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]);
    command.arg(program).args([input, "-o", "out.npz", "--threads", "1"]).env("MASQUE_SIMD", "avx2");
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    let line = said.lines().find(|line| line.contains("I   refs:")).unwrap_or_else(|| panic!("{said}"));
    let digits: String = line.rsplit(':').next().unwrap().chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

/// Instructions of a batch, by model.
fn counts() -> BTreeMap<String, u64> {
    let desk = tempfile::tempdir().unwrap();
    let mut counts = BTreeMap::new();
    for name in ["convolution", "encoder", "gru", "tagger"] {
        let text = fs::read_to_string(folder().join(name).with_extension("mq")).unwrap();
        let program = desk.path().join(name);
        let input = build(&text, &program);
        let [one, two] = [1, 2].map(|times| {
            let file = format!("{name}-{times}.npz");
            npz::write(
                fs::File::create(desk.path().join(&file)).unwrap(),
                &[(input.name.clone(), batch(&input, times))],
            )
            .unwrap();
            counted(&program, desk.path(), &file)
        });
        counts.insert(name.to_owned(), two - one);
    }
    counts
}

fn told(command: &str) -> Option<String> {
    let done = Command::new(command).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&done.stdout).lines().next()?.to_owned())
}

#[test]
fn a_batch_takes_as_many_instructions_as_before() {
    #[cfg(target_arch = "x86_64")]
    let vectors = std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = false;
    let (Some(_), Some(rust), true) = (told("valgrind"), told("rustc"), vectors) else {
        eprintln!("there is no valgrind, or no AVX2: nothing was counted");
        return;
    };
    let file = folder().join("counts.txt");
    let line = |(name, count): (&String, &u64)| format!("{name} {count}\n");
    let written =
        |counts: &BTreeMap<String, u64>| format!("{rust}\n{}", counts.iter().map(line).collect::<String>());
    if std::env::var_os("MASQUE_BLESS").is_some() {
        fs::write(file, written(&counts())).unwrap();
        return;
    }
    let committed = fs::read_to_string(file).unwrap();
    let (version, lines) = committed.split_once('\n').unwrap();
    if version != rust {
        eprintln!("the counts are of {version}, and this is {rust}: nothing was counted");
        return;
    }
    let counts = counts();
    let before: BTreeMap<&str, u64> = lines
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, count)| (name, count.parse().unwrap()))
        .collect();
    assert_eq!(before.len(), counts.len());
    let percent = |name: &str, count: u64| (count as f64 / before[name] as f64 - 1.0) * 100.0;
    let moved = counts.iter().filter(|(name, count)| percent(name, **count).abs() > TOLERANCE);
    let moved: Vec<String> =
        moved.map(|(name, count)| format!("{name}: {count}, {:+.1} %", percent(name, *count))).collect();
    assert!(moved.is_empty(), "instructions of a batch are others than in counts.txt:\n{}", moved.join("\n"));
}
