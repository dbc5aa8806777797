//! From records to answers: batches are computed side by side, and every answer is written as a line on the spot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::batches::{Budget, together};
use super::window::{Item, Record};
use crate::classes::Form;
use crate::examples::InputSpec;
use crate::io::FileProblem;
use crate::io::{self, rows};
use crate::json_lines;
use crate::session::{Options, Outputs, Session, State};
use crate::{RunError, Tensor};

/// An answer, or why there is none.
pub(crate) type Answer = Result<Answered, FileProblem>;

/// What a record is answered with.
pub(crate) enum Answered {
    /// A line, with the fields that are kept.
    Line(Vec<u8>),
    /// The outputs.
    Row(Vec<Tensor>),
}

/// Answers records with a session.
pub(crate) struct Answerer<'a> {
    pub(crate) session: &'a Session,
    pub(crate) inputs: Vec<InputSpec>,
    /// The names of the outputs.
    pub(crate) names: Vec<String>,
    /// How they are written in lines.
    pub(crate) forms: Vec<Form>,
    /// Are they written as rows?
    pub(crate) as_rows: bool,
    pub(crate) budget: Budget,
    pub(crate) options: Options,
    /// One for each thread that computes batches.
    pub(crate) states: Vec<State>,
}

impl Answerer<'_> {
    /// The answers to the records among the items, in their order.
    pub(crate) fn answer(&mut self, items: &[Item]) -> Vec<Answer> {
        let records: Vec<&Record> = items.iter().filter_map(Item::record).collect();
        let batches = self.budget.batches(&records);
        let mut states = std::mem::take(&mut self.states);
        let next = AtomicUsize::new(0);
        let alone = states.len() < 2 || batches.len() < 2;
        // A batch has all threads if there is no other one.
        let options = if alone { self.options } else { Options { threads: 1, ..self.options } };
        let work = |state: &mut State| {
            let mut done = vec![];
            while let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let of_batch: Vec<&Record> = batch.iter().map(|&place| records[place]).collect();
                let answers = self.batch(state, &of_batch, options);
                done.extend(batch.iter().copied().zip(answers));
            }
            done
        };
        let mut done = match states.first_mut().filter(|_| alone) {
            Some(state) => work(state),
            None => thread::scope(|scope| {
                let workers: Vec<_> = states.iter_mut().map(|state| scope.spawn(|| work(state))).collect();
                // A thread that panicked is a mistake of ours, and ends this one, too.
                let join = |worker: thread::ScopedJoinHandle<'_, Vec<(usize, Answer)>>| {
                    worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                workers.into_iter().flat_map(join).collect()
            }),
        };
        self.states = states;
        done.sort_unstable_by_key(|(place, _)| *place);
        done.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Computes records together; those of a batch that fails in halves, so that each has the failures of its own.
    fn batch(&self, state: &mut State, records: &[&Record], options: Options) -> Vec<Answer> {
        let mut inputs: Vec<(&str, Tensor)> = vec![];
        for (place, input) in self.inputs.iter().enumerate() {
            let examples: Vec<&Tensor> = records.iter().map(|record| &record.tensors[place]).collect();
            inputs.push((&input.name, together(input, &examples)));
        }
        let failure = match self.session.run(state, &inputs, options) {
            Ok(mut outputs) => {
                let known = outputs.outputs.iter_mut().zip(&self.names);
                known.for_each(|((name, _), known)| name.clone_from(known));
                return self.answers(records, &outputs);
            }
            Err(failure) => failure,
        };
        match records {
            [record] => vec![Err(located(record, &inputs, failure))],
            _ => {
                drop(inputs);
                let (first, second) = records.split_at(records.len() / 2);
                let mut answers = self.batch(state, first, options);
                answers.extend(self.batch(state, second, options));
                answers
            }
        }
    }

    fn answers(&self, records: &[&Record], outputs: &Outputs) -> Vec<Answer> {
        if let Err(error) = json_lines::check_batch(&outputs.outputs, Some(records.len())) {
            let refuse = |_: &&Record| Err(std::io::Error::new(error.kind(), error.to_string()).into());
            return records.iter().map(refuse).collect();
        }
        let answer = |(index, record): (usize, &&Record)| {
            if self.as_rows {
                return Ok(Answered::Row(rows::of_outputs(&outputs.outputs, index)));
            }
            let mut line = begun(&record.kept);
            json_lines::write_outputs(&mut line, &outputs.outputs, &self.forms, index)?;
            line.extend_from_slice(b"}\n");
            Ok(Answered::Line(line))
        };
        records.iter().enumerate().map(answer).collect()
    }
}

impl Item {
    fn record(&self) -> Option<&Record> {
        match self {
            Item::Record(record) => Some(record),
            Item::Blank | Item::Bad(..) => None,
        }
    }
}

/// The beginning of an answer: the fields that are kept.
fn begun(kept: &[(String, Box<RawValue>)]) -> Vec<u8> {
    let mut line = b"{".to_vec();
    for (name, value) in kept {
        line.extend_from_slice(format!("{}: {}, ", Json::from(name.as_str()), value.get()).as_bytes());
    }
    line
}

/// Fields that are kept, by these names, as texts.
pub(crate) fn texts(kept: &[(String, Box<RawValue>)], names: &[String]) -> Vec<Option<String>> {
    let text = |name: &String| {
        let (_, value) = kept.iter().find(|(kept, _)| kept == name)?;
        Some(serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned()))
    };
    names.iter().map(text).collect()
}

/// The line in the place of an answer that there is none.
pub(crate) fn marked(kept: &[(String, Box<RawValue>)], message: &str) -> Vec<u8> {
    let mut line = begun(kept);
    line.extend_from_slice(format!("\"error\": {}}}\n", Json::from(message)).as_bytes());
    line
}

/// What is wrong with a record that cannot be computed.
fn located(record: &Record, inputs: &[(&str, Tensor)], failure: RunError) -> FileProblem {
    io::out_of_range(inputs, &failure, |_, _| Some(record.place))
        .unwrap_or(FileProblem::Run { place: record.place, source: Box::new(failure) })
}
