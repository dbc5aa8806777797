//! The register tiles of the matrix product.
//!
//! A tile is R rows by V vectors of sixteen columns, held in registers while p runs over a block of terms. Its size
//! follows the register file (32 wide registers: 8 x 32 columns; 16 narrow ones: 6 x 16) and the number of rows (few
//! rows take more columns, to have enough independent sums in flight). It has no influence on the bits.

mod rows;

use std::ops::Range;

use fearless_simd::{Simd, f32x16, prelude::*};

use super::{Init, Product, epilogue};
use crate::lanes::{Block, LANES, emulates_fma, fma, load, splat};
use crate::pack::PackedMatrix;
pub(super) use rows::{PackedRows, packs};

/// Elements of the largest tile.
const TILE: usize = 8 * 2 * LANES;

/// Terms after which the sums go back to memory, so that a strip of the matrix stays in the first cache and the rows'
/// share of these terms in the second while all columns pass.
const fn terms<S: Simd>() -> usize {
    if <S::f32s as SimdBase<S>>::LEN >= LANES { 1024 } else { 256 }
}

/// The most rows of a tile.
const fn tall<S: Simd>() -> usize {
    match () {
        () if emulates_fma::<S>() => 1,
        () if <S::f32s as SimdBase<S>>::LEN >= LANES => 8,
        () => 6,
    }
}

/// Computes `m` rows of the product, all columns, and takes those steps with them that need no whole rows.
/// `first_row` is the number of the first row among those that the steps know.
///
/// PACK: are the rows copied, tile by tile, before all columns pass? APART: if not, do they lie apart? What that costs
/// should not slow the others.
#[inline(always)]
pub(super) fn block<S: Simd, const PACK: bool, const APART: bool>(
    simd: S,
    product: &Product<'_>,
    first_row: usize,
    m: usize,
    out: &mut [f32],
    packed: &mut PackedRows,
) {
    debug_assert!(product.apart.is_none() || product.steps.is_empty());
    let (k, n) = (product.w.k(), product.w.n());
    let blocks = k.div_ceil(terms::<S>()).max(1);
    let mut edge = [0.0; TILE];
    let mut end = 0;
    for left in (1..=blocks).rev() {
        let terms = end..end + (k - end).div_ceil(left);
        let init = if end == 0 { product.init } else { Init::Accumulate };
        end = terms.end;
        if PACK {
            packed.fill(product, m, terms.clone(), const { tall::<S>() });
        }
        let mut first = 0;
        while first * LANES < n {
            let columns = first * LANES;
            let part = Part { product, init, terms: terms.clone(), packed: packed.elements() };
            first += strip::<S, PACK, APART>(simd, &part, [m, first], out, &mut edge);
            if left == 1 && !product.steps.is_empty() {
                let width = n.min(first * LANES) - columns;
                let reach = (m - 1) * product.out_stride + width;
                let block = Block { data: &mut out[columns..][..reach], stride: product.out_stride, width };
                epilogue::apply(product.level, product.steps, block, [first_row, columns]);
            }
        }
    }
}

/// Some terms of a product.
struct Part<'a> {
    product: &'a Product<'a>,
    init: Init<'a>,
    terms: Range<usize>,
    /// The rows' elements of these terms, if they were packed.
    packed: &'a [f32],
}

/// Computes all rows of the strip of columns that begins with vector `first`, and returns its width in vectors.
#[inline(always)]
fn strip<S: Simd, const PACK: bool, const APART: bool>(
    simd: S,
    part: &Part<'_>,
    [m, first]: [usize; 2],
    out: &mut [f32],
    edge: &mut [f32; TILE],
) -> usize {
    let room = part.product.w.n().div_ceil(LANES) - first;
    macro_rules! tiles {
        ($tall:literal x $width:literal) => {{
            tiles::<S, PACK, APART, $tall, $width>(simd, part, [m, first], out, edge);
            $width
        }};
    }
    if const { emulates_fma::<S>() } {
        tiles!(1 x 1)
    } else if const { <S::f32s as SimdBase<S>>::LEN >= LANES } {
        match (m, room) {
            (1, 8..) => tiles!(1 x 8),
            (..=4, 4..) => tiles!(4 x 4),
            (_, 2..) => tiles!(8 x 2),
            _ => tiles!(8 x 1),
        }
    } else {
        match (m, room) {
            (1, 4..) => tiles!(1 x 4),
            (..=3, 2..) => tiles!(3 x 2),
            _ => tiles!(6 x 1),
        }
    }
}

