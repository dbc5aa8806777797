//! How far a run is, for a person who watches: one line on a terminal, which is written again and again.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The line is not written before this time, nor more often.
const PAUSE: Duration = Duration::from_millis(250);

/// A line on standard error.
pub(crate) struct Progress {
    watched: bool,
    began: Instant,
    told: Instant,
    written: bool,
    /// The bytes of the input, if they are known.
    total: Option<u64>,
}

impl Progress {
    /// Is there somebody who watches, and are the answers not written to the same terminal?
    pub(crate) fn new(wanted: bool, to_standard: bool, total: Option<u64>) -> Progress {
        let free = !to_standard || !io::stdout().is_terminal();
        let watched = wanted && free && io::stderr().is_terminal();
        let now = Instant::now();
        Progress { watched, began: now, told: now, written: false, total }
    }

    /// So many records have been answered, which are so many bytes of the input.
    pub(crate) fn tell(&mut self, records: u64, bytes: u64) {
        if self.watched && self.told.elapsed() >= PAUSE {
            self.told = Instant::now();
            self.written = true;
            self.write(&format!("\r\u{1b}[K{}", line(records, bytes, self.total, self.began.elapsed())));
        }
    }

    fn write(&self, text: &str) {
        // There is nobody to tell that nobody listens.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.written {
            self.write("\r\u{1b}[K");
        }
    }
}

fn line(records: u64, bytes: u64, total: Option<u64>, time: Duration) -> String {
    let seconds = time.as_secs_f64().max(1e-3);
    let rate = format!("{records} records, {:.0} a second", records as f64 / seconds);
    match total.filter(|&total| total >= bytes && bytes > 0) {
        Some(total) => {
            let share = bytes as f64 / total as f64;
            let left = (seconds / share - seconds).ceil() as u64;
            format!("{:3.0} %  {rate}, {}:{:02} left", 100.0 * share, left / 60, left % 60)
        }
        None => rate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_long_it_takes() {
        let time = Duration::from_secs(50);
        assert_eq!(line(1000, 25, Some(100), time), " 25 %  1000 records, 20 a second, 2:30 left");
        assert_eq!(line(1000, 25, None, time), "1000 records, 20 a second");
    }
}
