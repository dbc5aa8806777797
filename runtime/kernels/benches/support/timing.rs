//! Medians of CPU time over interleaved rounds, on one thread.
//!
//! CPU time, because it is steadier than wall time on a machine that does other things as well; interleaved, because
//! a machine's clock changes over minutes and all cases shall see the same of it. Compare within one run only.

use rustix::time::{ClockId, clock_gettime};

/// Rounds in which every case is measured once.
const ROUNDS: usize = 15;

/// CPU time of a measurement, at least: well above the clock's own cost.
const LEAST_SECONDS: f64 = 4e-3;

/// Seconds that this thread has computed.
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Something to be measured.
pub(crate) struct Case<'a> {
    /// What it is called in the table.
    pub(crate) name: String,
    /// How much it does, in the unit of the table: operations, elements.
    pub(crate) work: f64,
    /// Does it once.
    pub(crate) run: Box<dyn FnMut() + 'a>,
}

impl<'a> Case<'a> {
    /// A case of that name that does `work` a run.
    pub(crate) fn new(name: impl Into<String>, work: f64, run: impl FnMut() + 'a) -> Self {
        Self { name: name.into(), work, run: Box::new(run) }
    }

    fn seconds(&mut self, repeats: usize) -> f64 {
        let start = cpu_seconds();
        (0..repeats).for_each(|_| (self.run)());
        (cpu_seconds() - start) / repeats as f64
    }
}

/// Measures all cases whose names contain the first argument of the command line, and prints a line for each: name,
/// median microseconds, work a nanosecond.
#[allow(clippy::print_stdout, reason = "its result is what it prints")]
pub(crate) fn measure(mut cases: Vec<Case<'_>>) {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    cases.retain(|case| case.name.contains(&filter));
    let repeats: Vec<usize> = cases
        .iter_mut()
        .map(|case| {
            case.seconds(1);
            (LEAST_SECONDS / case.seconds(2).max(1e-8)).ceil() as usize
        })
        .collect();
    let mut times = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for _ in 0..ROUNDS {
        for ((case, &repeats), times) in cases.iter_mut().zip(&repeats).zip(&mut times) {
            times.push(case.seconds(repeats));
        }
    }
    for (case, times) in cases.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        println!("{:44} {:10.2} us {:8.2} /ns", case.name, median * 1e6, case.work / median * 1e-9);
    }
}
