//! The floating-point environment: how the processor rounds, and whether it keeps subnormal numbers.
//!
//! It belongs to a thread, and other code may have changed it: audio libraries and programs compiled with `-ffast-math` set
//! subnormals to zero. Numbers of a kernel would depend on that, so whoever enters the kernels from a thread that is not
//! their own does it [`under`] the usual environment. New threads have it, or that of the thread that starts them.

/// What of the environment changes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment(Bits);

impl Environment {
    /// Rounding to the nearest number, subnormals kept, no traps: what Rust assumes, and every thread begins with.
    pub const USUAL: Environment = Environment(control::USUAL);

    /// The same, with subnormal operands and results replaced by zero, where the processor can do that.
    pub const FLUSHING: Environment = Environment(control::FLUSHING);
}

/// Does work in an environment, and puts that of the caller back, also if the work panics.
pub fn under<R>(environment: Environment, work: impl FnOnce() -> R) -> R {
    struct Back(Option<Bits>);
    impl Drop for Back {
        fn drop(&mut self) {
            if let Some(before) = self.0 {
                control::write(before);
            }
        }
    }
    let before = control::read();
    // Flags of exceptions that have happened are no part of it.
    let differs = before & control::MATTERS != environment.0;
    let _back = Back(differs.then_some(before));
    if differs {
        control::write(environment.0);
    }
    work()
}

use control::Bits;

/// MXCSR: bits 0 to 5 say what has happened, 6 is "denormals are zero", 7 to 12 mask exceptions, 13 and 14 round, 15 is
/// "flush to zero" (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 10.2.3).
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "there is no other way to the control register")]
mod control {
    use std::arch::asm;

    pub(super) type Bits = u32;
    pub(super) const USUAL: Bits = 0x1f80;
    pub(super) const FLUSHING: Bits = USUAL | 1 << 15 | 1 << 6;
    pub(super) const MATTERS: Bits = 0xffc0;

    pub(super) fn read() -> Bits {
        let mut bits: Bits = 0;
        // SAFETY: it writes four bytes to where the pointer points, which are those of `bits`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut bits, options(nostack, preserves_flags)) };
        bits
    }

    pub(super) fn write(bits: Bits) {
        // SAFETY: it reads four bytes. They are a value of the register that was read from it, or one of the constants
        // above, so that no reserved bit is set. Rust assumes the usual environment; code that runs in another one was
        // entered in it, and what is between is arithmetic that means the same in both but for subnormals.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const bits, options(nostack, preserves_flags, readonly)) };
    }
}

/// FPCR: bits 22 and 23 round, 24 is "flush to zero" (Arm Architecture Reference Manual for A-profile, C5.2.8).
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code, reason = "there is no other way to the control register")]
mod control {
    use std::arch::asm;

    pub(super) type Bits = u64;
    pub(super) const USUAL: Bits = 0;
    pub(super) const FLUSHING: Bits = 1 << 24;
    pub(super) const MATTERS: Bits = 0b111 << 22;

    pub(super) fn read() -> Bits {
        let bits: Bits;
        // SAFETY: it reads a register that every program may read.
        unsafe { asm!("mrs {}, fpcr", out(reg) bits, options(nomem, nostack, preserves_flags)) };
        bits
    }

    pub(super) fn write(bits: Bits) {
        // SAFETY: the register may be written by every program, with what was read from it or a constant above. Rust
        // assumes the usual environment; code that runs in another one was entered in it.
        unsafe { asm!("msr fpcr, {}", in(reg) bits, options(nomem, nostack, preserves_flags)) };
    }
}

/// Elsewhere the environment is taken to be the usual one.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod control {
    pub(super) type Bits = u32;
    pub(super) const USUAL: Bits = 0;
    pub(super) const FLUSHING: Bits = 0;
    pub(super) const MATTERS: Bits = 0;

    pub(super) fn read() -> Bits {
        0
    }

    pub(super) fn write(_: Bits) {}
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use std::hint::black_box;
    use std::panic;

    use super::{Environment, control, under};

    fn half_of_the_least() -> f32 {
        black_box(f32::MIN_POSITIVE) * black_box(0.5)
    }

    #[test]
    fn subnormals_are_kept_or_flushed() {
        assert!(half_of_the_least() > 0.0);
        under(Environment::FLUSHING, || {
            assert!(half_of_the_least() == 0.0);
            under(Environment::USUAL, || assert!(half_of_the_least() > 0.0));
            assert!(half_of_the_least() == 0.0);
        });
        assert!(half_of_the_least() > 0.0);
    }

    #[test]
    fn a_panic_leaves_the_environment_as_it_was() {
        let before = control::read() & control::MATTERS;
        let work = || under(Environment::FLUSHING, || panic!("on purpose"));
        assert!(panic::catch_unwind(work).is_err());
        assert_eq!(control::read() & control::MATTERS, before);
    }
}
