//! The JSON of model files: as Python writes it, read strictly. What is read, and how, is the [reader's](reader).

mod reader;

use std::ops::Range;

use serde_json::{Map, Value as Json};

use reader::Reader;

/// A text that is no JSON, or not strict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} is not valid JSON: {problem} at line {line} column {column}")]
pub struct JsonError {
    /// Which part of the file.
    pub part: String,
    /// What is wrong.
    pub problem: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl JsonError {
    /// An error at a place of a text.
    fn at(part: &str, text: &[u8], place: usize, problem: String) -> JsonError {
        let before = &text[..place];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        JsonError { part: part.to_owned(), problem, line, column }
    }
}

/// Parses a whole text. `part` names it in errors.
pub(super) fn parse(part: &str, bytes: &[u8]) -> Result<Json, JsonError> {
    let text = utf8(part, bytes)?;
    let mut reader = Reader::new(part, text, 0);
    let value = reader.value(0)?;
    reader.finish(text.len(), "nothing more")?;
    Ok(value)
}

fn utf8<'t>(part: &str, bytes: &'t [u8]) -> Result<&'t str, JsonError> {
    std::str::from_utf8(bytes)
        .map_err(|error| JsonError::at(part, bytes, error.valid_up_to(), "not UTF-8".to_owned()))
}

/// The config of a model. What nearly all of it is, the list of the outermost model's layers, stays text until each
/// has its turn: a large model is never in memory as JSON.
pub(super) struct ConfigText<'t> {
    part: &'t str,
    text: &'t str,
    /// Everything else; in the place of the layers stands an empty list.
    pub(super) around: Json,
    /// Where the layers stand; empty if there is no list of layers where a model has it.
    layers: Vec<Range<usize>>,
}

impl<'t> ConfigText<'t> {
    /// Parses all but the layers. `part` names the text in errors.
    pub(super) fn parse(part: &'t str, bytes: &'t [u8]) -> Result<ConfigText<'t>, JsonError> {
        let text = utf8(part, bytes)?;
        let mut reader = Reader::new(part, text, 0);
        let mut layers = vec![];
        let around = around(&mut reader, Place::Root, &mut layers)?;
        reader.finish(text.len(), "nothing more")?;
        Ok(ConfigText { part, text, around, layers })
    }

    /// The layers, each parsed when it is asked for.
    pub(super) fn layers(&self) -> impl Iterator<Item = Result<Json, JsonError>> {
        self.layers.iter().map(|place| {
            let mut reader = Reader::new(self.part, self.text, place.start);
            let layer = reader.value(Place::Layers as usize + 1)?;
            reader.finish(place.end, "`,` or `]`")?;
            Ok(layer)
        })
    }
}

/// Where a value stands in a config; as a number, how deep.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Config,
    Layers,
}

/// A value on the way to the layers, without them.
fn around(reader: &mut Reader<'_>, place: Place, layers: &mut Vec<Range<usize>>) -> Result<Json, JsonError> {
    let depth = place as usize;
    match (place, reader.peek()) {
        (Place::Layers, Some(b'[')) => {
            reader.array(depth, |reader| {
                layers.push(reader.skip()?);
                Ok(())
            })?;
            Ok(Json::Array(vec![]))
        }
        (Place::Root | Place::Config, Some(b'{')) => {
            let mut map = Map::new();
            reader.object(depth, |reader, key| {
                let value = match (place, key.as_str()) {
                    (Place::Root, "config") => around(reader, Place::Config, layers)?,
                    (Place::Config, "layers") => around(reader, Place::Layers, layers)?,
                    _ => reader.value(depth + 1)?,
                };
                map.insert(key, value);
                Ok(())
            })?;
            Ok(Json::Object(map))
        }
        _ => reader.value(depth),
    }
}

#[cfg(test)]
mod tests {
    use masque_ir::Float;
    use serde_json::json;

    use super::{ConfigText, parse};

