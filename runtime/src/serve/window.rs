//! The records that are looked at together: as many as wait to be read, and no more than a window holds.
//!
//! One thread reads pieces of the input, a second one makes records of them; whoever answers takes windows from it. Each
//! holds only so much ahead of the next, so the memory does not depend on the length of the input.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use super::assemble::{Assembler, MOST_BYTES, Raw};
use super::batches::{Company, Key, tokens};
use crate::examples::{self, ExampleError, InputSpec, Place};
use crate::io::rows::Fields;
use crate::io::{FileProblem, Format, Source};
use crate::keep::{Keep, Kept};
use crate::{Tensor, csv, json_lines};

/// The bytes of a piece.
const PIECE: usize = 1 << 16;

/// How many pieces are read ahead.
const PIECES: usize = 8;

/// A window is full when it holds so many bytes of text, or so many records as it may.
const FULL: usize = 4 << 20;

/// How many records a window holds at most, if nothing else is said.
pub(crate) const USUAL: usize = 1024;

/// A record that can be computed.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) place: Place,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) kept: Kept,
    pub(crate) tokens: usize,
    pub(crate) key: Key,
}

/// What stands in a place of the input.
#[derive(Debug)]
pub(crate) enum Item {
    Blank,
    Record(Record),
    Bad(Kept, FileProblem),
}

/// The records that are looked at together.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) items: Vec<Item>,
    /// For people: what had to be guessed.
    pub(crate) guess: Option<String>,
    /// Nothing can be read behind the items.
    pub(crate) broken: Option<FileProblem>,
    /// The bytes of the input up to here.
    pub(crate) read: u64,
    /// Does none come behind it?
    pub(crate) last: bool,
}

/// How records are read.
pub(crate) struct Form {
    pub(crate) inputs: Vec<InputSpec>,
    pub(crate) keep: Keep,
    pub(crate) company: Company,
    /// The columns of a table; none of JSON lines.
    pub(crate) table: Option<csv::Reader>,
}

/// Begins to read; windows hold at most so many records.
pub(crate) fn read(format: Format, source: Source, form: Form, most: usize) -> Receiver<Window> {
    let (to_answer, windows) = sync_channel(1);
    let assembler = Assembler::new(form.table.as_ref().map(csv::Reader::separator), MOST_BYTES);
    let (pieces, rows) = (pieces(format, source), vec![].into_iter());
    let mut ahead = Ahead { pieces, assembler, rows, number: 0, form, most, read: 0, ended: false };
    thread::spawn(move || while ahead.send(&to_answer).is_some() {});
    windows
}

/// What is read at once, and how many bytes of the file were taken up to its end.
pub(super) struct Piece {
    pub(super) content: Content,
    pub(super) taken: u64,
}

/// What records are made of.
pub(super) enum Content {
    Bytes(Vec<u8>),
    Rows(Vec<Fields>),
}

fn pieces(format: Format, source: Source) -> Receiver<Result<Piece, FileProblem>> {
    let (to_ahead, pieces) = sync_channel(PIECES);
    let taken = source.taken();
    let copy = move || {
        let contents: Box<dyn Iterator<Item = _>> = match format.reader() {
            None => bytes(source),
            Some(read) => match read(source) {
                Ok(rows) => Box::new(rows.map(|rows| rows.map(Content::Rows))),
                Err(problem) => Box::new(std::iter::once(Err(problem))),
            },
        };
        for content in contents {
            let piece = content.map(|content| Piece { content, taken: taken.load(Ordering::Relaxed) });
            let ends = piece.is_err();
            if to_ahead.send(piece).is_err() || ends {
                break;
            }
        }
    };
    thread::spawn(copy);
    pieces
}

/// Bytes as they come.
fn bytes(mut source: Source) -> Box<dyn Iterator<Item = Result<Content, FileProblem>>> {
    let mut room = vec![0; PIECE];
    let mut next = move || match source.read(&mut room)? {
        0 => Ok(None),
        length => Ok(Some(Content::Bytes(room[..length].to_vec()))),
    };
    Box::new(std::iter::from_fn(move || next().transpose()))
}

/// Makes windows of pieces.
pub(super) struct Ahead {
    pub(super) pieces: Receiver<Result<Piece, FileProblem>>,
    pub(super) assembler: Assembler,
    /// The rows that wait, and the number of the one before them.
    pub(super) rows: std::vec::IntoIter<Fields>,
    pub(super) number: usize,
    pub(super) form: Form,
    pub(super) most: usize,
    pub(super) read: u64,
    pub(super) ended: bool,
}

