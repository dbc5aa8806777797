//! Custom layers that are described: each becomes a model inside the model, whose calls are those of its body.

mod arguments;
mod body;
mod check;
mod known;
mod settings;

use std::collections::HashMap;
use std::path::Path;

use masque_ir::described::{Description, Meaning};
use masque_ir::text::{TextError, parse_descriptions};
use serde_json::{Map, Value as Json};

use super::expression::Room;
use super::{LoadError, RawLayer, RawModel, RawTensor, opaque, read_file};
use crate::layer::{ConfigError, Registry};
use crate::layers;
pub use known::{LIBRARIES, Library};

/// How many calls may come out of descriptions within descriptions.
const LARGEST: u64 = 1 << 16;

/// How many descriptions may lie within one another.
const DEEPEST: u32 = 32;

/// A file of descriptions that says something else than it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// It is not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// It is no text of ours.
    #[error("{0}")]
    Text(#[from] TextError),
    /// A description says something that means nothing.
    #[error("the description of {class}: expected {expected}, found {found}")]
    Meaning {
        /// The class.
        class: String,
        /// What it should say.
        expected: String,
        /// What it says.
        found: String,
    },
}

/// A layer is not as its description says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsDescribed {
    /// A setting is another.
    #[error("layer `{layer}` ({class}): setting {source}")]
    Setting {
        /// The layer.
        layer: String,
        /// Its class.
        class: String,
        /// The setting.
        source: ConfigError,
    },
    /// A call passes other things.
    #[error("layer `{layer}` ({class}): expected {expected}, found {found}")]
    Call {
        /// The layer.
        layer: String,
        /// Its class.
        class: String,
        /// What its description takes.
        expected: String,
        /// What is passed.
        found: String,
    },
}

/// What a custom layer is beside the model that its body is.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Its settings.
    pub(super) settings: Map<String, Json>,
    /// Its name for what becomes of masks.
    pub(super) masks: &'static str,
    /// The tensors of the body that are the masks of its outputs.
    pub(super) given: Vec<Option<RawTensor>>,
    /// How many of its inputs are of the first argument.
    pub(super) first: usize,
}

/// What a layer comes to.
#[derive(Clone, Copy)]
struct Size {
    /// How many calls.
    calls: u64,
    /// How many descriptions within one another.
    depth: u32,
}

/// Descriptions by class.
#[derive(Clone, Debug, Default)]
pub struct Descriptions {
    described: HashMap<String, Description>,
    /// Layers that need none, and go before those that are described.
    registry: Registry,
}

impl Descriptions {
    /// No descriptions, beside layers that need none.
    pub(super) fn beside(registry: Registry) -> Descriptions {
        Descriptions { registry, ..Descriptions::default() }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Reads the descriptions of a file, in addition to those that there are.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let fail = |problem| LoadError { file: path.to_owned(), problem };
        let bytes = read_file(path).map_err(|error| fail(error.into()))?;
        self.add(&bytes).map_err(|error| fail(error.into()))?;
        Ok(bytes)
    }

    /// Adds the descriptions of a text.
    ///
    /// # Errors
    ///
    /// Those of [`DescriptionError`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), DescriptionError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DescriptionError::NotText)?;
        for description in parse_descriptions(text)? {
            check::check(&description)?;
            self.described.insert(description.class.clone(), description);
        }
        let mut sizes = HashMap::new();
        let mut classes: Vec<&Description> = self.described.values().collect();
        classes.sort_by_key(|description| &description.class);
        classes.into_iter().try_for_each(|known| self.size(known, &mut sizes, 0).map(|_| ()))
    }

    /// What a layer comes to, found `around` descriptions that have it within them. A class within itself has no size.
    fn size<'a>(
        &'a self,
        description: &'a Description,
        sizes: &mut HashMap<&'a str, Option<Size>>,
        around: u32,
    ) -> Result<Size, DescriptionError> {
        let class = description.class.as_str();
        let wrong = |expected: &str, found: String| {
            let (class, expected) = (class.to_owned(), expected.to_owned());
            Err(DescriptionError::Meaning { class, expected, found })
        };
        let mut size = Size { calls: 1, depth: 0 };
        let Meaning::Body(body) = &description.meaning else { return Ok(size) };
        match sizes.get(class) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return wrong("a body without the layer itself", format!("{class} within itself")),
            None => sizes.insert(class, None),
        };
        let deep = |depth: u32| {
            wrong(&format!("at most {DEEPEST} descriptions within one another"), depth.to_string())
        };
        if around >= DEEPEST {
            return deep(around + 1);
        }
        for call in body.graph.calls() {
            let inner = match self.find(&body.graph.layer_of(call).class) {
                Some(inner) => self.size(inner, sizes, around + 1)?,
                None => Size { calls: 1, depth: 0 },
            };
            size = Size { calls: size.calls.saturating_add(inner.calls), depth: size.depth.max(inner.depth) };
        }
        size.depth += 1;
        if size.depth > DEEPEST {
            return deep(size.depth);
        }
        if size.calls > LARGEST {
            return wrong(&format!("a body of at most {LARGEST} calls"), size.calls.to_string());
        }
        sizes.insert(class, Some(size));
        Ok(size)
    }

    /// The description of a class; one without a package is of the class in any of them. What comes with masque is
    /// behind what was added.
    fn find(&self, class: &str) -> Option<&Description> {
        if layers::find(class).is_some() || class.starts_with("ops.") || self.registry.find(class).is_some() {
            return None;
        }
        let name = class.rsplit_once(['>', '.']).map(|(_, name)| name);
        let added = self.described.get(class).or_else(|| self.described.get(name?));
        added.or_else(|| known::find(class))
    }

    /// Puts bodies in the place of all layers that are described. Those that are registered get the settings of the file.
    pub(super) fn expand(&self, model: &mut RawModel) -> Result<(), NotAsDescribed> {
        self.expand_within(model, &mut Room::new())
    }

    fn expand_within(&self, model: &mut RawModel, room: &mut Room) -> Result<(), NotAsDescribed> {
        for layer in &mut model.layers {
            if layer.nested.is_none() && self.registry.find(&layer.class).is_some() {
                layer.settings = opaque::own(&layer.settings);
            }
            let open = layer.nested.is_none() && !layers::is_described(&layer.settings);
            match self.find(&layer.class).filter(|_| open).map(|description| &description.meaning) {
                Some(Meaning::Same(class)) => {
                    layer.origin.class = Some(std::mem::replace(&mut layer.class, class.clone()));
                    layer.settings = opaque::own(&layer.settings);
                }
                Some(Meaning::Body(body)) => {
                    layer.nested = Some(Box::new(body::instance(body, layer, room)?))
                }
                None => {}
            }
            if let Some(nested) = &mut layer.nested {
                self.expand_within(nested, room)?;
            }
        }
        Ok(())
    }
}

impl NotAsDescribed {
    fn setting(layer: &RawLayer, source: ConfigError) -> NotAsDescribed {
        NotAsDescribed::Setting { layer: layer.name.clone(), class: layer.class.clone(), source }
    }

    fn call(layer: &RawLayer, (expected, found): (String, String)) -> NotAsDescribed {
        NotAsDescribed::Call { layer: layer.name.clone(), class: layer.class.clone(), expected, found }
    }
}
