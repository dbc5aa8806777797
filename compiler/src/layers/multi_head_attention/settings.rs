//! The settings of both layers.

use serde_json::Value as Json;

use crate::layer::config::LARGEST_SIZE;
use crate::layer::{Config, ConfigError, Layer};

#[derive(Debug)]
pub(super) struct MultiHead {
    /// Of `GroupQueryAttention`, several heads of the query share one of key and value.
    pub(super) grouped: bool,
    pub(super) heads: i64,
    /// How many heads key and value have.
    pub(super) value_heads: i64,
    pub(super) key_dim: i64,
    pub(super) value_dim: i64,
    pub(super) dropout: bool,
    pub(super) bias: bool,
    pub(super) gate: bool,
    /// The sizes behind the positions of the result; as the query's features, if absent.
    pub(super) output: Option<Vec<i64>>,
    /// The axes that attention runs along; all between batch and features, if absent.
    pub(super) axes: Option<Vec<i64>>,
    pub(super) window: Option<u32>,
}

pub(super) fn multi_head(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let (heads, key_dim) = (config.size("num_heads")?, config.size("key_dim")?);
    Ok(Box::new(MultiHead {
        grouped: false,
        heads,
        value_heads: heads,
        key_dim,
        value_dim: config.optional_size("value_dim")?.unwrap_or(key_dim),
        dropout: config.number("dropout", 0.0)? > 0.0,
        bias: config.bool("use_bias", true)?,
        gate: config.bool("use_gate", false)?,
        output: integers(config, "output_shape", 1..=LARGEST_SIZE)?,
        axes: integers(config, "attention_axes", -32..=32)?,
        window: window(config)?,
    }))
}

pub(super) fn grouped(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let (heads, value_heads) = (config.size("num_query_heads")?, config.size("num_key_value_heads")?);
    if heads % value_heads != 0 {
        let expected = format!("a divisor of num_query_heads, {heads}");
        return Err(ConfigError::new("num_key_value_heads", expected, &value_heads.into()));
    }
    let head_dim = config.size("head_dim")?;
    Ok(Box::new(MultiHead {
        grouped: true,
        heads,
        value_heads,
        key_dim: head_dim,
        value_dim: head_dim,
        dropout: config.number("dropout", 0.0)? > 0.0,
        bias: config.bool("use_bias", true)?,
        gate: config.bool("use_gate", false)?,
        output: None,
        axes: None,
        window: window(config)?,
    }))
}

fn window(config: &mut Config) -> Result<Option<u32>, ConfigError> {
    // Sizes are at most `LARGEST_SIZE`.
    Ok(config.optional_size("sliding_window")?.and_then(|window| u32::try_from(window).ok()))
}

/// One integer or a list of them, or nothing.
fn integers(
    config: &mut Config,
    key: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Option<Vec<i64>>, ConfigError> {
    let Some(value) = config.take(key) else { return Ok(None) };
    let integer = |value: &Json| value.as_i64().filter(|integer| range.contains(integer));
    let integers: Option<Vec<i64>> = match &value {
        Json::Array(values) if values.len() <= 16 => values.iter().map(integer).collect(),
        one => integer(one).map(|one| vec![one]),
    };
    let integers = integers.filter(|integers| !integers.is_empty());
    let expected = format!("one or some integers from {} to {}", range.start(), range.end());
    let integers = integers.ok_or_else(|| ConfigError::new(key, expected, &value))?;
    config.keep(key, value);
    Ok(Some(integers))
}
