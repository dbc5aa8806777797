//! One body of code, compiled for each instruction set that kernels are made for.

/// Runs `op` by the instruction set of `level`, as `fearless_simd::dispatch!` does, but made for one less on x86-64:
/// SSE4.2 has nothing over SSE2 that these kernels would gain from, since neither multiplies and adds at once, and a
/// processor with it and without AVX2 is rarely met.
#[cfg(target_arch = "x86_64")]
macro_rules! dispatch {
    ($level:expr, $simd:pat => $op:expr) => {{
        use fearless_simd::{Level, Simd};
        match $level {
            Level::Avx512(token) => {
                let $simd = token;
                token.vectorize(
                    #[inline(always)]
                    || $op,
                )
            }
            Level::Avx2(token) => {
                let $simd = token;
                token.vectorize(
                    #[inline(always)]
                    || $op,
                )
            }
            lesser => {
                let token = lesser.as_sse2().expect("every x86-64 has SSE2");
                let $simd = token;
                token.vectorize(
                    #[inline(always)]
                    || $op,
                )
            }
        }
    }};
}

#[cfg(not(target_arch = "x86_64"))]
macro_rules! dispatch {
    ($level:expr, $simd:pat => $op:expr) => {
        fearless_simd::dispatch!($level, $simd => $op)
    };
}
