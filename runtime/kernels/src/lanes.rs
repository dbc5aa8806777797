//! Vector formulas on sixteen lanes, and the driver that runs one over a slice.
//!
//! Everything is written once for `f32x16`, which a narrower machine holds in two or four registers. A tail is
//! padded into a full vector, so that an element's bits don't depend on where in the slice it lies. Polynomials are
//! minimax fits (Remez) made for these intervals; their errors stand beside them.

use fearless_simd::{Level, Simd, f32x16, i32x16, prelude::*};

/// Lanes in a vector.
pub(super) const LANES: usize = 16;

/// A function of one element, applied to sixteen at a time.
pub(super) trait Lanes: Copy {
    fn lanes<S: Simd>(self, simd: S, x: f32x16<S>) -> f32x16<S>;
}

/// Rows of `width` elements, `stride` elements from the beginning of one to that of the next.
pub(super) struct Block<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) width: usize,
}

impl<'a> Block<'a> {
    /// A slice as one row.
    pub(super) fn row(data: &'a mut [f32]) -> Self {
        let len = data.len();
        Self { data, stride: len, width: len }
    }

    pub(super) fn reborrow(&mut self) -> Block<'_> {
        Block { data: self.data, ..*self }
    }

    pub(super) fn rows(self) -> impl Iterator<Item = &'a mut [f32]> {
        let width = self.width;
        self.data.chunks_mut(self.stride.max(1)).filter_map(move |row| row.get_mut(..width))
    }
}

/// Replaces every element of `xs` by its image under `f`.
pub(super) fn map<F: Lanes>(level: Level, xs: &mut [f32], f: F) {
    map_block(level, Block::row(xs), f);
}

/// Replaces every element of the block by its image under `f`.
pub(super) fn map_block<F: Lanes>(level: Level, block: Block<'_>, f: F) {
    let block = if block.stride == block.width { Block::row(block.data) } else { block };
    dispatch!(level, simd => map_rows(simd, block, f));
}

/// A loop, not a closure handed to an iterator: what is not inlined here would be compiled without the machine's vector
/// instructions, and every one of them would be a call.
#[inline(always)]
fn map_rows<S: Simd, F: Lanes>(simd: S, block: Block<'_>, f: F) {
    for row in block.rows() {
        map_lanes(simd, row, f);
    }
}

/// Adds to row r of the block the beginning of `other(r)`.
pub(super) fn zip_block<'b>(level: Level, block: Block<'_>, other: impl Fn(usize) -> &'b [f32]) {
    dispatch!(level, simd => {
        for (r, row) in block.rows().enumerate() {
            for (x, y) in row.chunks_mut(LANES).zip(other(r).chunks(LANES)) {
                let len = x.len();
                store(load(simd, x, 0.0) + load(simd, &y[..len], 0.0), x);
            }
        }
    });
}

#[inline(always)]
fn map_lanes<S: Simd, F: Lanes>(simd: S, xs: &mut [f32], f: F) {
    let (body, tail) = xs.as_chunks_mut::<LANES>();
    for chunk in body {
        f.lanes(simd, f32x16::load_array_ref(simd, chunk)).store_array(chunk);
    }
    if !tail.is_empty() {
        let image = f.lanes(simd, load(simd, tail, 0.0));
        store(image, tail);
    }
}

/// Loads up to sixteen elements; the lanes behind the end of `xs` hold `fill`.
#[inline(always)]
pub(super) fn load<S: Simd>(simd: S, xs: &[f32], fill: f32) -> f32x16<S> {
    if let Some(full) = xs.first_chunk::<LANES>() {
        return f32x16::load_array_ref(simd, full);
    }
    let mut padded = [fill; LANES];
    padded[..xs.len()].copy_from_slice(xs);
    f32x16::load_array(simd, padded)
}

/// Stores the first sixteen lanes, or as many as `out` has room for.
#[inline(always)]
pub(super) fn store<S: Simd>(x: f32x16<S>, out: &mut [f32]) {
    if let Some(full) = out.first_chunk_mut::<LANES>() {
        x.store_array(full);
    } else {
        let len = out.len();
        out.copy_from_slice(&x.as_slice()[..len]);
    }
}

#[inline(always)]
pub(super) fn splat<S: Simd>(simd: S, x: f32) -> f32x16<S> {
    f32x16::splat(simd, x)
}

/// Has the instruction set no fused multiply-add? Then it takes dozens of instructions.
pub(super) const fn emulates_fma<S: Simd>() -> bool {
    <S::f32s as SimdBase<S>>::LEN <= 4 && !cfg!(target_arch = "aarch64")
}

