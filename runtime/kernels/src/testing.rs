//! What the kernels' tests share: reproducible numbers, thread pools, comparisons.

use fearless_simd::Level;

/// A tiny linear congruential generator; the same numbers everywhere.
pub(super) struct Lcg(u64);

impl Lcg {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(super) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }

    /// Values in (-scale, scale).
    pub(super) fn floats(&mut self, len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|_| (self.next() as f32 / (1u64 << 30) as f32 - 1.0) * scale).collect()
    }

    pub(super) fn bools(&mut self, len: usize) -> Vec<bool> {
        (0..len).map(|_| self.below(3) > 0).collect()
    }
}

/// Every instruction set that this machine can run.
pub(super) fn levels() -> Vec<Level> {
    let mut levels = vec![Level::new(), Level::baseline()];
    #[cfg(target_arch = "x86_64")]
    levels.extend(Level::new().as_avx2().map(Level::Avx2));
    levels
}

/// Runs `f` in a pool of exactly `threads` threads.
pub(super) fn with_threads<T: Send>(threads: usize, f: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a small pool").install(f)
}

pub(super) fn bits(xs: &[f32]) -> Vec<u32> {
    xs.iter().map(|x| x.to_bits()).collect()
}

#[track_caller]
pub(super) fn assert_close(got: &[f32], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let same = (f64::from(g) - w).abs() <= tolerance * (1.0 + w.abs());
        assert!(same || (g.is_nan() && w.is_nan()), "element {i}: got {g}, want {w}");
    }
}

/// The distance of `got` from `want` in units of the last place of an `f32`.
pub(super) fn ulps(got: f32, want: f64) -> f64 {
    if got.is_nan() && want.is_nan() || f64::from(got) == want || got == want as f32 {
        return 0.0;
    }
    let near = (want as f32).abs().max(f32::MIN_POSITIVE);
    (f64::from(got) - want).abs() / f64::from(f32::from_bits(near.to_bits() + 1) - near)
}
