//! One loss: what compares, its settings, and how the result becomes one number.

use ndarray::ArrayD;
use serde_json::{Map, Value as Json};

use super::arrays::same_rank;
use super::classes::{self, Focus, Given, Options};
use super::envelope::{self, Unread};
use super::reduce::{both, reduce};
use super::regions::{self, Axes, Circle};
use super::regression::{self, Regression};
use super::{LossError, Reduction, Scored, ctc};
use crate::layer::{Config, ConfigError};

/// A loss of `keras.losses` with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    function: Function,
    /// How the losses of all positions become one.
    pub reduction: Reduction,
}

#[derive(Clone, Debug, PartialEq)]
enum Function {
    Regression(Regression),
    CategoricalHinge,
    Cosine {
        axis: i64,
    },
    Divergence,
    Binary(Options),
    BinaryFocal {
        options: Options,
        focus: Focus,
        balanced: bool,
    },
    Categorical(Options),
    CategoricalFocal {
        options: Options,
        focus: Focus,
    },
    Sparse {
        options: Options,
        ignored: Option<i64>,
    },
    Generalized {
        q: f64,
    },
    /// Binary, categorical or sparse, as the shapes of predictions and targets say.
    Crossentropy,
    Dice {
        axes: Axes,
    },
    Tversky {
        alpha: f64,
        beta: f64,
        axes: Axes,
    },
    Circle(Circle),
    Ctc,
}

type Read = fn(&mut Config) -> Result<Function, ConfigError>;

/// Every loss: its class, its function and other names of it, and how its settings are read.
const LOSSES: &[(&str, &[&str], Read)] = &[
    ("BinaryCrossentropy", &["binary_crossentropy", "bce", "BCE"], |config| {
        options(config).map(Function::Binary)
    }),
    ("BinaryFocalCrossentropy", &["binary_focal_crossentropy"], |config| {
        let balanced = config.bool("apply_class_balancing", false)?;
        Ok(Function::BinaryFocal { focus: focus(config)?, options: options(config)?, balanced })
    }),
    ("CTC", &["ctc"], |_| Ok(Function::Ctc)),
    ("CategoricalCrossentropy", &["categorical_crossentropy"], |config| {
        options(config).map(Function::Categorical)
    }),
    ("CategoricalFocalCrossentropy", &["categorical_focal_crossentropy"], |config| {
        Ok(Function::CategoricalFocal { focus: focus(config)?, options: options(config)? })
    }),
    ("CategoricalGeneralizedCrossEntropy", &["categorical_generalized_cross_entropy"], |config| {
        let q = config.number("q", 0.5)?;
        let inside = q > 0.0 && q < 1.0;
        let error = || ConfigError::new("q", "a number between 0 and 1", &q.into());
        if inside { Ok(Function::Generalized { q }) } else { Err(error()) }
    }),
    ("CategoricalHinge", &["categorical_hinge"], |_| Ok(Function::CategoricalHinge)),
    ("Circle", &["circle"], |config| {
        let remove_diagonal = config.bool("remove_diagonal", true)?;
        let (gamma, margin) = (config.number("gamma", 80.0)?, config.number("margin", 0.4)?);
        Ok(Function::Circle(Circle { gamma, margin, remove_diagonal }))
    }),
    ("CosineSimilarity", &["cosine_similarity"], |config| {
        Ok(Function::Cosine { axis: config.integer("axis", Some(-1))? })
    }),
    ("Crossentropy", &["crossentropy", "ce"], |_| Ok(Function::Crossentropy)),
    ("Dice", &["dice"], |config| Ok(Function::Dice { axes: axes(config)? })),
    ("Hinge", &["hinge"], |_| Ok(Function::Regression(Regression::Hinge))),
    ("Huber", &["huber"], |config| {
        Ok(Function::Regression(Regression::Huber { delta: config.number("delta", 1.0)? }))
    }),
    ("KLDivergence", &["kl_divergence", "kld", "KLD"], |_| Ok(Function::Divergence)),
    ("LogCosh", &["log_cosh"], |_| Ok(Function::Regression(Regression::LogCosh))),
    ("MeanAbsoluteError", &["mean_absolute_error", "mae", "MAE"], |_| {
        Ok(Function::Regression(Regression::Absolute))
    }),
    ("MeanAbsolutePercentageError", &["mean_absolute_percentage_error", "mape", "MAPE"], |_| {
        Ok(Function::Regression(Regression::AbsolutePercentage))
    }),
    ("MeanSquaredError", &["mean_squared_error", "mse", "MSE"], |_| {
        Ok(Function::Regression(Regression::Squared))
    }),
    ("MeanSquaredLogarithmicError", &["mean_squared_logarithmic_error", "msle", "MSLE"], |_| {
        Ok(Function::Regression(Regression::SquaredLogarithmic))
    }),
    ("Poisson", &["poisson"], |_| Ok(Function::Regression(Regression::Poisson))),
    ("SparseCategoricalCrossentropy", &["sparse_categorical_crossentropy"], |config| {
        let ignored = config.take("ignore_class");
        let class = |found: &Json| {
            found.as_i64().ok_or_else(|| ConfigError::new("ignore_class", "the number of a class", found))
        };
        Ok(Function::Sparse { ignored: ignored.as_ref().map(class).transpose()?, options: options(config)? })
    }),
    ("SquaredHinge", &["squared_hinge"], |_| Ok(Function::Regression(Regression::SquaredHinge))),
    ("Tversky", &["tversky"], |config| {
        let (alpha, beta) = (config.number("alpha", 0.5)?, config.number("beta", 0.5)?);
        Ok(Function::Tversky { alpha, beta, axes: axes(config)? })
    }),
];