/// `a * b + c`, rounded once on every machine.
#[inline(always)]
pub(super) fn fma<S: Simd>(a: f32x16<S>, b: f32x16<S>, c: f32x16<S>) -> f32x16<S> {
    if const { emulates_fma::<S>() } { emulated_fma(a, b, c) } else { a.mul_add_precise(b, c) }
}

/// Kept out of line: it would blow up every formula of machines that are rarely met.
#[inline(never)]
fn emulated_fma<S: Simd>(a: f32x16<S>, b: f32x16<S>, c: f32x16<S>) -> f32x16<S> {
    a.token().vectorize(
        #[inline(always)]
        || a.mul_add_precise(b, c),
    )
}

/// The sum of all lanes: halves are added until one lane is left.
#[inline(always)]
pub(super) fn sum<S: Simd>(x: f32x16<S>) -> f32 {
    let mut lanes = x.to_array();
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
    }
    lanes[0]
}

/// Sixteen rows of sixteen elements, turned into columns.
#[inline(always)]
pub(super) fn transpose<S: Simd>(simd: S, mut x: [f32x16<S>; LANES]) -> [f32x16<S>; LANES] {
    // Interleaving row i with row i + 8 rotates the bits of an element's place by one; four times is half way round.
    for _ in 0..4 {
        let mut y = [splat(simd, 0.0); LANES];
        for i in 0..LANES / 2 {
            y[2 * i] = x[i].zip_low(x[i + LANES / 2]);
            y[2 * i + 1] = x[i].zip_high(x[i + LANES / 2]);
        }
        x = y;
    }
    x
}

/// `x`, but never below `low` nor above `high`; NaN stays.
#[inline(always)]
pub(super) fn clamp<S: Simd>(simd: S, x: f32x16<S>, low: f32, high: f32) -> f32x16<S> {
    let x = x.simd_lt(low).select(splat(simd, low), x);
    x.simd_gt(high).select(splat(simd, high), x)
}

#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: f32x16<S>, coefficients: [f32; N]) -> f32x16<S> {
    let mut value = splat(simd, coefficients[N - 1]);
    for i in (0..N - 1).rev() {
        value = fma(value, x, splat(simd, coefficients[i]));
    }
    value
}

/// Splits `exp(x)` into `2^n * (1 + p)` with `p` in [-0.3, 0.42]. `x` must be in [-150, 150] (or NaN).
#[inline(always)]
fn exp_parts<S: Simd>(simd: S, x: f32x16<S>) -> (i32x16<S>, f32x16<S>) {
    // Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = std::f32::consts::LN_2;
    const LN2_LOW: f32 = -1.904_654_3e-9;
    let shifted = fma(x, splat(simd, std::f32::consts::LOG2_E), splat(simd, ROUND));
    let n = shifted - ROUND;
    let r = fma(n, splat(simd, -LN2_HIGH), x);
    let r = fma(n, splat(simd, -LN2_LOW), r);
    // (exp(r) - 1 - r) / r^2, relative error of the whole below 3e-10.
    let q = polynomial(
        simd,
        r,
        [0.5, 0.166_666_67, 0.041_666_354, 0.008_333_273, 0.001_394_105, 0.000_199_142_3],
    );
    (shifted.bitcast::<i32x16<S>>() - ROUND.to_bits() as i32, fma(r * r, q, r))
}

/// `2^n` for n in [-126, 127].
#[inline(always)]
fn power_of_two<S: Simd>(n: i32x16<S>) -> f32x16<S> {
    ((n + 127) << 23).bitcast()
}

/// `exp(x)`, right for every input: overflow gives infinity, underflow subnormals, then 0.
#[inline(always)]
pub(super) fn exp<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let (n, p) = exp_parts(simd, clamp(simd, x, -104.0, 89.0));
    let half = n >> 1;
    (p + 1.0) * power_of_two(half) * power_of_two(n - half)
}

/// `exp(x) - 1` for x <= 0, without the cancellation near 0.
#[inline(always)]
pub(super) fn expm1_negative<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let x = x.simd_lt(-20.0).select(splat(simd, -20.0), x);
    let (n, p) = exp_parts(simd, x);
    let scale = power_of_two(n);
    fma(scale, p, scale - 1.0)
}

/// `tanh(x)`, as `-e / (e + 2)` with `e = exp(-2|x|) - 1` and the sign of x.
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let e = expm1_negative(simd, x.abs() * -2.0);
    (-e / (e + 2.0)).copysign(x)
}

/// `1 / (1 + exp(-x))`, from `t = exp(-|x|)` so that nothing overflows.
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let t = exp(simd, -x.abs());
    let numerator = x.simd_lt(0.0).select(t, splat(simd, 1.0));
    numerator / (t + 1.0)
}

