//! From pieces of a text to its records: lines, or of a table also lines that a quoted field goes over.

/// The longest record, in bytes.
pub(crate) const MOST_BYTES: usize = 1 << 26;

/// The bytes of a record, and where they stand.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    /// The line that it begins in, counted from 1.
    pub(crate) line: usize,
    /// The bytes, without the end of the line; none if they are more than [`MOST_BYTES`].
    pub(crate) bytes: Option<&'a [u8]>,
    /// Does a line end close it, so that there may be more?
    pub(crate) closed: bool,
}

/// Takes pieces, gives records.
#[derive(Debug)]
pub(crate) struct Assembler {
    buffer: Vec<u8>,
    /// Where the record under way begins, where the line that is looked at does, and up to where that has no end.
    start: usize,
    looked: usize,
    searched: usize,
    /// The line that it begins in, and the one that is looked at.
    first: usize,
    line: usize,
    /// Of a table: what separates its fields, and is a quoted one open?
    quoted: Option<(u8, bool)>,
    /// The record is too long; what is behind it is looked for.
    passing: bool,
    most: usize,
}

impl Assembler {
    /// Nothing yet; of a table, with what separates its fields, quoted ones may go over several lines.
    pub(crate) fn new(table: Option<u8>, most: usize) -> Assembler {
        Assembler {
            buffer: vec![],
            start: 0,
            looked: 0,
            searched: 0,
            first: 1,
            line: 1,
            quoted: table.map(|separator| (separator, false)),
            passing: false,
            most,
        }
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.start);
        self.looked -= self.start;
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// The next record that is complete; at the `end` also what no line end closes.
    pub(crate) fn next(&mut self, end: bool) -> Option<Raw<'_>> {
        loop {
            // What a piece before this one had no end in is not searched again.
            let searched = self.searched.max(self.looked);
            let line_end = self.buffer[searched..].iter().position(|&byte| byte == b'\n');
            self.searched = line_end.map_or(self.buffer.len(), |end| searched + end);
            let line = &self.buffer[self.looked..self.searched];
            if line_end.is_none() && !end {
                if self.passing || self.buffer.len() - self.start > self.most {
                    self.pass();
                }
                return None;
            }
            if let Some((separator, quoted)) = &mut self.quoted {
                *quoted = goes_on(*quoted, line, *separator);
            }
            let line_ends = self.looked + line.len();
            self.looked = line_ends + usize::from(line_end.is_some());
            self.line += usize::from(line_end.is_some());
            let fits = !self.passing && self.looked - self.start <= self.most;
            if line_end.is_some() && self.quoted.is_some_and(|(_, open)| open) && fits {
                continue;
            }
            if line_end.is_none() && self.start == line_ends && !self.passing {
                return None;
            }
            return Some(self.close(line_ends, line_end.is_some()));
        }
    }

    fn close(&mut self, end: usize, closed: bool) -> Raw<'_> {
        let (start, line) = (self.start, self.first);
        let too_long = self.passing || end - start > self.most;
        (self.start, self.first, self.passing) = (self.looked, self.line, false);
        self.quoted = self.quoted.map(|(separator, _)| (separator, false));
        Raw { line, bytes: (!too_long).then(|| &self.buffer[start..end]), closed }
    }

    /// Forgets a record that is too long, but for the open quote of a field.
    fn pass(&mut self) {
        self.passing = true;
        self.buffer.clear();
        (self.start, self.looked, self.searched) = (0, 0, 0);
    }
}

/// Is a quoted field open behind a line of a table, given whether one is open before it?
fn goes_on(mut quoted: bool, line: &[u8], separator: u8) -> bool {
    let mut begins = !quoted;
    let mut bytes = line.iter().peekable();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' if quoted => quoted = bytes.next_if(|&&next| next == b'"').is_some(),
            b'"' if begins => quoted = true,
            _ => {}
        }
        begins = !quoted && byte == separator;
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a text that comes in pieces of so many bytes.
    fn records(text: &str, table: bool, piece: usize, most: usize) -> Vec<(usize, Option<String>)> {
        let mut assembler = Assembler::new(table.then_some(b','), most);
        let mut pieces = text.as_bytes().chunks(piece);
        let mut found = vec![];
        loop {
            let piece = pieces.next();
            assembler.push(piece.unwrap_or_default());
            while let Some(raw) = assembler.next(piece.is_none()) {
                let text = raw.bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
                found.push((raw.line, text));
            }
            if piece.is_none() {
                return found;
            }
        }
    }

    fn some(records: &[(usize, &str)]) -> Vec<(usize, Option<String>)> {
        records.iter().map(|(line, text)| (*line, Some((*text).to_owned()))).collect()
    }

    #[test]
    fn records_do_not_depend_on_how_they_come() {
        for piece in 1..20 {
            let lines = some(&[(1, "one"), (2, ""), (3, "\"three"), (4, "four")]);
            assert_eq!(records("one\n\n\"three\nfour", false, piece, 100), lines);
            assert_eq!(records("one\n\n\"three\nfour\n", false, piece, 100), lines);
            let table = some(&[(1, "a,\"b\n\"\"\nc\",d"), (4, "e\"f"), (5, "\"g")]);
            assert_eq!(records("a,\"b\n\"\"\nc\",d\ne\"f\n\"g", true, piece, 100), table);
            assert_eq!(records("", false, piece, 100), []);
        }
    }

    #[test]
    fn a_record_that_is_too_long_is_passed_over() {
        for piece in 1..40 {
            let found = records("short\nmuch longer than that\nshort\n", false, piece, 8);
            assert_eq!(found, [(1, Some("short".into())), (2, None), (3, Some("short".into()))], "{piece}");
            let last = records("short\nmuch longer than that", false, piece, 8);
            assert_eq!(last, [(1, Some("short".into())), (2, None)], "{piece}");
            let open = records("a\n\"b\nc\nd\ne\nf\ng\n", true, piece, 7);
            assert_eq!(open[..2], [(1, Some("a".into())), (2, None)], "{piece}");
        }
    }
}
