//! Inputs as comma-separated values, for models that take a row of features.
//!
//! A record is a line; a field may stand in double quotes, and then hold commas, line breaks and doubled quotes. If the
//! model has one input, a record is an example of it: as many fields as it has features. If it has several, each takes
//! one column, and the first record names them. With one input a first record of names is optional; it is one if it is
//! the input's own name, or if the input takes numbers and not all of its fields are such.

use masque_ir::DType;

use crate::Tensor;
use crate::examples::{self, ExampleError, InputSpec, Place};
use crate::json::Value;
use crate::quote::quoted;

/// One line of the table, or several if a quoted field breaks.
struct Record {
    place: Place,
    fields: Vec<String>,
}

/// Reads a table; lines of blanks are passed over.
///
/// Gives a tensor per input, in their order, with the batch as its first axis.
///
/// # Errors
///
/// [`ExampleError`], with the line and the input.
pub fn read(text: &str, inputs: &[InputSpec]) -> Result<Vec<Tensor>, ExampleError> {
    let mut records = records(text)?;
    if let [input] = inputs {
        if records.first().is_some_and(|first| is_header(&first.fields, input)) {
            records.remove(0);
        }
        return Ok(vec![tensor(input, records.into_iter().map(|record| whole(record, input)).collect())?]);
    }
    let mut records = records.into_iter();
    let header = records.next().ok_or(ExampleError::Empty)?;
    let columns = columns(&header, inputs)?;
    let records: Vec<_> = records.map(|record| checked(record, inputs.len())).collect::<Result<_, _>>()?;
    let column = |(input, column): (&InputSpec, usize)| {
        let field = |record: &Record| (record.place, value(&record.fields[column], input.dtype));
        tensor(input, records.iter().map(field).collect())
    };
    inputs.iter().zip(columns).map(column).collect()
}

fn tensor(input: &InputSpec, examples: Vec<(Place, Value)>) -> Result<Tensor, ExampleError> {
    if examples.is_empty() {
        return Err(ExampleError::Empty);
    }
    examples::tensor(input, &examples)
}

/// A record as an example of the only input.
fn whole(record: Record, input: &InputSpec) -> (Place, Value) {
    let mut values: Vec<_> = record.fields.iter().map(|field| value(field, input.dtype)).collect();
    match values.pop() {
        Some(only) if values.is_empty() && input.shape.is_empty() => (record.place, only),
        last => {
            values.extend(last);
            (record.place, Value::List(values))
        }
    }
}

fn is_header(fields: &[String], input: &InputSpec) -> bool {
    let is_text = |field: &String| matches!(value(field, input.dtype), Value::Text(_)) && !field.is_empty();
    *fields == [input.name.as_str()] || (input.dtype != DType::Str && fields.iter().any(is_text))
}

/// The column of each input, by the names in the first record.
fn columns(header: &Record, inputs: &[InputSpec]) -> Result<Vec<usize>, ExampleError> {
    let place = header.place;
    for (index, name) in header.fields.iter().enumerate() {
        if header.fields[..index].contains(name) {
            return Err(syntax(place, format!("column {} is there twice", quoted(name))));
        }
        if !inputs.iter().any(|input| input.name == *name) {
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

fn checked(record: Record, expected: usize) -> Result<Record, ExampleError> {
    let found = record.fields.len();
    if found == expected {
        return Ok(record);
    }
    Err(syntax(record.place, format!("expected {expected} fields, found {found}")))
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

fn records(text: &str) -> Result<Vec<Record>, ExampleError> {
    let mut records = Vec::new();
    let (mut rest, mut line) = (text.strip_prefix('\u{feff}').unwrap_or(text), 1);
    while !rest.is_empty() {
        let place = Place::Line(line);
        let (fields, behind) = record(rest).map_err(|problem| syntax(place, problem.to_owned()))?;
        line += rest[..rest.len() - behind.len()].matches('\n').count();
        rest = behind;
        if !matches!(&fields[..], [only] if only.trim().is_empty()) {
            records.push(Record { place, fields });
        }
    }
    Ok(records)
}

/// The fields up to the end of the line, and the lines behind it.
fn record(text: &str) -> Result<(Vec<String>, &str), &'static str> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, behind) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find([',', '\n']).unwrap_or(rest.len());
                (rest[..end].trim_end_matches('\r').to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        let behind = behind.strip_prefix('\r').unwrap_or(behind);
        match behind.strip_prefix(',') {
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

    fn input(name: &str, dtype: DType, shape: &[Option<usize>]) -> InputSpec {
        InputSpec { name: name.into(), dtype, shape: shape.to_vec(), pad: 0.0 }
    }

    fn refusal(text: &str, inputs: &[InputSpec]) -> String {
        let message = read(text, inputs).unwrap_err().to_string();
        assert!(!message.contains('\n'), "{message}");
        message
    }

    #[test]
    fn a_record_is_a_row_of_features() {
        let x = [input("x", DType::F32, &[Some(3)])];
        let expected = [Tensor::F32(arr2(&[[1.0, 2.5, -3.0], [4.0, 1e3, f32::INFINITY]]).into_dyn())];
        for text in [
            "1,2.5,-3\n4,1e3,inf\n",
            "a,b,c\r\n1, 2.5,-3\r\n\r\n\"4\",1e3,inf",
            "\u{feff}1,2.5,-3\n4,1e3,inf",
        ] {
            assert_eq!(read(text, &x).unwrap(), expected, "{text}");
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
        let read = read("text,id\n\"a \"\"dog\"\", \nbig\",7\n,8", &inputs).unwrap();
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
        assert_eq!(read("text\nthe cat\nA dog!", &text).unwrap(), expected);
        assert_eq!(read("the cat\nA dog!", &text).unwrap(), expected);
    }

    #[test]
    fn broken_quotes_are_refused() {
        let x = [input("x", DType::Str, &[None])];
        assert_eq!(refusal("a\n\"b,c\nd", &x), "line 2: not valid CSV: a quoted field is not closed");
        assert_eq!(refusal("\"a\"b", &x), "line 1: not valid CSV: there is text behind a quoted field");
        assert_eq!(refusal("", &x), "there are no examples, expected at least one");
    }
}
