//! `EinsumDense`: a product of the data and a kernel along axes that an equation names, a bias, an activation function.

use masque_ir::activation::Activation;
use masque_ir::ops::{self, OpError};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};
use serde_json::Value as Json;

use super::axes::numbers;
use super::einsum::{Term, einsum, letters_beside};
use super::spatial::losing;
use crate::layer::{
    Arguments, Config, ConfigError, Layer, Scope, ShapeError, Signature, WeightSpec, infer_by_lowering,
};

losing!(EINSUM_DENSE, "EinsumDense", parse);

#[derive(Debug)]
struct EinsumDense {
    equation: Equation,
    /// Sizes of the last axes that the result names, where they are given.
    sizes: Vec<Option<i64>>,
    /// The letters along which there is a bias.
    bias: Option<String>,
    activation: Activation,
}

/// `abc,cd->abd`, with an ellipsis in front of the first and the last list, or behind both.
#[derive(Debug)]
struct Equation {
    data: String,
    kernel: String,
    result: String,
    ellipsis: Option<Ellipsis>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ellipsis {
    InFront,
    Behind,
}

impl Equation {
    fn parse(text: &str) -> Option<Equation> {
        let (operands, result) = text.split_once("->")?;
        let (data, kernel) = operands.split_once(',')?;
        let ellipsis = match (data.starts_with("..."), data.ends_with("...")) {
            (true, _) => Some(Ellipsis::InFront),
            (false, true) => Some(Ellipsis::Behind),
            (false, false) => None,
        };
        let bare = |list: &str| {
            let list = match ellipsis {
                Some(Ellipsis::InFront) => list.strip_prefix("..."),
                Some(Ellipsis::Behind) => list.strip_suffix("..."),
                None => Some(list),
            };
            list.map(str::to_owned)
        };
        let equation =
            Equation { data: bare(data)?, kernel: kernel.to_owned(), result: bare(result)?, ellipsis };
        let Equation { data, kernel, result, .. } = &equation;
        let letters = |list: &String| {
            !list.is_empty()
                && list.char_indices().all(|(at, c)| c.is_ascii_alphabetic() && !list[..at].contains(c))
        };
        let fits = [data, kernel, result].into_iter().all(letters)
            && kernel.chars().all(|c| data.contains(c) || result.contains(c))
            && result.chars().all(|c| data.contains(c) || kernel.contains(c));
        fits.then_some(equation)
    }

    /// The letters of the data and of the result, with some for what the ellipsis stands for.
    fn letters(&self, rank: usize) -> Option<(String, String)> {
        let hidden =
            rank.checked_sub(self.data.len()).filter(|&hidden| hidden == 0 || self.ellipsis.is_some())?;
        let used = format!("{}{}{}", self.data, self.kernel, self.result);
        let ellipsis: String = letters_beside(&used).take(hidden).collect();
        let with = |list: &str| match self.ellipsis {
            Some(Ellipsis::InFront) => format!("{ellipsis}{list}"),
            _ => format!("{list}{ellipsis}"),
        };
        (ellipsis.len() == hidden).then(|| (with(&self.data), with(&self.result)))
    }
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    // What LoRA learned was added to the kernel when the model was saved.
    config.ignore(&["lora_rank", "lora_alpha"]);
    if let Some(size) = config.take("gptq_unpacked_column_size") {
        return Err(ConfigError::new("gptq_unpacked_column_size", "no quantized kernel", &size));
    }
    let text = config.take("equation").unwrap_or(Json::Null);
    let equation = text.as_str().and_then(Equation::parse).ok_or_else(|| {
        ConfigError::new("equation", "the axes of data, kernel and result, such as `abc,cd->abd`", &text)
    })?;
    config.keep("equation", text);
    let activation = config.activation("activation", Activation::Linear)?;
    Ok(Box::new(EinsumDense {
        sizes: sizes(config, &equation)?,
        bias: bias(config, &equation)?,
        equation,
        activation,
    }))
}

/// `output_shape`, the sizes of the axes at the end of the result; null for those that the data says.
fn sizes(config: &mut Config, equation: &Equation) -> Result<Vec<Option<i64>>, ConfigError> {
    let given = config.take("output_shape").unwrap_or(Json::Null);
    let size = |value: &Json| match value {
        Json::Null => Some(None),
        value => {
            value.as_i64().filter(|&size| size > 0 && size <= crate::layer::config::LARGEST_SIZE).map(Some)
        }
    };
    let sizes: Option<Vec<Option<i64>>> = match &given {
        Json::Array(sizes) => sizes.iter().map(size).collect(),
        Json::Null => None,
        one => size(one).map(|one| vec![one]),
    };
    let fits = sizes.filter(|sizes| sizes.len() <= equation.result.len());
    let expected = format!("sizes of axes at the end of `{}`", equation.result);
    let sizes = fits.ok_or_else(|| ConfigError::new("output_shape", expected, &given))?;
    config.keep("output_shape", given);
    Ok(sizes)
}

fn bias(config: &mut Config, equation: &Equation) -> Result<Option<String>, ConfigError> {
    let Some(axes) = config.take("bias_axes") else { return Ok(None) };
    let letters = axes.as_str().filter(|letters| !letters.is_empty());
    let letters = letters.filter(|letters| letters.chars().all(|letter| equation.result.contains(letter)));
    let expected = format!("letters of `{}`", equation.result);
    let letters = letters.ok_or_else(|| ConfigError::new("bias_axes", expected, &axes))?.to_owned();
    config.keep("bias_axes", axes);
    Ok(Some(letters))
}

impl EinsumDense {
    /// The size along a letter: what the settings say, or what the data has.
    fn size(&self, letter: char, x: &Type) -> Result<Dim, ShapeError> {
        let unfit = || {
            let expected =
                format!("data that fit `{}` and `output_shape` {:?}", self.equation.data, self.sizes);
            ShapeError::new(expected, x)
        };
        let (data, _) = self.equation.letters(x.rank()).ok_or_else(unfit)?;
        let before = self.equation.result.len() - self.sizes.len();
        let place = self.equation.result.find(letter).and_then(|place| place.checked_sub(before));
        let given = place.and_then(|place| self.sizes[place]);
        let found = data.find(letter).map(|axis| x.shape[axis].clone());
        match (given, found) {
            (Some(given), Some(found)) if found.known().is_some_and(|size| size != given) => Err(unfit()),
            (_, Some(found)) => Ok(found),
            (Some(given), None) => Ok(Dim::constant(given)),
            (None, None) => Err(unfit()),
        }
    }

