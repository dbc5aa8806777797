//! Elementary functions and activations, in place over a slice.
//!
//! `exp`, `tanh` and `sigmoid` are right to about two units in the last place everywhere, infinities, NaN and
//! subnormals included. The activations follow the formulas of Keras 3's `keras.activations`. An element's bits
//! depend on its value alone, never on its position, the slice's length or the machine.

use fearless_simd::{Simd, f32x16, prelude::*};

use super::lanes::{self, Lanes, clamp, map, splat};
use super::level;

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident as $op:ident { $($field:ident),* } = |$simd:ident, $x:ident| $body:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub(super) struct $op { $(pub(super) $field: f32),* }

        impl Lanes for $op {
            #[inline(always)]
            fn lanes<S: Simd>(self, $simd: S, $x: f32x16<S>) -> f32x16<S> {
                let Self { $($field),* } = self;
                $body
            }
        }

        $(#[$doc])*
        pub fn $name(xs: &mut [f32], $($field: f32),*) {
            map(level(), xs, $op { $($field),* });
        }
    )*};
}

functions! {
    /// `exp(x)`; also Keras' `exponential`.
    exp as Exp {} = |simd, x| lanes::exp(simd, x);

    /// The hyperbolic tangent.
    tanh as Tanh {} = |simd, x| lanes::tanh(simd, x);

    /// `1 / (1 + exp(-x))`.
    sigmoid as Sigmoid {} = |simd, x| lanes::sigmoid(simd, x);

    /// The error function.
    erf as Erf {} = |simd, x| lanes::erf(simd, x);

    /// `max(x, 0)`.
    relu as Relu {} = |simd, x| x.simd_lt(0.0).select(splat(simd, 0.0), x);

    /// `x` where it is not negative, `slope * x` elsewhere.
    leaky_relu as LeakyRelu { slope } = |_simd, x| x.simd_lt(0.0).select(x * slope, x);

    /// `x` where it is not negative, `alpha * (exp(x) - 1)` elsewhere.
    elu as Elu { alpha } = |simd, x| {
        let negative = x.simd_gt(0.0).select(splat(simd, 0.0), x);
        x.simd_gt(0.0).select(x, lanes::expm1_negative(simd, negative) * alpha)
    };

    /// [`elu`] with the self-normalizing constants.
    selu as Selu {} = |simd, x| Elu { alpha: 1.673_263_2 }.lanes(simd, x) * 1.050_701;

    /// `max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)`; `alpha` must be positive.
    celu as Celu { alpha } = |simd, x| {
        let negative = x.simd_gt(0.0).select(splat(simd, 0.0), x);
        x.simd_gt(0.0).select(x, lanes::expm1_negative(simd, negative / alpha) * alpha)
    };

    /// `x * Phi(x)`, Phi being the normal distribution function.
    gelu as Gelu {} = |simd, x| x * lanes::normal_cdf(simd, x);

    /// The approximation `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`.
    gelu_tanh as GeluTanh {} = |simd, x| {
        let inner = lanes::fma(x * x * 0.044_715, x, x);
        x * lanes::sigmoid(simd, inner * 1.595_769)
    };

    /// `x * sigmoid(x)`, also known as swish.
    silu as Silu {} = |simd, x| x * lanes::sigmoid(simd, x);

    /// `ln(1 + exp(x))`.
    softplus as Softplus {} = |simd, x| lanes::softplus(simd, x);

    /// `x / (1 + |x|)`.
    softsign as Softsign {} = |_simd, x| x / (x.abs() + 1.0);

    /// `relu6(x + 3) / 6`.
    hard_sigmoid as HardSigmoid {} = |simd, x| clamp(simd, x + 3.0, 0.0, 6.0) / 6.0;

    /// `x / 5 + 1 / 2`, limited to [0, 1].
    hard_sigmoid_keras2 as HardSigmoidKeras2 {} = |simd, x| clamp(simd, x * 0.2 + 0.5, 0.0, 1.0);

    /// `x * hard_sigmoid(x)`.
    hard_silu as HardSilu {} = |simd, x| x * HardSigmoid {}.lanes(simd, x);

    /// `x`, limited to [-1, 1].
    hard_tanh as HardTanh {} = |simd, x| clamp(simd, x, -1.0, 1.0);

    /// `x * tanh(softplus(x))`, as `x * n / (n + 2)` with `n = exp(x) * (exp(x) + 2)`.
    mish as Mish {} = |simd, x| {
        let e = lanes::exp(simd, x.simd_gt(20.0).select(splat(simd, 20.0), x));
        let n = e * (e + 2.0);
        x * (n / (n + 2.0))
    };

    /// `ln(sigmoid(x))`.
    log_sigmoid as LogSigmoid {} = |simd, x| -lanes::softplus(simd, -x);

    /// `x - tanh(x)`.
    tanh_shrink as TanhShrink {} = |simd, x| x - lanes::tanh(simd, x);

    /// 0 where `|x| <= threshold`, `x` elsewhere.
    hard_shrink as HardShrink { threshold } = |simd, x| x.abs().simd_gt(threshold).select(x, splat(simd, 0.0));

    /// `x` moved towards 0 by `threshold`, and 0 where it would cross.
    soft_shrink as SoftShrink { threshold } = |simd, x| {
        let low = x.simd_lt(-threshold).select(x + threshold, splat(simd, 0.0));
        x.simd_gt(threshold).select(x - threshold, low)
    };

    /// 0 up to -1, `x` from 1 on, `(x + 1)^2 / 4` between.
    sparse_plus as SparsePlus {} = |simd, x| {
        let y = x + 1.0;
        let bent = x.simd_lt(1.0).select(y * y * 0.25, x);
        x.simd_le(-1.0).select(splat(simd, 0.0), bent)
    };

    /// 0 up to -1, 1 from 1 on, `(x + 1) / 2` between.
    sparse_sigmoid as SparseSigmoid {} = |simd, x| clamp(simd, (x + 1.0) * 0.5, 0.0, 1.0);

    /// `(x + sqrt(x^2 + b)) / 2`.
    squareplus as Squareplus { b } = |_simd, x| (x + (x * x + b).sqrt()) * 0.5;

    /// `x` where it is above `threshold`, `value` elsewhere.
    threshold as Threshold { threshold, value } = |simd, x| x.simd_gt(threshold).select(x, splat(simd, value));
}

