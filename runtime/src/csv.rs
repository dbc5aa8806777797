//! Inputs as a table, fields separated by commas, tabs or what else is said, for models that take a row of features.
//!
//! A record is a line; a field may stand in double quotes, and then hold separators, line breaks and doubled quotes. If the
//! model has one input, a record is an example of it: as many fields as it has features. If it has several, each takes
//! one column, and the first record names them. With one input a first record of names is optional; it is one if it is
//! the input's own name, or if the input takes numbers and not all of its fields are such. That is a guess, which is
//! told ([`Table::guess`]), and whoever reads can say what it is.

use masque_ir::DType;
use serde_json::value::to_raw_value;

use crate::examples::{Columns, ExampleError, InputSpec, Place, Values};
use crate::json::Value;
use crate::keep::{Fields, Keep, Kept};
use crate::quote::quoted;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The character of ASCII that separates fields.
    pub separator: u8,
    /// Is its first record a header? Guessed, if this is not said.
    pub header: Option<bool>,
}

impl Default for Dialect {
    fn default() -> Dialect {
        Dialect { separator: b',', header: None }
    }
}

/// One line of the table, or several if a quoted field breaks.
struct Record {
    place: Place,
    fields: Vec<String>,
}

/// A table, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The examples.
    pub columns: Columns,
    /// For people: what the first record was taken for, where that is not certain.
    pub guess: Option<String>,
}

/// Reads a table; lines of blanks are passed over. Several inputs without a header take the columns in their order.
///
/// # Errors
///
/// [`ExampleError`], with the line and the input.
pub fn read(text: &str, inputs: &[InputSpec], dialect: Dialect) -> Result<Table, ExampleError> {
    let mut reader = Reader::new(inputs, dialect, Keep::default());
    let mut columns = Columns::of(inputs.len());
    for record in records(text, dialect.separator)? {
        let place = record.place;
        if let Some(example) = reader.record(record) {
            columns.push(place, example?.values);
        }
    }
    if inputs.len() > 1 && reader.columns.is_none() {
        return Err(ExampleError::Empty);
    }
    Ok(Table { columns, guess: reader.guess })
}

/// An example, and the fields that are kept of its record.
#[derive(Debug, Default)]
pub(crate) struct Example {
    pub(crate) values: Values,
    pub(crate) kept: Kept,
}

/// What the columns of a table are.
#[derive(Clone, Debug, Default)]
struct Layout {
    /// By input, if there are several: its column.
    inputs: Option<Vec<usize>>,
    /// The columns that are kept, with their names.
    kept: Vec<(usize, String)>,
    /// How many columns there are, if that is known.
    width: Option<usize>,
}

/// Reads a table record by record.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    inputs: Vec<InputSpec>,
    dialect: Dialect,
    keep: Keep,
    columns: Option<Layout>,
    /// For people: what the first record was taken for.
    pub(crate) guess: Option<String>,
}

impl Reader {
    /// At the beginning of a table.
    pub(crate) fn new(inputs: &[InputSpec], dialect: Dialect, keep: Keep) -> Reader {
        Reader { inputs: inputs.to_vec(), dialect, keep, columns: None, guess: None }
    }

    /// What separates fields.
    pub(crate) fn separator(&self) -> u8 {
        self.dialect.separator
    }

    /// Is it known what the columns are? An error before that is one of the whole table.
    pub(crate) fn is_set(&self) -> bool {
        self.columns.is_some()
    }

    /// Reads one record that is not blank; none if it is a header.
    pub(crate) fn text(&mut self, text: &str, place: Place) -> Option<Result<Example, ExampleError>> {
        match record(text, self.dialect.separator) {
            Ok((fields, "")) => self.record(Record { place, fields }),
            Ok(_) => Some(Err(syntax(place, "a field is not closed".to_owned()))),
            Err(problem) => Some(Err(syntax(place, problem.to_owned()))),
        }
    }

    fn record(&mut self, record: Record) -> Option<Result<Example, ExampleError>> {
        match &self.columns {
            Some(layout) => Some(self.example(&record, layout)),
            None => match self.first(&record) {
                Err(error) => Some(Err(error)),
                Ok((layout, is_header)) => {
                    let example = (!is_header).then(|| self.example(&record, &layout));
                    self.columns = Some(layout);
                    example
                }
            },
        }
    }