fn options(config: &mut Config) -> Result<Options, ConfigError> {
    Ok(Options {
        from_logits: config.bool("from_logits", false)?,
        label_smoothing: config.number("label_smoothing", 0.0)?,
        axis: config.integer("axis", Some(-1))?,
    })
}

fn focus(config: &mut Config) -> Result<Focus, ConfigError> {
    let alpha = config.take("alpha").unwrap_or_else(|| 0.25.into());
    let numbers = match &alpha {
        Json::Array(items) if !items.is_empty() => items.iter().map(Json::as_f64).collect(),
        number => number.as_f64().map(|number| vec![number]),
    };
    let wrong = || ConfigError::new("alpha", "a number, or one for each class", &alpha);
    Ok(Focus { gamma: config.number("gamma", 2.0)?, alpha: numbers.ok_or_else(wrong)? })
}

fn axes(config: &mut Config) -> Result<Axes, ConfigError> {
    let Some(given) = config.take("axis") else { return Ok(None) };
    let axes = match &given {
        Json::Array(items) => items.iter().map(Json::as_i64).collect(),
        number => number.as_i64().map(|axis| vec![axis]),
    };
    axes.map(Some).ok_or_else(|| ConfigError::new("axis", "an axis, or several", &given))
}

impl Loss {
    /// A loss by Keras' name of its class or function, or by its config.
    ///
    /// # Errors
    ///
    /// [`LossError`]: what is not known, and what would need code.
    pub fn from_json(given: &Json) -> Result<Loss, LossError> {
        let (name, settings) =
            envelope::read(given, "LossFunctionWrapper").map_err(|unread| match unread {
                Unread::Custom(class) => LossError::Custom(class),
                Unread::Nameless(found) => unknown(&found),
                Unread::Settings(loss, source) => LossError::Setting { loss, source },
            })?;
        Loss::named(&name, settings)
    }

    pub(super) fn named(name: &str, settings: Map<String, Json>) -> Result<Loss, LossError> {
        let found = LOSSES.iter().find(|(class, names, _)| *class == name || names.contains(&name));
        let (class, _, read) = found.ok_or_else(|| unknown(name))?;
        let setting = |source| LossError::Setting { loss: (*class).to_owned(), source };
        let mut config = Config::new(settings).map_err(setting)?;
        config.name_null("reduction", "none");
        let reduction = config.word("reduction", Reduction::Mean, Reduction::WORDS).map_err(setting)?;
        let function = read(&mut config).map_err(setting)?;
        config.finish().map_err(setting)?;
        Ok(Loss { function, reduction })
    }