#[derive(Clone, Copy)]
pub(super) struct ReluWith {
    pub(super) negative_slope: f32,
    pub(super) max_value: Option<f32>,
    pub(super) threshold: f32,
}

impl Lanes for ReluWith {
    #[inline(always)]
    fn lanes<S: Simd>(self, simd: S, x: f32x16<S>) -> f32x16<S> {
        let zero = splat(simd, 0.0);
        let mut y = if self.threshold == 0.0 {
            x.simd_lt(0.0).select(zero, x)
        } else {
            x.simd_gt(self.threshold).select(x, zero)
        };
        if let Some(max_value) = self.max_value {
            y = clamp(simd, y, 0.0, max_value);
        }
        if self.negative_slope != 0.0 {
            let below = splat(simd, self.threshold) - x;
            y -= below.simd_lt(0.0).select(zero, below) * self.negative_slope;
        }
        y
    }
}

/// Keras' general `relu`: above `threshold` it is `x` (at most `max_value`), below it
/// `negative_slope * (x - threshold)`. With a maximum, a negative threshold does not let negative values through.
pub fn relu_with(xs: &mut [f32], negative_slope: f32, max_value: Option<f32>, threshold: f32) {
    map(level(), xs, ReluWith { negative_slope, max_value, threshold });
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Lcg, assert_close, bits, levels, ulps};
    use super::*;

    /// `erfc` in f64 by its series or continued fraction.
    fn erfc(x: f64) -> f64 {
        if x < 0.0 {
            return 2.0 - erfc(-x);
        }
        let gauss = (-x * x).exp();
        if x < 3.0 {
            let (mut term, mut sum) = (x, x);
            for n in 1..200 {
                term *= 2.0 * x * x / f64::from(2 * n + 1);
                sum += term;
            }
            return 1.0 - std::f64::consts::FRAC_2_SQRT_PI * gauss * sum;
        }
        let mut fraction = 0.0;
        for n in (1..200).rev() {
            fraction = f64::from(n) / 2.0 / (x + fraction);
        }
        gauss / (x + fraction) / std::f64::consts::PI.sqrt()
    }

    /// Values of every magnitude, both signs.
    fn samples() -> Vec<f32> {
        let mut xs: Vec<f32> = (-11_000..11_000).map(|i| i as f32 * 0.01).collect();
        xs.extend((0..40_000).map(|i| (i as f32 - 20_000.0) * 0.000_5));
        xs.extend((-149..127).flat_map(|e| [2f32.powi(e) * 1.3, 2f32.powi(e) * -1.7]));
        xs
    }

    fn worst(f: fn(&mut [f32]), reference: fn(f64) -> f64) -> f64 {
        let xs = samples();
        let mut ys = xs.clone();
        f(&mut ys);
        xs.iter().zip(&ys).map(|(&x, &y)| ulps(y, reference(f64::from(x)))).fold(0.0, f64::max)
    }

    fn one(f: fn(&mut [f32]), x: f32) -> f32 {
        let mut xs = [x];
        f(&mut xs);
        xs[0]
    }

    #[test]
    fn the_elementary_functions_are_accurate() {
        let errors = [
            ("exp", worst(exp, f64::exp), 1.6),
            ("tanh", worst(tanh, f64::tanh), 2.6),
            ("sigmoid", worst(sigmoid, |x| 1.0 / (1.0 + (-x).exp())), 2.1),
            (
                "erf",
                worst(
                    erf,
                    |x| if x.abs() < 1e-9 { x * std::f64::consts::FRAC_2_SQRT_PI } else { 1.0 - erfc(x) },
                ),
                2.5,
            ),
            ("softplus", worst(softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()), 2.6),
        ];
        for (name, error, limit) in errors {
            assert!(error <= limit, "{name}: {error} ulp");
        }
    }

    #[test]
    fn the_ends_of_the_line() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        for (f, low, high) in [
            (exp as fn(&mut [f32]), 0.0, inf),
            (tanh, -1.0, 1.0),
            (sigmoid, 0.0, 1.0),
            (erf, -1.0, 1.0),
            (softplus, 0.0, inf),
            (relu, 0.0, inf),
            (log_sigmoid, -inf, 0.0),
            (hard_sigmoid, 0.0, 1.0),
            (selu, -1.758_099_3, inf),
        ] {
            assert_eq!((one(f, -inf), one(f, inf)), (low, high));
            assert!(one(f, nan).is_nan());
        }
        assert_eq!(one(tanh, -0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(one(exp, 0.0), 1.0);
        assert_eq!(one(exp, 88.722_83), f32::MAX.min(one(exp, 88.722_83)));
    }

    #[test]
    fn the_activations_follow_their_formulas() {
        let xs = Lcg::new(3).floats(333, 8.0);
        let check = |f: &dyn Fn(&mut [f32]), reference: &dyn Fn(f64) -> f64| {
            let mut ys = xs.clone();
            f(&mut ys);
            let want: Vec<f64> = xs.iter().map(|&x| reference(f64::from(x))).collect();
            assert_close(&ys, &want, 6e-7);
        };
        let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
        let plus = |x: f64| x.exp().ln_1p();
        check(&relu, &|x| x.max(0.0));
        check(&|xs| leaky_relu(xs, 0.2), &|x| x.max(0.2f32 as f64 * x));
        check(&|xs| elu(xs, 0.7), &|x| if x > 0.0 { x } else { 0.7f32 as f64 * x.exp_m1() });
        check(&selu, &|x| 1.050_700_987 * if x > 0.0 { x } else { 1.673_263_242 * x.exp_m1() });
        check(&|xs| celu(xs, 1.5), &|x| x.max(0.0) + 1.5 * (x.min(0.0) / 1.5).exp_m1());
        check(&gelu, &|x| 0.5 * x * erfc(-x / 2f64.sqrt()));
        check(&gelu_tanh, &|x| {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
        });
        check(&silu, &|x| x * sigma(x));
        check(&softplus, &plus);
        check(&softsign, &|x| x / (1.0 + x.abs()));
        check(&hard_sigmoid, &|x| (x + 3.0).clamp(0.0, 6.0) / 6.0);
        check(&hard_sigmoid_keras2, &|x| (x * 0.2 + 0.5).clamp(0.0, 1.0));
        check(&hard_silu, &|x| x * (x + 3.0).clamp(0.0, 6.0) / 6.0);
        check(&hard_tanh, &|x| x.clamp(-1.0, 1.0));
        check(&mish, &|x| x * plus(x).tanh());
        check(&log_sigmoid, &|x| -plus(-x));
        check(&tanh_shrink, &|x| x - x.tanh());
        check(&|xs| hard_shrink(xs, 0.5), &|x| if x.abs() > 0.5 { x } else { 0.0 });
        check(&|xs| soft_shrink(xs, 0.5), &|x| x.signum() * (x.abs() - 0.5).max(0.0));
        check(&sparse_plus, &|x| if x < 1.0 { (x.max(-1.0) + 1.0).powi(2) / 4.0 } else { x });
        check(&sparse_sigmoid, &|x| ((x + 1.0) / 2.0).clamp(0.0, 1.0));
        check(&|xs| squareplus(xs, 4.0), &|x| (x + (x * x + 4.0).sqrt()) / 2.0);
        check(&|xs| threshold(xs, 1.0, -2.0), &|x| if x > 1.0 { x } else { -2.0 });
    }

    #[test]
    fn general_relu_is_keras() {
        let mut xs = [-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 7.0];
        relu_with(&mut xs, 0.5, Some(4.0), 1.0);
        assert_eq!(xs, [-2.0, -1.0, -0.75, -0.5, -0.25, 0.0, 2.0, 4.0]);
        let mut xs = [-3.0, -0.5, 0.5, 7.0];
        relu_with(&mut xs, 0.0, Some(6.0), -1.0);
        assert_eq!(xs, [0.0, 0.0, 0.5, 6.0]);
        let mut xs = [f32::NEG_INFINITY, -1.0, f32::INFINITY];
        relu_with(&mut xs, 0.0, None, 0.0);
        assert_eq!(xs, [0.0, 0.0, f32::INFINITY]);
    }

    #[test]
    fn neither_position_nor_machine_shows_in_the_bits() {
        let xs = Lcg::new(5).floats(61, 12.0);
        let mut whole = xs.clone();
        map(level(), &mut whole, Gelu {});
        for (i, &x) in xs.iter().enumerate() {
            assert_eq!(one(gelu, x).to_bits(), whole[i].to_bits());
        }
        for other in levels() {
            let mut ys = xs.clone();
            map(other, &mut ys, Gelu {});
            assert_eq!(bits(&ys), bits(&whole), "{other:?}");
            let (mut a, mut b) = (samples(), samples());
            map(other, &mut a, Tanh {});
            map(level(), &mut b, Tanh {});
            assert_eq!(bits(&a), bits(&b), "{other:?}");
        }
    }

    /// Measures; run by hand: `cargo test --release -p masque-runtime -- --ignored --nocapture speed`.
    #[test]
    #[ignore = "a measurement"]
    #[allow(clippy::print_stdout, reason = "its result is what it prints")]
    fn speed() {
        let xs = Lcg::new(1).floats(4096, 6.0);
        let mut ys = xs.clone();
        let functions =
            [("tanh", tanh as fn(&mut [f32])), ("sigmoid", sigmoid), ("exp", exp), ("gelu", gelu)];
        for (name, f) in functions {
            let once = |_| {
                let start = std::time::Instant::now();
                for _ in 0..20 {
                    ys.copy_from_slice(&xs);
                    f(&mut ys);
                }
                start.elapsed().as_secs_f64() / 20.0 / 4096.0
            };
            println!("{name}: {:.2} ns", (0..50).map(once).fold(f64::INFINITY, f64::min) * 1e9);
        }
        for (name, f, reference) in [
            ("exp", exp as fn(&mut [f32]), f64::exp as fn(f64) -> f64),
            ("tanh", tanh, f64::tanh),
            ("sigmoid", sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        ] {
            println!("{name}: {:.2} ulp", worst(f, reference));
        }
    }
}
