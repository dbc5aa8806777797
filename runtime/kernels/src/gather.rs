//! Rows of a table, by id: looked up, or put there.

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
pub fn gather<T: Copy, I: Copy + Into<i64>>(
    table: &[T],
    rows: usize,
    width: usize,
    ids: &[I],
    out: &mut [T],
) -> Result<(), OutOfRange> {
    debug_assert!(table.len() == rows * width && out.len() == ids.len() * width);
    for (position, &id) in ids.iter().enumerate() {
        let row = row(id.into(), position, rows)?;
        out[position * width..][..width].copy_from_slice(&table[row * width..][..width]);
    }
    Ok(())
}

/// Copies row i of `x` ([ids.len(), width]) to row `ids[i]` of `table` (row-major [rows, width]); the opposite of
/// [`gather`]. Of equal ids the last one counts. Other rows of the table stay as they are.
pub fn scatter<T: Copy, I: Copy + Into<i64>>(
    x: &[T],
    rows: usize,
    width: usize,
    ids: &[I],
    table: &mut [T],
) -> Result<(), OutOfRange> {
    debug_assert!(table.len() == rows * width && x.len() == ids.len() * width);
    for (position, &id) in ids.iter().enumerate() {
        let row = row(id.into(), position, rows)?;
        table[row * width..][..width].copy_from_slice(&x[position * width..][..width]);
    }
    Ok(())
}

/// Copies row i of `x` to row `ids[i]` of `table` and all rows behind it, up to the one before `ids[i + 1]`. Rows before
/// `ids[0]` stay as they are; ids have to increase.
pub fn scatter_runs<T: Copy, I: Copy + Into<i64>>(
    x: &[T],
    rows: usize,
    width: usize,
    ids: &[I],
    table: &mut [T],
) -> Result<(), OutOfRange> {
    debug_assert!(table.len() == rows * width && x.len() == ids.len() * width);
    let mut ends = ids.iter().enumerate().skip(1);
    for (position, &id) in ids.iter().enumerate() {
        let first = row(id.into(), position, rows)?;
        let end = ends.next().map_or(Ok(rows), |(position, &id)| row(id.into(), position, rows))?;
        for row in first..end {
            table[row * width..][..width].copy_from_slice(&x[position * width..][..width]);
        }
    }
    Ok(())
}

/// The ids as numbers of rows that are there.
///
/// # Errors
///
/// The first id that names no row.
pub fn numbers<I: Copy + Into<i64>>(ids: &[I], rows: usize) -> Result<Vec<usize>, OutOfRange> {
    ids.iter().enumerate().map(|(position, &id)| row(id.into(), position, rows)).collect()
}

fn row(id: i64, position: usize, rows: usize) -> Result<usize, OutOfRange> {
    usize::try_from(id).ok().filter(|&row| row < rows).ok_or(OutOfRange { id, position, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_filled_up_to_the_next_row() {
        let mut table = [9.0; 10];
        assert_eq!(scatter_runs(&[1.0, 2.0, 3.0, 4.0], 5, 2, &[1i32, 3], &mut table), Ok(()));
        assert_eq!(table, [9.0, 9.0, 1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
        let beyond = OutOfRange { id: 5, position: 1, rows: 5 };
        assert_eq!(scatter_runs(&[1.0, 2.0], 5, 1, &[1i32, 5], &mut [0.0; 5]), Err(beyond));
        assert_eq!(scatter_runs::<f32, i32>(&[], 0, 5, &[], &mut []), Ok(()));
    }

    #[test]
    fn rows_come_in_the_order_of_ids() {
        let table = [0.0, 1.0, 10.0, 11.0, 20.0, 21.0];
        let mut out = [0.0; 6];
        assert_eq!(gather(&table, 3, 2, &[2i32, 0, 2], &mut out), Ok(()));
        assert_eq!(out, [20.0, 21.0, 0.0, 1.0, 20.0, 21.0]);
        assert_eq!(gather(&table, 3, 2, &[1i64], &mut out[..2]), Ok(()));
        assert_eq!(out[..2], [10.0, 11.0]);
        assert_eq!(gather::<f32, i32>(&[], 0, 5, &[], &mut []), Ok(()));
        assert_eq!(gather::<f32, i32>(&[], 2, 0, &[1], &mut []), Ok(()));
    }

    #[test]
    fn rows_go_where_the_ids_say() {
        let mut table = [9, 9, 9, 9, 9, 9];
        assert_eq!(scatter(&[1, 2, 3, 4], 3, 2, &[2i32, 0], &mut table), Ok(()));
        assert_eq!(table, [3, 4, 9, 9, 1, 2]);
        let error = scatter(&[0; 4], 3, 2, &[1i64, 3], &mut table);
        assert_eq!(error, Err(OutOfRange { id: 3, position: 1, rows: 3 }));
    }

    #[test]
    fn a_bad_id_is_named() {
        let table = [0.0; 6];
        assert_eq!(numbers(&[2, 0i32], 3), Ok(vec![2, 0]));
        for id in [-1, 3, i64::MAX, i64::MIN] {
            assert_eq!(numbers(&[1, id], 3), Err(OutOfRange { id, position: 1, rows: 3 }));
            let error = gather(&table, 3, 2, &[1, id], &mut [0.0; 4]);
            assert_eq!(error, Err(OutOfRange { id, position: 1, rows: 3 }));
        }
        let error = OutOfRange { id: 7, position: 2, rows: 3 };
        assert_eq!(error.to_string(), "id 7 at position 2 is not among the 3 rows of the table");
    }
}
