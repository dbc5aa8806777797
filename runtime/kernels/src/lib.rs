//! The fast kernels: plain functions over slices of `f32`, ignorant of graphs and files.
//!
//! One promise shapes all of them: **the same row gives the same bits.** Every output element is reduced in one
//! fixed order (along `k` or along time, one fused multiply-add after the other), whatever the number of rows, their
//! order, the padding, the number of threads or the position inside a register tile. The order does not depend on
//! the machine's vector width either: multiply-adds are fused everywhere (emulated where the hardware has none) and
//! no transcendental function comes from the system, so two machines agree as well. A thread that may have set subnormals
//! to zero enters through [`environment`].
//!
//! Shapes are preconditions. A caller has checked them before a kernel runs; kernels repeat the check as
//! `debug_assert!` only. Only *values* that decide about memory ([`gather`]'s ids) are checked here.

#[macro_use]
mod dispatch;

pub mod activation;
pub mod along;
pub mod attention;
pub mod batch;
pub mod contract;
pub mod conv;
pub mod copy;
pub mod dense;
pub mod environment;
pub mod fold;
pub mod gather;
pub mod gemm;
mod lanes;
pub mod map;
pub mod math;
pub mod norm;
pub mod pack;
pub mod pool;
pub mod recurrent;
mod scalar;
pub mod softmax;
pub mod threads;
pub mod windows;

#[cfg(test)]
mod testing;

use std::sync::OnceLock;

use fearless_simd::Level;

/// The instruction set that all kernels use, decided once per process.
///
/// It is the best one that the processor has, unless the environment variable `MASQUE_SIMD` names a lesser one:
/// `avx512`, `avx2`, or `fallback` for the least that the target guarantees. A name that the processor cannot
/// honour changes nothing.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| pick(std::env::var("MASQUE_SIMD").ok().as_deref(), Level::new()))
}

fn pick(wish: Option<&str>, best: Level) -> Level {
    match wish {
        Some("fallback") => Level::baseline(),
        #[cfg(target_arch = "x86_64")]
        Some("avx2") => best.as_avx2().map_or(best, Level::Avx2),
        _ => best,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_wish_changes_nothing() {
        assert_eq!(format!("{:?}", pick(Some("mmx"), Level::new())), format!("{:?}", Level::new()));
        assert_eq!(format!("{:?}", pick(Some("fallback"), Level::new())), format!("{:?}", Level::baseline()));
    }
}