    /// Looks at the first record: what are the columns, and is it a header?
    fn first(&mut self, first: &Record) -> Result<(Layout, bool), ExampleError> {
        check_separator(first, &self.inputs, self.dialect.separator)?;
        let keeps = self.keep.fields != Fields::None;
        if keeps && self.dialect.header != Some(false) {
            return Ok((self.named(first)?, true));
        }
        match (&self.inputs[..], self.dialect.header) {
            ([input], None) => {
                self.guess = guess(first, input);
                Ok((Layout::default(), is_header(&first.fields, input)))
            }
            ([_], Some(header)) => Ok((Layout::default(), header)),
            (inputs, Some(false)) => {
                let (inputs, width) = (Some((0..inputs.len()).collect()), Some(inputs.len()));
                Ok((Layout { inputs, width, kept: vec![] }, false))
            }
            _ => Ok((self.named(first)?, true)),
        }
    }

    /// The columns by their names. Those of a single input that is not among the names are all that is not kept.
    fn named(&self, header: &Record) -> Result<Layout, ExampleError> {
        let is_input = |name: &str| self.inputs.iter().any(|input| input.name == name);
        let is_kept = |name: &&String| !is_input(name) && self.keep.takes(name, &self.inputs);
        let kept = header.fields.iter().enumerate().filter(|(_, name)| is_kept(name));
        let kept = kept.map(|(column, name)| (column, name.clone())).collect();
        let width = Some(header.fields.len());
        if self.inputs.len() == 1 && !header.fields.iter().any(|name| is_input(name)) {
            return Ok(Layout { inputs: None, kept, width });
        }
        let inputs = Some(columns(header, &self.inputs, is_kept)?);
        Ok(Layout { inputs, kept, width })
    }

    fn example(&self, record: &Record, layout: &Layout) -> Result<Example, ExampleError> {
        checked(record, layout.width)?;
        let kept = layout
            .kept
            .iter()
            .filter_map(|(column, name)| Some((name.clone(), to_raw_value(&record.fields[*column]).ok()?)));
        let kept: Kept = kept.collect();
        self.keep.check(record.place, &kept)?;
        let values = match (&layout.inputs, &self.inputs[..]) {
            (Some(columns), [input]) => {
                vec![whole(columns.iter().map(|&column| &record.fields[column]), input)]
            }
            (Some(columns), inputs) => {
                let value =
                    |(input, &column): (&InputSpec, &usize)| value(&record.fields[column], input.dtype);
                inputs.iter().zip(columns).map(value).collect()
            }
            (None, inputs) => {
                let is_kept = |column: usize| layout.kept.iter().any(|(kept, _)| *kept == column);
                let fields = record.fields.iter().enumerate().filter(|(column, _)| !is_kept(*column));
                inputs.iter().map(|input| whole(fields.clone().map(|(_, field)| field), input)).collect()
            }
        };
        Ok(Example { values, kept })
    }
}

/// A record with too few fields may be one of another separator, and numbers between semicolons are.
fn check_separator(first: &Record, inputs: &[InputSpec], expected: u8) -> Result<(), ExampleError> {
    if expected != b',' && first.fields.len() > 1 {
        return Ok(());
    }
    let numbers = inputs.iter().all(|input| input.dtype != DType::Str);
    let few = first.fields.len() < if numbers { inputs.len().max(2) } else { inputs.len() };
    let separates = |separator: char| {
        let is_number = |part: &str| part.trim().parse::<f64>().is_ok();
        let within = |field: &String| {
            field.contains(separator) && (few || numbers && field.split(separator).all(is_number))
        };
        first.fields.iter().any(within)
    };
    let expected = char::from(expected);
    match [',', ';', '\t'].into_iter().find(|&other| other != expected && separates(other)) {
        None => Ok(()),
        Some(found) => {
            let [found, expected] = [found, expected].map(words);
            let problem = format!(
                "the fields are separated by {found}, expected {expected}; --delimiter names another"
            );
            Err(syntax(first.place, problem))
        }
    }
}

