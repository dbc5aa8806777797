//! How TensorFlow resizes an axis: which positions go into each position of the result, and with which weights.
//!
//! Positions count from the middle of an element. All numbers are 32-bit floats, as they are there.

/// A way to resize.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Interpolation {
    /// The nearest position.
    Nearest,
    /// Between two neighbours.
    Bilinear,
    /// Between four neighbours, with weights out of a table.
    Bicubic,
    /// The mean of what lies below.
    Area,
    /// Weights out of a window; made wider for a smaller result where it is `antialias`ed.
    Window {
        /// The window.
        window: Window,
        /// Is it made wider?
        antialias: bool,
    },
}

/// The weights around a position.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Window {
    /// A triangle.
    Triangle,
    /// Keys' cubic (1981).
    Cubic,
    /// Lanczos' with a radius.
    Lanczos(f32),
}

impl Interpolation {
    /// Keras' `bilinear`.
    pub(super) fn linear(antialias: bool) -> Interpolation {
        match antialias {
            true => Interpolation::Window { window: Window::Triangle, antialias },
            false => Interpolation::Bilinear,
        }
    }

    /// Keras' words.
    pub(super) fn words(antialias: bool) -> [(&'static str, Interpolation); 6] {
        let window = |window| Interpolation::Window { window, antialias };
        [
            ("area", Interpolation::Area),
            ("bicubic", if antialias { window(Window::Cubic) } else { Interpolation::Bicubic }),
            ("bilinear", Interpolation::linear(antialias)),
            ("lanczos3", window(Window::Lanczos(3.0))),
            ("lanczos5", window(Window::Lanczos(5.0))),
            ("nearest", Interpolation::Nearest),
        ]
    }

    /// Can a result be larger than all elements that go into it?
    pub(super) fn overshoots(self) -> bool {
        match self {
            Interpolation::Nearest | Interpolation::Bilinear | Interpolation::Area => false,
            Interpolation::Bicubic => true,
            Interpolation::Window { window, .. } => window != Window::Triangle,
        }
    }
}

impl Window {
    fn radius(self) -> f32 {
        match self {
            Window::Triangle => 1.0,
            Window::Cubic => 2.0,
            Window::Lanczos(radius) => radius,
        }
    }

    fn weight(self, distance: f32) -> f32 {
        const PI: f32 = std::f32::consts::PI;
        let x = distance;
        match self {
            Window::Triangle => (1.0 - x).max(0.0),
            Window::Cubic if x >= 2.0 => 0.0,
            Window::Cubic if x >= 1.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            Window::Cubic => ((1.5 * x - 2.5) * x) * x + 1.0,
            Window::Lanczos(radius) if x > radius => 0.0,
            Window::Lanczos(_) if x <= 1e-3 => 1.0,
            Window::Lanczos(radius) => radius * (PI * x).sin() * (PI * x / radius).sin() / (PI * PI * x * x),
        }
    }
}

/// For each position of the result the positions that go into it, and their weights; all have equally many.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Taps {
    each: usize,
    pub(super) places: Vec<i64>,
    pub(super) weights: Vec<f32>,
}

impl Taps {
    /// The taps from an axis of one size to another; both are at least 1.
    pub(super) fn new(by: Interpolation, from: i64, to: i64) -> Taps {
        let rows: Vec<Vec<(i64, f32)>> = (0..to).map(|place| row(by, from, to, place)).collect();
        let each = rows.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let (mut places, mut weights) = (vec![], vec![]);
        for row in rows {
            // What is missing is the first position again, with no weight.
            let filler = (row.first().map_or(0, |tap| tap.0), 0.0);
            for (place, weight) in row.into_iter().chain(std::iter::repeat(filler)).take(each) {
                places.push(place);
                weights.push(weight);
            }
        }
        Taps { each, places, weights }
    }

    /// How many positions go into each.
    pub(super) fn each(&self) -> usize {
        self.each
    }

    /// The size of the result.
    pub(super) fn size(&self) -> usize {
        self.places.len() / self.each
    }
}

fn row(by: Interpolation, from: i64, to: i64, place: i64) -> Vec<(i64, f32)> {
    let (scale, last) = (from as f32 / to as f32, from - 1);
    let middle = (place as f32 + 0.5) * scale;
    match by {
        Interpolation::Nearest => vec![((middle.floor() as i64).clamp(0, last), 1.0)],
        Interpolation::Bilinear => {
            let at = middle - 0.5;
            let (low, high) = ((at.floor() as i64).max(0), (at.ceil() as i64).clamp(0, last));
            let share = at - at.floor();
            vec![(low, 1.0 - share), (high, share)]
        }
        Interpolation::Bicubic => cubic(middle - 0.5, last),
        Interpolation::Area => area(place as f32 * scale, (place + 1) as f32 * scale, last),
        Interpolation::Window { window, antialias } => windowed(window, antialias, from, to, place),
    }
}

/// Weights out of a table of 1024 steps; neighbours outside do not count.
fn cubic(at: f32, last: i64) -> Vec<(i64, f32)> {
    const STEPS: f32 = 1024.0;
    let place = at.floor() as i64;
    let share = ((at - at.floor()) * STEPS).round_ties_even() / STEPS;
    let distances = [1.0 + share, share, 1.0 - share, 2.0 - share];
    let taps = (place - 1..).zip(distances).map(|(place, distance)| {
        let weight = if (0..=last).contains(&place) { Window::Cubic.weight(distance) } else { 0.0 };
        (place.clamp(0, last), weight)
    });
    normal(taps.collect())
}

/// The shares of the elements that lie between two places.
fn area(start: f32, stop: f32, last: i64) -> Vec<(i64, f32)> {
    let places = start.floor() as i64..stop.ceil() as i64;
    let share = |place: i64| ((place + 1) as f32).min(stop) - (place as f32).max(start);
    places.map(|place| (place.clamp(0, last), share(place) / (stop - start))).collect()
}

fn windowed(window: Window, antialias: bool, from: i64, to: i64, place: i64) -> Vec<(i64, f32)> {
    let scale = 1.0 / (to as f32 / from as f32);
    let wider = if antialias { scale.max(1.0) } else { 1.0 };
    let at = (place as f32 + 0.5) * scale;
    if at < 0.0 || at > from as f32 {
        return vec![];
    }
    let reach = window.radius() * wider;
    let first = ((at - reach - 0.5).ceil() as i64).clamp(0, from - 1);
    let last = ((at + reach - 0.5).floor() as i64).clamp(0, from - 1);
    let weight = |place: i64| window.weight(((place as f32 + 0.5 - at) / wider).abs());
    normal((first..=last).map(|place| (place, weight(place))).collect())
}

/// The weights divided by their sum, if they have one.
fn normal(mut taps: Vec<(i64, f32)>) -> Vec<(i64, f32)> {
    let sum: f32 = taps.iter().map(|tap| tap.1).sum();
    if sum.abs() >= 1000.0 * f32::MIN_POSITIVE {
        taps.iter_mut().for_each(|tap| tap.1 /= sum);
    }
    taps
}