/// All rows of V vectors of columns, in tiles of nearly equal height, TALL at most. A tile that reaches beyond the
/// last column works on a copy, `edge`.
#[inline(always)]
fn tiles<S: Simd, const PACK: bool, const APART: bool, const TALL: usize, const V: usize>(
    simd: S,
    part: &Part<'_>,
    [m, first]: [usize; 2],
    out: &mut [f32],
    edge: &mut [f32; TILE],
) {
    let product = part.product;
    let columns = first * LANES..product.w.n().min((first + V) * LANES);
    let full = columns.len() == V * LANES;
    let mut row = 0;
    for left in (1..=m.div_ceil(TALL)).rev() {
        let height = (m - row).div_ceil(left);
        let size = [height, columns.len()];
        let mut rows = Target::of::<PACK, APART>(product, row, &mut out[columns.start..]);
        let mut copy = Target { data: edge, stride: V * LANES, order: None };
        if !full {
            rows.copy_to(&mut copy, size);
        }
        let target = if full { rows.reborrow() } else { copy.reborrow() };
        macro_rules! tile {
            ($height:literal) => {
                if const { $height <= TALL } {
                    tile::<S, PACK, APART, $height, V>(simd, part, [row, first], target);
                }
            };
        }
        match height {
            1 => tile!(1),
            2 => tile!(2),
            3 => tile!(3),
            4 => tile!(4),
            5 => tile!(5),
            6 => tile!(6),
            7 => tile!(7),
            _ => tile!(8),
        }
        if !full {
            copy.copy_to(&mut rows, size);
        }
        row += height;
    }
}

/// Where the sums of a tile lie: at the beginnings of rows.
struct Target<'a> {
    data: &'a mut [f32],
    stride: usize,
    order: Option<&'a [u32]>,
}

impl<'a> Target<'a> {
    /// The rows of the output from the product's row `first` on.
    #[inline(always)]
    fn of<const PACK: bool, const APART: bool>(
        product: &Product<'a>,
        first: usize,
        out: &'a mut [f32],
    ) -> Self {
        let stride = product.out_stride;
        match product.apart {
            Some(apart) if PACK || APART => Self { data: out, stride, order: Some(&apart.outputs[first..]) },
            _ => Self { data: &mut out[first * stride..], stride, order: None },
        }
    }

    #[inline(always)]
    fn reborrow(&mut self) -> Target<'_> {
        Target { data: self.data, ..*self }
    }

    /// Where a row begins.
    #[inline(always)]
    fn begin(&self, row: usize) -> usize {
        self.order.map_or(row, |order| order[row] as usize) * self.stride
    }

    /// Copies the first elements of the first rows. Out of line, because a copy of variable length in the midst of a
    /// tile keeps its sums out of registers.
    #[inline(never)]
    fn copy_to(&self, to: &mut Target<'_>, [height, width]: [usize; 2]) {
        for row in 0..height {
            let begin = to.begin(row);
            to.data[begin..][..width].copy_from_slice(&self.data[self.begin(row)..][..width]);
        }
    }
}

/// Repeats the body for each row of a tile. The compiler would not unroll so long a loop by itself, and an
/// accumulator with a variable index lives in memory: that is half the speed.
macro_rules! each_row {
    ($row:ident in $count:ident => $body:block) => {
        each_row!(@ $row $count $body 0 1 2 3 4 5 6 7)
    };
    (@ $row:ident $count:ident $body:block $($index:literal)*) => {$(
        if const { $index < $count } {
            let $row = $index;
            $body
        }
    )*};
}
pub(crate) use each_row;