/// Several of a separator.
fn words(separator: char) -> String {
    match separator {
        ',' => "commas".to_owned(),
        '\t' => "tabs".to_owned(),
        other => format!("`{other}`"),
    }
}

/// What is to be said of the first record, unless it is the input's name.
fn guess(first: &Record, input: &InputSpec) -> Option<String> {
    let (place, shown) = (first.place, quoted(&first.fields.join(",")));
    if first.fields == [input.name.as_str()] {
        None
    } else if is_header(&first.fields, input) {
        Some(format!("{place}, {shown}, is taken for a header; --header no reads it as an example"))
    } else if input.dtype == DType::Str {
        Some(format!("{place}, {shown}, is taken for an example; --header yes passes over it"))
    } else {
        None
    }
}

/// The fields of a record as an example of the only input.
fn whole<'a>(fields: impl Iterator<Item = &'a String>, input: &InputSpec) -> Value {
    let mut values: Vec<_> = fields.map(|field| value(field, input.dtype)).collect();
    match values.pop() {
        Some(only) if values.is_empty() && input.shape.is_empty() => only,
        last => {
            values.extend(last);
            Value::List(values)
        }
    }
}

fn is_header(fields: &[String], input: &InputSpec) -> bool {
    let is_text = |field: &String| matches!(value(field, input.dtype), Value::Text(_)) && !field.is_empty();
    *fields == [input.name.as_str()] || (input.dtype != DType::Str && fields.iter().any(is_text))
}

/// The column of each input, by the names in the first record.
fn columns(
    header: &Record,
    inputs: &[InputSpec],
    is_kept: impl Fn(&&String) -> bool,
) -> Result<Vec<usize>, ExampleError> {
    let place = header.place;
    for (index, name) in header.fields.iter().enumerate() {
        if header.fields[..index].contains(name) {
            return Err(syntax(place, format!("column {} is there twice", quoted(name))));
        }
        if !is_kept(&name) && !inputs.iter().any(|input| input.name == *name) {
            let names: Vec<_> = inputs.iter().take(8).map(|input| quoted(&input.name)).collect();
            return Err(ExampleError::Unknown { place, name: quoted(name), inputs: names.join(", ") });
        }
    }
    let column = |input: &InputSpec| {
        let missing = || ExampleError::Missing { place, input: quoted(&input.name) };
        header.fields.iter().position(|name| *name == input.name).ok_or_else(missing)
    };
    inputs.iter().map(column).collect()
}

fn checked(record: &Record, width: Option<usize>) -> Result<(), ExampleError> {
    let found = record.fields.len();
    match width.filter(|&expected| found != expected) {
        Some(expected) => Err(syntax(record.place, format!("expected {expected} fields, found {found}"))),
        None => Ok(()),
    }
}

/// What a field says: `true`, a number, or else its text.
fn value(field: &str, dtype: DType) -> Value {
    let trimmed = field.trim();
    if dtype == DType::Str {
        Value::Text(field.to_owned())
    } else if let Ok(number) = trimmed.parse() {
        Value::Int(number)
    } else if let Ok(number) = trimmed.parse() {
        Value::Float(number)
    } else if let Ok(truth) = trimmed.to_ascii_lowercase().parse() {
        Value::Bool(truth)
    } else {
        Value::Text(trimmed.to_owned())
    }
}

fn records(text: &str, separator: u8) -> Result<Vec<Record>, ExampleError> {
    let mut records = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while !rest.is_empty() {
        let place = Place::Line(line);
        let (fields, behind) =
            record(rest, separator).map_err(|problem| syntax(place, problem.to_owned()))?;
        line += rest[..rest.len() - behind.len()].matches('\n').count();
        rest = behind;
        if !matches!(&fields[..], [only] if only.trim().is_empty()) {
            records.push(Record { place, fields });
        }
    }
    Ok(records)
}

