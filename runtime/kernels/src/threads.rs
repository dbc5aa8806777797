//! When is work worth a second thread?

/// Below this many floating-point operations a fork costs more than it saves.
const FORK_FLOPS: usize = 6_000_000;

/// Into how many parts work of `flops` operations should be split: 1, or up to the number of threads of the pool that
/// the caller runs in. Outside of a pool there is one thread: nobody asked for more.
pub(super) fn parts(flops: usize) -> usize {
    if flops < FORK_FLOPS || rayon::current_thread_index().is_none() {
        return 1;
    }
    rayon::current_num_threads().min(flops / (FORK_FLOPS / 2)).max(1)
}
