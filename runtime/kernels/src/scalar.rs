//! What one element becomes: the arithmetic that kernels and the reference interpreter share.
//!
//! Integers wrap, as numpy's do. Casts to integers go toward zero, to the nearest number there is, NaN to 0; from a wider
//! integer to a narrower one the low bits stay. No function comes from the system, so that machines agree.

/// The sine.
pub(crate) fn sin32(x: f32) -> f32 {
    libm::sinf(x)
}

/// The cosine.
pub(crate) fn cos32(x: f32) -> f32 {
    libm::cosf(x)
}

/// `a` to the power of `b`.
pub(crate) fn pow32(a: f32, b: f32) -> f32 {
    libm::powf(a, b)
}

/// The angle of the point `(x, y)`.
pub(crate) fn atan32(y: f32, x: f32) -> f32 {
    libm::atan2f(y, x)
}

/// What is left of `a` after whole `b`s, with the sign of `b`.
pub(crate) fn modulo<T: Real>(a: T, b: T) -> T {
    a.modulo(b)
}

/// Conversions to every element type.
pub(crate) trait Cast: Copy {
    fn f32(self) -> f32;
    fn f64(self) -> f64;
    fn i32(self) -> i32;
    fn i64(self) -> i64;
    fn bool(self) -> bool;
}

macro_rules! casts {
    ($($number:ty: $wide:ty, $zero:expr);* $(;)?) => {$(
        impl Cast for $number {
            #[inline(always)]
            fn f32(self) -> f32 { self as $wide as f32 }
            #[inline(always)]
            fn f64(self) -> f64 { self as $wide as f64 }
            #[inline(always)]
            fn i32(self) -> i32 { self as $wide as i32 }
            #[inline(always)]
            fn i64(self) -> i64 { self as $wide as i64 }
            #[inline(always)]
            fn bool(self) -> bool { self != $zero }
        }
    )*};
}
casts! { f32: f32, 0.0; f64: f64, 0.0; i32: i32, 0; i64: i64, 0; bool: i32, false }

/// Arithmetic of floats alone.
pub(crate) trait Real: Copy {
    /// What is left after whole `other`s, with the sign of `other`.
    fn modulo(self, other: Self) -> Self;
}

macro_rules! reals {
    ($($float:ty)*) => {$(
        impl Real for $float {
            #[inline(always)]
            fn modulo(self, other: Self) -> Self {
                let rest = self % other;
                if rest != 0.0 && (rest < 0.0) != (other < 0.0) { rest + other } else { rest }
            }
        }
    )*};
}
reals! { f32 f64 }

/// Arithmetic of integers alone.
pub(crate) trait Whole: Copy {
    fn common_divisor(self, other: Self) -> Self;
    fn common_bits(self, other: Self) -> Self;
}

macro_rules! wholes {
    ($($integer:ty)*) => {$(
        impl Whole for $integer {
            #[inline(always)]
            fn common_divisor(mut self, mut other: Self) -> Self {
                while other != 0 {
                    (self, other) = (other, self.wrapping_rem(other));
                }
                self.wrapping_abs()
            }

            #[inline(always)]
            fn common_bits(self, other: Self) -> Self {
                self & other
            }
        }
    )*};
}
wholes! { i32 i64 }

/// Arithmetic that floats and integers share.
pub(crate) trait Number: Cast + PartialOrd {
    fn negative(self) -> Self;
    fn magnitude(self) -> Self;
    fn sign(self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// The larger one; NaN if either is.
    fn larger(self, other: Self) -> Self;
    /// The smaller one; NaN if either is.
    fn smaller(self, other: Self) -> Self;
}

macro_rules! floats {
    ($($float:ty)*) => {$(
        impl Number for $float {
            #[inline(always)]
            fn negative(self) -> Self { -self }
            #[inline(always)]
            fn magnitude(self) -> Self { self.abs() }
            #[inline(always)]
            fn sign(self) -> Self { if self == 0.0 || self.is_nan() { self } else { self.signum() } }
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self + other }
            #[inline(always)]
            fn minus(self, other: Self) -> Self { self - other }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self * other }
            #[inline(always)]
            fn larger(self, other: Self) -> Self { if self >= other || self.is_nan() { self } else { other } }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self { if self <= other || self.is_nan() { self } else { other } }
        }
    )*};
}
floats! { f32 f64 }

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Number for $integer {
            #[inline(always)]
            fn negative(self) -> Self { self.wrapping_neg() }
            #[inline(always)]
            fn magnitude(self) -> Self { self.wrapping_abs() }
            #[inline(always)]
            fn sign(self) -> Self { self.signum() }
            #[inline(always)]
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            #[inline(always)]
            fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
            #[inline(always)]
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            #[inline(always)]
            fn larger(self, other: Self) -> Self { self.max(other) }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self { self.min(other) }
        }
    )*};
}
integers! { i32 i64 }