/// The fields up to the end of the line, and the lines behind it.
fn record(text: &str, separator: u8) -> Result<(Vec<String>, &str), &'static str> {
    let separator = char::from(separator);
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find([separator, '\n']).unwrap_or(rest.len());
                (rest[..end].trim_end_matches('\r').to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        let behind = behind.strip_prefix('\r').unwrap_or(behind);
        match behind.strip_prefix(separator) {
            Some(next) => rest = next,
            None if behind.is_empty() => return Ok((fields, behind)),
            None => {
                let behind = behind.strip_prefix('\n').ok_or("there is text behind a quoted field")?;
                return Ok((fields, behind));
            }
        }
    }
}

/// A field whose opening quote has been read, and the text behind its closing one.
fn quoted_field(text: &str) -> Result<(String, &str), &'static str> {
    let (mut field, mut rest) = (String::new(), text);
    loop {
        let (part, behind) = rest.split_once('"').ok_or("a quoted field is not closed")?;
        field.push_str(part);
        match behind.strip_prefix('"') {
            Some(behind) => rest = behind,
            None => return Ok((field, behind)),
        }
        field.push('"');
    }
}

fn syntax(place: Place, problem: String) -> ExampleError {
    ExampleError::Syntax { place, format: "CSV", problem }
}

#[cfg(test)]
mod tests {
    use ndarray::{arr1, arr2};

    use super::*;
    use crate::Tensor;

    fn tensors(text: &str, inputs: &[InputSpec]) -> Result<Vec<Tensor>, ExampleError> {
        read(text, inputs, Dialect::default())?.columns.tensors(inputs)
    }

    fn input(name: &str, dtype: DType, shape: &[Option<usize>]) -> InputSpec {
        InputSpec { name: name.into(), dtype, shape: shape.to_vec(), pad: 0.0 }
    }

    fn refusal(text: &str, inputs: &[InputSpec]) -> String {
        let message = tensors(text, inputs).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    }

    #[test]
    fn a_record_is_a_row_of_features() {
        let x = [input("x", DType::F32, &[Some(3)])];
        let expected = [Tensor::F32(arr2(&[[1.0, 2.5, -3.0], [4.0, 1e3, f32::INFINITY]]).into_dyn())];
        for text in ["1,2.5,-3\n4,1e3,inf\n", "a,b,c\r\n1, 2.5,-3\r\n\r\n\"4\",1e3,inf"] {
            assert_eq!(tensors(text, &x).unwrap(), expected, "{text}");
        }
        assert_eq!(
            refusal("1,2,3\n1,2,3,4", &x),
            "line 2: input \"x\": expected 3 items along axis 0, found 4"
        );
        assert_eq!(refusal("1,2", &x), "line 1: input \"x\": expected 3 items along axis 0, found 2");
        assert_eq!(refusal("1,2,3\n\n1,,3", &x), "line 3: input \"x\": expected a number, found \"\"");
    }

    #[test]
    fn several_inputs_take_a_column_each() {
        let inputs = [input("id", DType::I64, &[]), input("text", DType::Str, &[Some(1)])];
        let read = tensors("text,id\n\"a \"\"dog\"\", \nbig\",7\n,8", &inputs).unwrap();
        assert_eq!(read[0], Tensor::I64(arr1(&[7, 8]).into_dyn()));
        assert_eq!(read[1], Tensor::Str(arr2(&[["a \"dog\", \nbig"], [""]]).mapv(str::to_owned).into_dyn()));
        assert_eq!(refusal("id\n7", &inputs), "line 1: input \"text\" is missing");
        assert_eq!(
            refusal("id,text,x\n", &inputs),
            "line 1: there is no input \"x\", expected \"id\", \"text\""
        );
        assert!(refusal("id,text,id\n", &inputs).contains("twice"));
        let late = refusal("text,id\n\"a\nb\",7\nx", &inputs);
        assert_eq!(late, "line 4: not valid CSV: expected 2 fields, found 1");
        assert_eq!(refusal("text,id\n", &inputs), "there are no examples, expected at least one");
    }

