//! Attention, one sequence after the other.

use masque_ir::ops::attend::Blind;
use masque_ir::ops::{self, Op};

use super::{Call, Writes};
use crate::error::OpFailure;
use crate::kernels::attention::{self, Pairs, Segment, attention};

#[derive(Debug)]
pub(super) struct Attention;

impl Writes for Attention {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Op::Attention(ops::Attention::Attention { scale, causal, within, blind }) = call.op else {
            return Err(call.unfit(0));
        };
        let &[batch, looking, heads, depth] = call.operand(0)?.shape else { return Err(call.unfit(0)) };
        let &[_, seen, groups, width] = call.operand(2)?.shape else { return Err(call.unfit(2)) };
        if u32::try_from(batch.saturating_mul(looking.max(seen))).is_err() {
            return Err(OpFailure::mismatch(
                "fewer than 2^32 positions",
                batch.saturating_mul(looking.max(seen)),
            ));
        }
        fit(call, [batch, heads, looking, seen])?;
        let segment =
            |at: usize| Segment { query: at * looking..(at + 1) * looking, key: at * seen..(at + 1) * seen };
        let segments: Vec<Segment> = (0..batch).map(segment).collect();
        let pairs = match call.maybe_flags(5)? {
            Some(flags) => Some(Pairs { flags, strides: strides(call.operand(5)?.shape) }),
            None => None,
        };
        let description = attention::Attention {
            queries: call.maybe_flags(3)?,
            keys: call.maybe_flags(4)?,
            pairs,
            causal: *causal,
            within: within.map(|steps| steps as usize),
            blind: match blind {
                Blind::Mean => attention::Blind::Mean,
                Blind::Lowered => attention::Blind::Lowered,
                Blind::Nothing => attention::Blind::Nothing,
            },
            ..unmasked(call, &segments, [heads, groups, depth, width], scale.0)?
        };
        attention(&description, call.out(0)?);
        Ok(())
    }
}

/// Attention in which every position sees all of its sequence.
fn unmasked<'s, 'a: 's>(
    call: &Call<'a>,
    segments: &'s [Segment],
    [heads, groups, depth, width]: [usize; 4],
    scale: f64,
) -> Result<attention::Attention<'s>, OpFailure> {
    Ok(attention::Attention {
        query: call.floats(0)?,
        key: call.floats(1)?,
        value: call.floats(2)?,
        segments,
        heads,
        groups,
        depth,
        width,
        queries: None,
        keys: None,
        pairs: None,
        scale: scale as f32,
        causal: false,
        within: None,
        blind: attention::Blind::Nothing,
    })
}

/// Attention among the rows of a mask.
#[derive(Debug)]
pub(super) struct AttentionRows;

impl Writes for AttentionRows {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Op::Attention(ops::Attention::Rows { scale, causal }) = call.op else {
            return Err(call.unfit(0));
        };
        let &[1, rows, heads, depth] = call.operand(0)?.shape else { return Err(call.unfit(0)) };
        let &[1, _, groups, width] = call.operand(2)?.shape else { return Err(call.unfit(2)) };
        let (mask, Some(flags)) = (call.operand(3)?, call.maybe_flags(3)?) else { return Err(call.unfit(3)) };
        let segments = sequences(flags, mask.shape.get(1).copied().unwrap_or(0));
        let covered = segments.last().map_or(0, |last| last.query.end);
        if covered != rows || call.operand(1)?.shape.get(1) != Some(&rows) || u32::try_from(rows).is_err() {
            return Err(OpFailure::mismatch(format_args!("{covered} rows, one for each true"), rows));
        }
        let sizes = [heads, groups, depth, width];
        let description =
            attention::Attention { causal: *causal, ..unmasked(call, &segments, sizes, scale.0)? };
        attention(&description, call.out(0)?);
        Ok(())
    }
}

/// The rows of each sequence of a mask, whose sequences have so many positions.
fn sequences(mask: &[bool], steps: usize) -> Vec<Segment> {
    let mut end = 0;
    let lengths = mask.chunks(steps.max(1)).map(|mask| mask.iter().filter(|&&valid| valid).count());
    lengths
        .map(|length| {
            let rows = end..end + length;
            end = rows.end;
            Segment { query: rows.clone(), key: rows }
        })
        .collect()
}

/// Have the masks the sizes of what they mask? A size of 1 of pairs serves all.
fn fit(call: &Call<'_>, sizes: [usize; 4]) -> Result<(), OpFailure> {
    let [batch, _, looking, seen] = sizes;
    for (place, expected) in [(3, [batch, looking]), (4, [batch, seen])] {
        if call.maybe(place).is_some_and(|mask| mask.shape != expected) {
            return Err(call.unfit(place));
        }
    }
    let fits = |shape: &[usize]| {
        shape.len() == 4 && shape.iter().zip(sizes).all(|(&own, size)| own == 1 || own == size)
    };
    match call.maybe(5).is_none_or(|pairs| fits(pairs.shape)) {
        true => Ok(()),
        false => Err(call.unfit(5)),
    }
}

/// The distances along four axes, 0 along those of size 1.
fn strides(shape: &[usize]) -> [usize; 4] {
    let (mut strides, mut distance) = ([0; 4], 1);
    for (axis, &size) in shape.iter().enumerate().rev() {
        if size != 1 {
            strides[axis] = distance;
        }
        distance *= size;
    }
    strides
}