    /// The known sizes along some letters.
    fn known(&self, letters: &str, x: &Type) -> Result<Vec<i64>, ShapeError> {
        let size = |letter| {
            let size = self.size(letter, x)?;
            size.known().ok_or_else(|| ShapeError::new(format!("a known size along `{letter}`"), x))
        };
        letters.chars().map(size).collect()
    }

    /// The bias in the shape in which Keras keeps it: from its first axis on, with size 1 between its axes.
    fn bias_shape(&self, letters: &str, x: &Type) -> Result<Vec<i64>, ShapeError> {
        let result = &self.equation.result;
        let first = letters.chars().filter_map(|letter| result.find(letter)).min().unwrap_or(0);
        let mut shape = vec![];
        for letter in result[first..].chars() {
            shape.push(if letters.contains(letter) { self.known(&letter.to_string(), x)?[0] } else { 1 });
        }
        if self.equation.ellipsis != Some(Ellipsis::InFront) {
            shape.resize(shape.len() + x.rank().saturating_sub(self.equation.data.len()), 1);
        }
        Ok(shape)
    }

    /// Is it a product over the last axis, with the bias of a dense layer?
    fn is_dense(&self, data: &str, result: &str) -> bool {
        let kernel = &self.equation.kernel;
        kernel.len() == 2
            && data.ends_with(&kernel[..1])
            && result.ends_with(&kernel[1..])
            && data[..data.len() - 1] == result[..result.len() - 1]
            && self.bias.as_ref().is_none_or(|bias| *bias == kernel[1..])
    }
}

impl Layer for EinsumDense {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "training"])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = numbers(arguments)?;
        for letter in self.equation.data.chars().chain(self.equation.result.chars()) {
            self.size(letter, x)?;
        }
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let x = numbers(arguments)?;
        let Equation { kernel, result, .. } = &self.equation;
        let scaled = result.chars().filter_map(|letter| kernel.find(letter));
        let kernel = WeightSpec::new("kernel", "vars/0", self.known(kernel, x)?);
        let mut weights = vec![kernel.scaled(1 + usize::from(self.bias.is_some()), scaled)];
        if let Some(letters) = &self.bias {
            weights.push(WeightSpec::new("bias", "vars/1", self.bias_shape(letters, x)?));
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let (kernel, bias) = (scope.weight("kernel"), scope.weight("bias"));
        let rank = scope.builder.type_of(&x).rank();
        let (data, result) = self.equation.letters(rank).unwrap_or_default();
        let y = if self.is_dense(&data, &result) {
            let linear = ops::Dense::Dense { activation: Activation::Linear };
            scope.builder.emit(linear, &[x, kernel, bias])?
        } else {
            let terms = [Term::new(&x, data), Term::new(&kernel, self.equation.kernel.clone())];
            let y = einsum(scope, &terms, &result)?;
            super::bias::add(scope, y, bias)?
        };
        super::activation::lower(scope, self.activation, y).map(|y| vec![y])
    }
}