    #[test]
    fn the_layers_of_a_config_are_read_one_by_one_and_as_strictly() {
        let text = |layer: &str| {
            format!(r#"{{"config": {{"layers": [1, {{"layers": [2]}}], "name": "m"}}, "layers": [{layer}]}}"#)
        };
        let sound = text("3");
        let config = ConfigText::parse("it", sound.as_bytes()).unwrap();
        assert_eq!(config.around, json!({"config": {"layers": [], "name": "m"}, "layers": [3]}));
        let layers: Vec<_> = config.layers().collect::<Result<_, _>>().unwrap();
        assert_eq!(layers, [json!(1), json!({"layers": [2]})]);
        for bad in
            [r#"{"a": 1, "a": 2}"#, "1e999", "1,,2", "1 2", "[1}", "nan", r#""\ud800""#, "\"\u{1}\"", ""]
        {
            let whole = format!("{{\n\"config\": {{\"layers\":\n [0, {bad}]}}}}");
            let read = |text: &str| {
                ConfigText::parse("it", text.as_bytes())?.layers().collect::<Result<Vec<_>, _>>()
            };
            let (one, all) = (read(&whole).unwrap_err(), parse("it", whole.as_bytes()).unwrap_err());
            assert_eq!(one, all);
            assert_eq!(one.line, 3, "{one}");
        }
    }

    #[test]
    fn strict_where_others_are_lenient() {
        assert!(parse("it", br#"{"a": [1, 2.5, "x", null, {"b": true}]}"#).is_ok());
        let deep = "[".repeat(100_000);
        let bad = [
            r#"{"a": 1, "a": 2}"#,
            "1e999",
            "-1e999",
            "{} {}",
            "",
            &deep,
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "[1,]",
            "{,}",
            "{\"a\" 1}",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "\"\t\"",
            "tru",
            "True",
            "nan",
            "NAN",
            "-NaN",
            "Infinit",
            "inf",
            "+Infinity",
            "NaN1",
            "\u{feff}1",
        ];
        for bad in bad {
            assert!(parse("it", bad.as_bytes()).is_err(), "{bad:.20}");
        }
    }

    #[test]
    fn what_is_sound_reads_as_another_reader_has_it() {
        let sound = [
            "0",
            "-0",
            "12",
            "-7",
            "1.5",
            "-0.0",
            "1e3",
            "2E-2",
            "18446744073709551615",
            "-9223372036854775808",
            "123456789012345678901234567890",
            "0.1",
            "5e-324",
            r#""\u00e9\n\"\\\/\b\f\r\t\ud83d\ude00é😀""#,
            " [ ] ",
            "{ }",
            r#"{"": {"a": [[], [null, true, false]]}}"#,
            "\r\n\t 1",
        ];
        for text in sound {
            let other: serde_json::Value = serde_json::from_str(text).unwrap();
            let other = if text == "-0" { json!(0) } else { other };
            assert_eq!(parse("it", text.as_bytes()).unwrap(), other, "{text}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse("it", nested(128).as_bytes()).is_ok());
        assert!(parse("it", nested(129).as_bytes()).is_err());
    }

    #[test]
    fn numbers_that_only_python_writes_are_no_texts() {
        let read = parse("it", br#"["NaN", NaN, Infinity, -Infinity, {"Infinity": "-Infinity"}]"#).unwrap();
        let [nan, inf, below] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(|x| Float(x).to_json());
        assert_eq!(read, json!(["NaN", nan, inf, below, {"Infinity": "-Infinity"}]));
        assert_eq!(Float::of_json(&read[1]).map(|x| x.0.is_nan()), Some(true));
    }

    #[test]
    fn an_error_names_line_and_column() {
        let error = parse("it", "{\n \"é\": [NaN, nan]}".as_bytes()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "it is not valid JSON: expected a value, found 'n' at line 2 column 13"
        );
        let error = parse("it", b"[\n\xff]").unwrap_err();
        assert_eq!((error.line, error.column), (2, 1));
    }
}
