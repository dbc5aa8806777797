//! A kernel is only ever a faster way to say the same: plans of one step, done by the kernel and by the operation's
//! own meaning, for random sizes (0 and 1 among them), options, masks and operands, some of which are weights.
//!
//! Numbers agree within 1e-5, absolute or relative; NaN only with NaN, infinities only with themselves. What is moved, and
//! integers and truth values, are the same.

mod case;
mod elements;
mod layers;
mod loops;
mod random;
mod windows;
