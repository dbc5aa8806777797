//! When is work worth a second thread?

use std::cell::Cell;

/// Below this many floating-point operations a fork costs more than it saves.
const FORK_FLOPS: usize = 6_000_000;

thread_local! {
    /// Among how many that run at the same time what this thread does now has to share the threads.
    static SHARES: Cell<usize> = const { Cell::new(1) };
}

/// Does work on this thread alone, though it may be one of a pool.
pub fn alone<R>(work: impl FnOnce() -> R) -> R {
    as_one_of(usize::MAX, work)
}

/// Does work as one of `shares` pieces that run at the same time: what it calls takes its part of the threads.
pub fn as_one_of<R>(shares: usize, work: impl FnOnce() -> R) -> R {
    struct Back(usize);
    impl Drop for Back {
        fn drop(&mut self) {
            SHARES.set(self.0);
        }
    }
    let _back = Back(SHARES.replace(shares.max(1)));
    work()
}

/// Is a piece of work of `flops` operations worth another thread while this one does something else? Outside of a pool
/// there is none.
pub fn is_worth_another(flops: usize) -> bool {
    flops >= FORK_FLOPS / 2 && rayon::current_thread_index().is_some() && share() > 1
}

/// Into how many parts work of `flops` operations should be split: 1, or up to the number of threads of the pool that
/// the caller runs in. Outside of a pool there is one thread: nobody asked for more.
pub(super) fn parts(flops: usize) -> usize {
    if flops < FORK_FLOPS || rayon::current_thread_index().is_none() {
        return 1;
    }
    share().min(flops / (FORK_FLOPS / 2)).max(1)
}

/// How many threads of the pool are this thread's share.
fn share() -> usize {
    rayon::current_num_threads() / SHARES.get()
}

#[cfg(test)]
mod tests {
    use super::{FORK_FLOPS, alone, is_worth_another, parts};
    use crate::testing::with_threads;

    #[test]
    fn who_is_alone_takes_no_other_thread() {
        let shared = || (parts(10 * FORK_FLOPS), is_worth_another(10 * FORK_FLOPS));
        with_threads(2, || {
            assert_eq!(shared(), (2, true));
            assert_eq!(alone(shared), (1, false));
            assert_eq!(shared(), (2, true));
        });
        assert_eq!(shared(), (1, false));
    }
}