impl Ahead {
    /// Gathers a window and sends it; none if it was the last one, or nobody takes it.
    fn send(&mut self, to_answer: &SyncSender<Window>) -> Option<()> {
        let mut window = self.gather();
        let last = window.broken.is_some() || (self.ended && window.items.is_empty());
        window.last = last;
        to_answer.send(window).ok()?;
        (!last).then_some(())
    }

    /// Waits for a first record, and takes those that can be had without waiting.
    pub(super) fn gather(&mut self) -> Window {
        let (mut window, mut bytes) = (Window::default(), 0);
        loop {
            while window.items.len() < self.most && bytes < FULL && window.broken.is_none() {
                if let Some(fields) = self.rows.next() {
                    bytes += fields.iter().map(|(_, value)| value.size()).sum::<usize>();
                    self.number += 1;
                    self.form.fields(fields, self.number, &mut window);
                    continue;
                }
                let Some(raw) = self.assembler.next(self.ended) else { break };
                bytes += raw.bytes.map_or(0, <[u8]>::len);
                self.form.take(&raw, &mut window);
            }
            window.read = self.read;
            let full = window.items.len() >= self.most || bytes >= FULL;
            if full || self.ended || window.broken.is_some() {
                return window;
            }
            let piece = match window.items.is_empty() {
                true => self.pieces.recv().map_err(|_| TryRecvError::Disconnected),
                false => self.pieces.try_recv(),
            };
            match piece {
                Ok(Ok(piece)) => {
                    self.read = piece.taken;
                    match piece.content {
                        Content::Bytes(bytes) => self.assembler.push(&bytes),
                        Content::Rows(rows) => self.rows = rows.into_iter(),
                    }
                }
                Ok(Err(problem)) => window.broken = Some(problem),
                Err(TryRecvError::Disconnected) => self.ended = true,
                Err(TryRecvError::Empty) => return window,
            }
        }
    }
}

impl Form {
    fn take(&mut self, raw: &Raw<'_>, window: &mut Window) {
        let place = Place::Line(raw.line);
        let Some(bytes) = raw.bytes else {
            let problem = ExampleError::TooLong { place, most: MOST_BYTES };
            return window.items.push(Item::Bad(vec![], problem.into()));
        };
        let text = match text(bytes, raw.line) {
            Ok(text) => text,
            Err(problem) => return window.items.push(Item::Bad(vec![], problem)),
        };
        if text.trim().is_empty() {
            return window.items.push(Item::Blank);
        }
        match self.table.is_some() {
            true => self.row(text, place, window),
            false => {
                let kept = self.keep.of(text, &self.inputs);
                let values = self
                    .keep
                    .check(place, &kept)
                    .and_then(|()| json_lines::example(text, place, raw.closed, &self.inputs, &self.keep));
                window.items.push(self.item(place, kept, values));
            }
        }
    }

    fn fields(&self, fields: Fields, number: usize, window: &mut Window) {
        let place = Place::Example(number);
        let kept = self.keep.among(&fields, &self.inputs);
        let values = self
            .keep
            .check(place, &kept)
            .and_then(|()| json_lines::of_fields(fields, place, &self.inputs, &self.keep));
        window.items.push(self.item(place, kept, values));
    }

    fn row(&mut self, text: &str, place: Place, window: &mut Window) {
        let Some(table) = &mut self.table else { return };
        let example = table.text(text, place);
        window.guess = window.guess.take().or_else(|| table.guess.take());
        match example {
            None => {}
            Some(Err(error)) if !table.is_set() => window.broken = Some(error.into()),
            Some(Err(error)) => window.items.push(Item::Bad(vec![], error.into())),
            Some(Ok(csv::Example { values, kept })) => {
                window.items.push(self.item(place, kept, Ok(values)));
            }
        }
    }

    fn item(&self, place: Place, kept: Kept, values: Result<examples::Values, ExampleError>) -> Item {
        let tensors = values.and_then(|values| examples::alone(&self.inputs, place, values));
        match tensors {
            Ok(tensors) => {
                let tokens = tokens(&self.inputs, &tensors);
                let key = self.company.key(&self.inputs, &tensors);
                Item::Record(Record { place, tensors, kept, tokens, key })
            }
            Err(error) => Item::Bad(kept, error.into()),
        }
    }
}

/// The text of a record; a mark of UTF-8 at the start of the input is none of it.
fn text(bytes: &[u8], line: usize) -> Result<&str, FileProblem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        FileProblem::NotText {
            line: line + before.iter().filter(|&&byte| byte == b'\n').count(),
            wide: line == 1 && (bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff")),
        }
    })?;
    let text = if line == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
    Ok(text.strip_suffix('\r').unwrap_or(text))
}