    /// Is it a number for each position, and not one for a whole sequence or batch?
    pub fn is_of_positions(&self) -> bool {
        let whole = matches!(
            self.function,
            Function::Circle(_) | Function::Ctc | Function::Dice { .. } | Function::Tversky { .. }
        );
        !whole
    }

    /// Does the loss look behind a softmax or sigmoid?
    pub fn wants_logits(&self) -> bool {
        matches!(
            self.function,
            Function::Binary(_)
                | Function::BinaryFocal { .. }
                | Function::Categorical(_)
                | Function::Sparse { .. }
                | Function::Crossentropy
        )
    }

    /// The loss over all positions.
    ///
    /// # Errors
    ///
    /// [`LossError`] if predictions, targets, mask and weights do not go together.
    pub fn value(&self, scored: &Scored) -> Result<f64, LossError> {
        let (losses, counted) = self.losses(scored)?;
        let mask = match (&scored.mask, counted) {
            (Some(mask), Some(counted)) => Some(both(&counted, mask)?),
            (mask, counted) => counted.or_else(|| mask.clone()),
        };
        reduce(losses, mask.as_ref(), scored.weights.as_ref(), self.reduction)
    }

    /// The loss of every position, and which positions the loss itself counts, if it does not count all.
    pub(super) fn losses(&self, scored: &Scored) -> Result<(ArrayD<f64>, Option<ArrayD<bool>>), LossError> {
        let (y, p) = same_rank(scored.targets.clone(), scored.predictions.clone());
        // What was reshaped is no output of an activation any more.
        let logits = scored.logits.as_ref().filter(|logits| logits.shape() == p.shape());
        let given = Given { predictions: &p, logits };
        let (y, p) = (&y, &p);
        let all = |losses: ArrayD<f64>| (losses, None);
        match &self.function {
            Function::Regression(regression) => regression.losses(y, p).map(all),
            Function::CategoricalHinge => regression::categorical_hinge(y, p).map(all),
            Function::Cosine { axis } => regression::cosine(y, p, *axis).map(all),
            Function::Divergence => regression::divergence(y, p).map(all),
            Function::Binary(options) => classes::binary(y, given, *options, None).map(all),
            Function::BinaryFocal { options, focus, balanced } => {
                classes::binary(y, given, *options, Some((focus, *balanced))).map(all)
            }
            Function::Categorical(options) => classes::categorical(y, given, *options).map(all),
            Function::CategoricalFocal { options, focus } => {
                classes::categorical_focal(y, given, *options, focus).map(all)
            }
            Function::Sparse { options, ignored } => classes::sparse(y, given, *options, *ignored),
            Function::Generalized { q } => classes::generalized(y, p, *q).map(all),
            Function::Crossentropy => crossentropy(scored).losses(scored),
            Function::Dice { axes } => regions::dice(y, p, axes).map(all),
            Function::Tversky { alpha, beta, axes } => regions::tversky(y, p, *alpha, *beta, axes).map(all),
            Function::Circle(circle) => circle.losses(y, p).map(|(losses, counted)| (losses, Some(counted))),
            Function::Ctc => ctc::losses(y, p).map(all),
        }
    }
}

/// Which crossentropy is meant: that of yes and no for one number, sparse for class numbers.
fn crossentropy(scored: &Scored) -> Loss {
    let options = Options { axis: -1, ..Options::default() };
    let (y, p) = (scored.targets.shape(), scored.predictions.shape());
    let numbers = y.len() < p.len() || y.last() == Some(&1) && p.last() != Some(&1);
    let function = match p.last() {
        None | Some(1) => Function::Binary(options),
        _ if numbers => Function::Sparse { options, ignored: None },
        _ => Function::Categorical(options),
    };
    Loss { function, reduction: Reduction::Mean }
}

impl std::str::FromStr for Loss {
    type Err = LossError;
    fn from_str(name: &str) -> Result<Loss, LossError> {
        Loss::named(name, Map::new())
    }
}

fn unknown(name: &str) -> LossError {
    let known: Vec<&str> = LOSSES.iter().map(|(class, ..)| *class).collect();
    LossError::Unknown { name: name.chars().take(60).collect(), known: known.join(", ") }
}