/// The natural logarithm: `x = 2^e m` with m between `sqrt(1/2)` and `sqrt(2)`, and `ln m = 2 atanh((m - 1) / (m + 1))`.
#[inline(always)]
pub(super) fn ln<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    const ROOT_HALF: i32 = 0x3f35_04f3;
    const LN2_HIGH: f32 = 0.693_138_1;
    const LN2_LOW: f32 = 9.058_001e-6;
    // Subnormals become normal numbers first.
    let small = x.simd_lt(f32::MIN_POSITIVE);
    let normal = small.select(x * 8_388_608.0, x);
    let bits = normal.bitcast::<i32x16<S>>();
    let exponent = (bits - ROOT_HALF) >> 23;
    let m: f32x16<S> = (bits - (exponent << 23)).bitcast();
    let e = exponent.to_float::<f32x16<S>>();
    let e = small.select(e - 23.0, e);
    let f = m - 1.0;
    let s = f / (f + 2.0);
    let u = s * s;
    let r = u * polynomial(simd, u, [0.666_666_6, 0.400_003_34, 0.285_373_1, 0.235_821_52]);
    let half = f * f * 0.5;
    // The terms in the order in which they shrink least: f - (half - (s * (half + r) + e * low)) + e * high.
    let tail = fma(s, half + r, e * LN2_LOW);
    let value = fma(e, splat(simd, LN2_HIGH), f - (half - tail));
    let value = x.simd_eq(f32::INFINITY).select(x, value);
    let value = x.simd_eq(0.0).select(splat(simd, f32::NEG_INFINITY), value);
    x.simd_ge(0.0).select(value, splat(simd, f32::NAN))
}

/// `ln(1 + t)` for t in [0, 1], as `2 atanh(t / (2 + t))`; relative error below 5e-9 before rounding.
#[inline(always)]
pub(super) fn log1p_unit<S: Simd>(simd: S, t: f32x16<S>) -> f32x16<S> {
    let s = t / (t + 2.0);
    let u = s * s;
    let p = polynomial(simd, u, [0.666_664_1, 0.400_217, 0.279_991_42, 0.280_244_53]);
    fma(s * u, p, s + s)
}

/// `ln(1 + exp(x))`, as `max(x, 0) + ln(1 + exp(-|x|))`.
#[inline(always)]
pub(super) fn softplus<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let positive = x.simd_lt(0.0).select(splat(simd, 0.0), x);
    positive + log1p_unit(simd, exp(simd, -x.abs()))
}

/// `erfc(u)` for u >= 0: `exp(-u^2) t P(t)` with `t = 1 / (1 + u / 2)`, relative error of P below 4e-9.
#[inline(always)]
pub(super) fn erfc_positive<S: Simd>(simd: S, u: f32x16<S>) -> f32x16<S> {
    let u = u.simd_gt(10.5).select(splat(simd, 10.5), u);
    let t = splat(simd, 1.0) / fma(u, splat(simd, 0.5), splat(simd, 1.0));
    let p = polynomial(
        simd,
        t,
        [
            0.282_089_2,
            0.282_236_8,
            0.245_335_95,
            0.184_700_36,
            0.058_090_925,
            0.027_796_652,
            -0.009_893_856,
            -0.302_276_8,
            0.389_901_86,
            -0.194_299_24,
            0.036_318_15,
        ],
    );
    // The rounding error of u^2 would be magnified by exp; its remainder is known exactly.
    let square = u * u;
    let remainder = fma(u, u, -square);
    let gauss = exp(simd, -square);
    fma(gauss, -remainder, gauss) * t * p
}

/// The error function: an odd polynomial near 0, `1 - erfc(|x|)` elsewhere.
#[inline(always)]
pub(super) fn erf<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let v = x * x;
    let near = polynomial(
        simd,
        v,
        [
            std::f32::consts::FRAC_2_SQRT_PI,
            -0.376_126_38,
            0.112_837_61,
            -0.026_861_46,
            0.005_192_026_7,
            -0.000_755_339_5,
        ],
    ) * x;
    let far = (splat(simd, 1.0) - erfc_positive(simd, x.abs())).copysign(x);
    v.simd_lt(0.3).select(near, far)
}

/// The distribution function of the standard normal, `erfc(-x / sqrt 2) / 2`.
#[inline(always)]
pub(super) fn normal_cdf<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let tail = erfc_positive(simd, x.abs() * std::f32::consts::FRAC_1_SQRT_2) * 0.5;
    x.simd_lt(0.0).select(tail, splat(simd, 1.0) - tail)
}
