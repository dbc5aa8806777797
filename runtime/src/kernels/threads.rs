//! When is work worth a second thread?

/// Below this many floating-point operations a fork costs more than it saves.
const FORK_FLOPS: usize = 6_000_000;

/// Into how many parts work of `flops` operations should be split: 1, or up to the number of threads.
pub(super) fn parts(flops: usize) -> usize {
    if flops < FORK_FLOPS {
        return 1;
    }
    rayon::current_num_threads().min(flops / (FORK_FLOPS / 2)).max(1)
}