/// R rows from `row` on by V vectors from vector `first` on.
#[allow(clippy::needless_range_loop, reason = "rows, panels and accumulators are walked side by side")]
#[inline(always)]
fn tile<S: Simd, const PACK: bool, const APART: bool, const R: usize, const V: usize>(
    simd: S,
    part: &Part<'_>,
    [row, first]: [usize; 2],
    out: Target<'_>,
) {
    let Part { product: Product { a, w, apart, .. }, init, ref terms, packed } = *part;
    let mut acc = [[splat(simd, 0.0); V]; R];
    match init {
        Init::Zero => (),
        Init::Bias(bias) => {
            let bias = &bias[first * LANES..w.n().min((first + V) * LANES)];
            let mut b = [splat(simd, 0.0); V];
            for v in 0..V {
                b[v] = load(simd, bias.get(v * LANES..).unwrap_or(&[]), 0.0);
            }
            acc = [b; R];
        }
        Init::Accumulate => {
            each_row!(r in R => {
                let sums = out.data[out.begin(r)..][..V * LANES].as_chunks().0;
                for v in 0..V {
                    acc[r][v] = f32x16::load_array_ref(simd, &sums[v]);
                }
            });
        }
    }
    if PACK {
        let mut rows = packed.get(row * terms.len()..).unwrap_or(&[]).as_chunks::<R>().0;
        match apart {
            Some(apart) => {
                for run in apart.runs {
                    let here = run.within(terms);
                    let (run, rest) = rows.split_at(here.len());
                    add_products(simd, *w, first, Packed(run), here, &mut acc);
                    rows = rest;
                }
            }
            None => add_products(simd, *w, first, Packed(&rows[..terms.len()]), terms.clone(), &mut acc),
        }
    } else {
        // Arrays are filled in loops, because `array::from_fn` is a call with sixteen wide registers to be saved.
        let empty: &[f32] = &[];
        let mut rows = [empty; R];
        each_row!(r in R => { rows[r] = a.row(row + r); });
        match apart {
            Some(apart) if APART => {
                for run in apart.runs {
                    let here = run.within(terms);
                    if !here.is_empty() {
                        let part = AsTheyLie::of(rows, run.offset + here.start - run.first, here.len());
                        add_products(simd, *w, first, part, here, &mut acc);
                    }
                }
            }
            _ => {
                let part = AsTheyLie::of(rows, terms.start, terms.len());
                add_products(simd, *w, first, part, terms.clone(), &mut acc);
            }
        }
    }
    each_row!(r in R => {
        let begin = out.begin(r);
        let sums = out.data[begin..][..V * LANES].as_chunks_mut().0;
        for v in 0..V {
            acc[r][v].store_array(&mut sums[v]);
        }
    });
}

/// The elements of R rows.
trait Elements<const R: usize> {
    /// The one of a row for a term, counted from the first one that is there.
    fn at(&self, row: usize, term: usize) -> f32;
}

/// Rows where they are.
struct AsTheyLie<'a, const R: usize>([&'a [f32]; R]);

/// Rows that were packed: every term has R elements, one for each row.
struct Packed<'a, const R: usize>(&'a [[f32; R]]);

impl<'a, const R: usize> AsTheyLie<'a, R> {
    /// So many elements of each row, from `offset` on.
    #[inline(always)]
    fn of(mut rows: [&'a [f32]; R], offset: usize, len: usize) -> Self {
        each_row!(r in R => { rows[r] = &rows[r][offset..][..len]; });
        Self(rows)
    }
}

impl<const R: usize> Elements<R> for AsTheyLie<'_, R> {
    #[inline(always)]
    fn at(&self, row: usize, term: usize) -> f32 {
        self.0[row][term]
    }
}

impl<const R: usize> Elements<R> for Packed<'_, R> {
    #[inline(always)]
    fn at(&self, row: usize, term: usize) -> f32 {
        self.0[term][row]
    }
}

/// Adds to the sums the products of these terms, of which the rows hold the elements.
#[allow(clippy::needless_range_loop, reason = "rows, panels and accumulators are walked side by side")]
#[inline(always)]
fn add_products<S: Simd, const R: usize, const V: usize>(
    simd: S,
    w: PackedMatrix<'_>,
    first: usize,
    rows: impl Elements<R>,
    terms: Range<usize>,
    acc: &mut [[f32x16<S>; V]; R],
) {
    let k = terms.len();
    let mut panels = [w.panel(first); V];
    for v in 0..V {
        panels[v] = &w.panel(first + v)[terms.start..][..k];
    }
    for p in 0..k {
        let mut b = [splat(simd, 0.0); V];
        for v in 0..V {
            b[v] = f32x16::load_array_ref(simd, &panels[v][p]);
        }
        each_row!(r in R => {
            let x = splat(simd, rows.at(r, p));
            for v in 0..V {
                acc[r][v] = fma(x, b[v], acc[r][v]);
            }
        });
    }
}
