//! Rows of a table, looked up by id.

/// An id that names no row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("id {id} at position {position} is not among the {rows} rows of the table")]
pub struct OutOfRange {
    /// The offending id.
    pub id: i64,
    /// Its index among the ids, the first offender's.
    pub position: usize,
    /// Rows in the table.
    pub rows: usize,
}

/// Copies row `ids[i]` of `table` (row-major [rows, width]) to row i of `out` ([ids.len(), width]).
///
/// Ids are `i32` or `i64`. Negative ids are out of range, like those at or beyond `rows`. After an error `out` holds
/// the rows before the offending one.
pub fn gather<I: Copy + Into<i64>>(
    table: &[f32],
    rows: usize,
    width: usize,
    ids: &[I],
    out: &mut [f32],
) -> Result<(), OutOfRange> {
    debug_assert!(table.len() == rows * width && out.len() == ids.len() * width);
    for (position, &id) in ids.iter().enumerate() {
        let id: i64 = id.into();
        let row = usize::try_from(id).ok().filter(|&row| row < rows);
        let row = row.ok_or(OutOfRange { id, position, rows })?;
        out[position * width..][..width].copy_from_slice(&table[row * width..][..width]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_the_order_of_ids() {
        let table = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0];
        let mut out = [0.0; 6];
        assert_eq!(gather(&table, 3, 2, &[2i32, 0, 2], &mut out), Ok(()));
        assert_eq!(out, [20.0, 21.0, 0.0, 1.0, 20.0, 21.0]);
        assert_eq!(gather(&table, 3, 2, &[1i64], &mut out[..2]), Ok(()));
        assert_eq!(out[..2], [10.0, 11.0]);
        assert_eq!(gather::<i32>(&[], 0, 5, &[], &mut []), Ok(()));
        assert_eq!(gather(&[], 2, 0, &[1], &mut []), Ok(()));
    }

    #[test]
    fn a_bad_id_is_named() {
        let table = [0.0; 6];
        for id in [-1, 3, i64::MAX, i64::MIN] {
            let error = gather(&table, 3, 2, &[1, id], &mut [0.0; 4]);
            assert_eq!(error, Err(OutOfRange { id, position: 1, rows: 3 }));
        }
        let error = OutOfRange { id: 7, position: 2, rows: 3 };
        assert_eq!(error.to_string(), "id 7 at position 2 is not among the 3 rows of the table");
    }
}
