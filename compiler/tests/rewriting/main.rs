//! The rewriting of tensor graphs: every rule on numbers, every rule and some scenarios as text, whole programs, and
//! how time grows.

mod fixtures;
mod programs;
mod random;
mod rules;
mod scaling;

use masque_ir::dim::Bindings;
use masque_ir::program::Program;
use masque_ir::text::{ProgramStage, print_program};
use masque_runtime::{RunError, Tensor, reference};

/// A program's text.
fn text(program: &Program) -> String {
    print_program(program, ProgramStage::Optimized)
}

/// What a program gives for inputs that look random, under sizes for its symbols.
fn outputs(program: &Program, sizes: &Bindings, seed: u64) -> Result<Vec<(String, Tensor)>, RunError> {
    let leaves = program.inputs().chain(program.weights());
    let tensors: Vec<(&str, Tensor)> = leaves
        .map(|(_, info)| {
            // By name, so that it is the same tensor wherever the leaf stands.
            let own =
                info.name.bytes().fold(seed, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
            (info.name.as_str(), random::Random::new(own).tensor(&info.ty, sizes))
        })
        .collect();
    let find = |name: &str| tensors.iter().find(|(own, _)| *own == name).map(|(_, tensor)| tensor.view());
    reference::run(program, &find, &find)
}

/// The same bits? All NaNs are one NaN.
fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    let bits = |x: f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    a.shape() == b.shape()
        && match (a, b) {
            (Tensor::F32(a), Tensor::F32(b)) => {
                a.iter().zip(b).all(|(a, b)| bits(f64::from(*a)) == bits(f64::from(*b)))
            }
            (Tensor::F64(a), Tensor::F64(b)) => a.iter().zip(b).all(|(a, b)| bits(*a) == bits(*b)),
            _ => a == b,
        }
}

/// Demands that wherever one program can be run, another one gives the same bits under the same names.
#[track_caller]
fn assert_same_meaning(before: &Program, after: &Program, sizes: &Bindings, seed: u64) -> bool {
    let Ok(expected) = outputs(before, sizes, seed) else { return false };
    let found = outputs(after, sizes, seed);
    let same = found.as_ref().is_ok_and(|found| {
        found.len() == expected.len()
            && found.iter().zip(&expected).all(|(a, b)| a.0 == b.0 && same_bits(&a.1, &b.1))
    });
    assert!(same, "before:\n{}\nafter:\n{}\n{expected:?}\n{found:?}", text(before), text(after));
    true
}