    #[test]
    fn a_single_text_may_have_its_name_above_it() {
        let text = [input("text", DType::Str, &[Some(1)])];
        let expected = [Tensor::Str(arr2(&[["the cat"], ["A dog!"]]).mapv(str::to_owned).into_dyn())];
        assert_eq!(tensors("text\nthe cat\nA dog!", &text).unwrap(), expected);
        assert_eq!(tensors("the cat\nA dog!", &text).unwrap(), expected);
    }

    #[test]
    fn what_is_taken_for_a_header_is_told_and_can_be_said() {
        let text = [input("text", DType::Str, &[Some(1)])];
        let guess = |text: &str, inputs: &[InputSpec]| read(text, inputs, Dialect::default()).unwrap().guess;
        let count = |text: &str, inputs: &[InputSpec], header| {
            let table = read(text, inputs, Dialect { header, ..Dialect::default() }).unwrap();
            assert_eq!(table.guess.is_some(), header.is_none(), "{text}");
            table.columns.0[0].len()
        };
        assert_eq!(guess("text\nthe cat", &text), None);
        let example = "line 1, \"review\", is taken for an example; --header yes passes over it";
        assert_eq!(guess("review\nthe cat", &text).as_deref(), Some(example));
        assert_eq!(
            [None, Some(true), Some(false)].map(|header| count("review\nthe cat", &text, header)),
            [2, 1, 2]
        );
        let x = [input("x", DType::F32, &[Some(2)])];
        let header = "line 1, \"1,2x\", is taken for a header; --header no reads it as an example";
        assert_eq!(guess("1,2x\n3,4", &x).as_deref(), Some(header));
        assert_eq!([None, Some(true)].map(|header| count("1,2x\n3,4", &x, header)), [1, 1]);
        assert_eq!(guess("1,2\n3,4", &x), None);
        let two = [input("a", DType::I32, &[]), input("b", DType::I32, &[])];
        let table = read("1,2\n3,4", &two, Dialect { header: Some(false), ..Dialect::default() }).unwrap();
        assert_eq!(table.columns.tensors(&two).unwrap()[1], Tensor::I32(arr1(&[2, 4]).into_dyn()));
    }

    #[test]
    fn another_separator_is_named() {
        let [x, two] = [
            vec![input("x", DType::F32, &[Some(2)])],
            vec![input("a", DType::Str, &[]), input("b", DType::Str, &[])],
        ];
        for (text, inputs) in [("1;2\n3;4", &x), ("1,5;2,5\n", &x), ("a;b\n1;2", &two), ("x;y\n1;2", &x)] {
            let semicolons = "line 1: not valid CSV: the fields are separated by `;`, expected commas; --delimiter names another";
            assert_eq!(refusal(text, inputs), semicolons);
        }
        assert_eq!(
            refusal("1\t2", &x),
            "line 1: not valid CSV: the fields are separated by tabs, expected commas; --delimiter names another"
        );
        let text = [input("text", DType::Str, &[Some(1)])];
        assert!(tensors("a; b\nc", &text).is_ok());
        let with = |separator, text: &str, inputs: &[InputSpec]| {
            let table = read(text, inputs, Dialect { separator, header: None });
            table.and_then(|table| table.columns.tensors(inputs)).map_err(|error| error.to_string())
        };
        let expected = with(b',', "1,2\n3,4", &x);
        assert!(expected.is_ok() && with(b';', "1;2\n3;4", &x) == expected);
        assert_eq!(with(b'\t', "1\t\"2\"\r\n3\t4", &x), expected);
        let commas = "line 1: not valid CSV: the fields are separated by commas, expected tabs; --delimiter names another";
        assert_eq!(with(b'\t', "1,2", &x).unwrap_err(), commas);
        assert!(with(b';', "1;2\n1,5;2", &x).unwrap_err().ends_with("expected a number, found \"1,5\""));
    }

    #[test]
    fn broken_quotes_are_refused() {
        let x = [input("x", DType::Str, &[None])];
        assert_eq!(refusal("a\n\"b,c\nd", &x), "line 2: not valid CSV: a quoted field is not closed");
        assert_eq!(refusal("\"a\"b", &x), "line 1: not valid CSV: there is text behind a quoted field");
        assert_eq!(refusal("", &x), "there are no examples, expected at least one");
    }
}
