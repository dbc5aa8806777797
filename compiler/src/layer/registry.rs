//! Layers that a program brings itself.

use std::collections::BTreeMap;

use super::{Config, ConfigError, Layer};
use crate::layers;

/// What reads the settings of a layer.
pub type Parse = fn(&mut Config) -> Result<Box<dyn Layer>, ConfigError>;

/// Layers of custom classes, which a model is opened with; see [`OpenOptions`](crate::OpenOptions).
///
/// ```
/// use masque::layer::{Arguments, Config, ConfigError, Layer, Registry, Scope, ShapeError};
/// use masque_ir::Type;
/// use masque_ir::ops::OpError;
/// use masque_ir::program::Operand;
///
/// #[derive(Debug)]
/// struct Nothing;
///
/// impl Layer for Nothing {
///     fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
///         Ok(arguments.data().to_vec())
///     }
///
///     fn lower(&self, _: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
///         Ok(arguments.data().to_vec())
///     }
/// }
///
/// let registry = Registry::new().with("my_package>Nothing", |_| Ok(Box::new(Nothing)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    own: BTreeMap<String, Parse>,
}

impl Registry {
    /// No layers.
    pub fn new() -> Registry {
        Registry::default()
    }

    /// The same and a layer more, by its class as a model file has it: `package>Class`, or `module.Class` where the class
    /// was not registered in Keras. A class without a package is the class of that name in any of them, but for those that
    /// are named in full. Classes of Keras stay what they are.
    pub fn with(mut self, class: impl Into<String>, parse: Parse) -> Registry {
        self.own.insert(class.into(), parse);
        self
    }

    /// What reads the settings of a layer of that class, if it is one of these.
    pub(crate) fn find(&self, class: &str) -> Option<Parse> {
        if layers::find(class).is_some() || class.starts_with("ops.") {
            return None;
        }
        let name = class.rsplit_once(['>', '.']).map(|(_, name)| name);
        self.own.get(class).or_else(|| self.own.get(name?)).copied()
    }
}

#[cfg(test)]
mod tests;
