//! Where a model's weights come from: datasets of Keras' weights files, vocabularies of assets and settings.

mod cudnn;
mod files;
mod groups;
mod older;
mod positions;
mod quantized;
mod vocabulary;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use masque_ir::DType;
use masque_runtime::Tensor;
use ndarray::ArrayD;

use super::RawModel;
use super::hdf5::WeightsError;
use crate::layer::{WeightPlace, WeightSpec};
use files::Files;
use groups::Groups;
pub(super) use groups::groups;
pub(super) use positions::{Unit, units};
pub(super) use vocabulary::Vocabulary;
use vocabulary::{WITH_VOCABULARY, padded, tokens};

/// The weights do not fit the layers.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    /// There are none.
    #[error("the model came without weights{looked_for}: masks, dumps and checks work, running does not")]
    NoWeights {
        /// In words: the files that would have them; empty where there can be none.
        looked_for: String,
    },
    /// The weights file, or a dataset of it, is not as it should be.
    #[error("{0}")]
    File(Box<WeightsError>),
    /// A weight that was given is not what its layer needs.
    #[error("weight `{weight}`: expected {expected}, found {found}")]
    Given {
        /// The weight.
        weight: String,
        /// Its type.
        expected: String,
        /// The type of what was given.
        found: String,
    },
    /// One dataset is not what its layer needs.
    #[error("layer `{layer}`, weight `{weight}`: {source}")]
    Dataset {
        /// The layer.
        layer: String,
        /// The layer's name of the weight.
        weight: String,
        /// What is wrong.
        source: Box<WeightsError>,
    },
    /// A dataset that no weight of its layer is.
    #[error(
        "layer `{layer}`: the weights file has a dataset `{dataset}` that belongs to no weight of this layer"
    )]
    Surplus {
        /// The layer.
        layer: String,
        /// The dataset.
        dataset: String,
    },
    /// A file in the order of layers has other layers.
    #[error("the weights file is not of this model: expected weights of {expected} layers, found {found}")]
    Layers {
        /// The layers of the model that have weights.
        expected: String,
        /// Those of the file.
        found: String,
    },
    /// A layer of a file in the order of layers has another number of weights.
    #[error("layer `{layer}`: expected {expected} weights in the weights file, found {found}")]
    Number {
        /// The layer.
        layer: String,
        /// How many it needs.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// The layer has no vocabulary, or a damaged one.
    #[error("layer `{layer}`: vocabulary: expected {expected}, found {found}")]
    Vocabulary {
        /// The layer, or the asset.
        layer: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// Where a model's weights come from; they are read when they are asked for.
#[derive(Default)]
pub struct WeightSource {
    layout: Layout,
    vocabularies: HashMap<String, Vocabulary>,
    /// The size of the archive that the files came in, if they did.
    carrier: Option<u64>,
}

/// How the files are laid out.
enum Layout {
    /// There are none, though these files would have had them.
    Nothing(Vec<PathBuf>),
    /// A group for each layer: the files, and the groups by layer.
    Groups(Vec<Arc<[u8]>>, Groups),
    /// The layers in order, below a group of the file.
    Positions(Arc<[u8]>, String, Vec<Unit>),
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::Nothing(vec![])
    }
}

impl WeightSource {
    /// A model without weights.
    pub fn none() -> WeightSource {
        WeightSource::default()
    }

    /// A model whose weights are in none of the files where they were looked for.
    pub(super) fn missing(looked_for: Vec<PathBuf>) -> WeightSource {
        WeightSource { layout: Layout::Nothing(looked_for), ..Default::default() }
    }

    fn no_weights(&self) -> WeightError {
        let looked_for = match &self.layout {
            Layout::Nothing(files) if !files.is_empty() => {
                let names = files.iter().filter_map(|file| file.file_name()?.to_str());
                let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
                format!(" (there is no {} beside it, and --weights names none)", names.join(" or "))
            }
            _ => String::new(),
        };
        WeightError::NoWeights { looked_for }
    }

    /// Files with a group for each layer.
    pub(super) fn by_group(files: Vec<Arc<[u8]>>, model: &RawModel) -> WeightSource {
        WeightSource { layout: Layout::Groups(files, Groups::of(model)), ..Default::default() }
    }

    /// A file with the layers in order, below a group.
    pub(super) fn by_position(file: Arc<[u8]>, root: &str, units: Vec<Unit>) -> WeightSource {
        WeightSource { layout: Layout::Positions(file, root.to_owned(), units), ..Default::default() }
    }

    /// The same, out of an archive of so many bytes.
    pub(super) fn carried_in(self, carrier: Option<u64>) -> WeightSource {
        WeightSource { carrier, ..self }
    }

    /// Adds a layer's vocabulary.
    pub(super) fn learn(&mut self, layer: &str, vocabulary: Vocabulary) {
        self.vocabularies.insert(layer.to_owned(), vocabulary);
    }

    /// Adds the vocabularies that stand in the layers' settings.
    pub(super) fn learn_from_settings(&mut self, raw: &RawModel) -> Result<(), WeightError> {
        for layer in raw.layers.iter().filter(|layer| WITH_VOCABULARY.contains(&layer.class.as_str())) {
            if let Some(vocabulary) = Vocabulary::from_settings(layer)? {
                self.vocabularies.insert(layer.name.clone(), vocabulary);
            }
        }
        Ok(())
    }

    /// Reads the weights of all layers: by layer, what each asked for.
    ///
    /// # Errors
    ///
    /// Those of [`WeightError`]: a weight that is missing, has another shape, or belongs to nobody.
    pub fn load<'a>(
        &self,
        layers: impl Iterator<Item = (&'a str, &'a [WeightSpec])>,
    ) -> Result<BTreeMap<String, Tensor>, WeightError> {
        let wanted: Vec<(&str, &[WeightSpec])> = layers.filter(|(_, specs)| !specs.is_empty()).collect();
        let datasets = wanted.iter().flat_map(|(_, specs)| specs.iter());
        let needs_file = datasets.into_iter().any(|spec| spec.place.is_dataset());
        let open = |files: &[Arc<[u8]>]| {
            Files::open(files, self.carrier).map_err(|error| WeightError::File(Box::new(error)))
        };
        let mut found =
            Found { files: None, groups: None, places: HashMap::new(), written: older::Written::default() };
        match &self.layout {
            Layout::Nothing(_) if needs_file => return Err(self.no_weights()),
            Layout::Nothing(_) => {}
            Layout::Groups(files, groups) => {
                let files = open(files)?;
                groups.check_bodies(&files)?;
                found.files = Some(files);
                found.groups = Some(&groups.by_layer);
            }
            Layout::Positions(file, root, units) => {
                let files = open(std::slice::from_ref(file))?;
                found.written =
                    older::Written::of(&files).map_err(|error| WeightError::File(Box::new(error)))?;
                found.places = positions::places(&files, root, units, &wanted.iter().copied().collect())?;
                found.files = Some(files);
            }
        }
        let mut loaded = BTreeMap::new();
        for (layer, specs) in wanted {
            for spec in specs {
                let tensor = match (&spec.place, &found.files) {
                    (place, Some(files)) if place.is_dataset() => found.read(files, layer, specs, spec)?,
                    _ => self.learned(layer, spec, &found)?,
                };
                loaded.insert(format!("{layer}/{}", spec.name), tensor);
            }
            if let (Some(files), Some(groups)) = (&found.files, found.groups) {
                groups::check_surplus(files, layer, specs, groups.get(layer).map_or("", String::as_str))?;
            }
        }
        Ok(loaded)
    }

    /// What does not stand in a dataset: texts of the settings, or a part of the layer's vocabulary.
    fn learned(&self, layer: &str, spec: &WeightSpec, found: &Found<'_>) -> Result<Tensor, WeightError> {
        let vocabulary = || self.vocabularies.get(layer).ok_or_else(|| self.no_weights());
        match &spec.place {
            WeightPlace::Words(words) => tokens(layer, spec, words.clone()),
            WeightPlace::Vocabulary { special, first } => {
                let own = vocabulary()?.own(special);
                let mut known: HashSet<&String> = first.iter().collect();
                if let Some(again) = own.iter().find(|&token| !known.insert(token)) {
                    return Err(WeightError::Vocabulary {
                        layer: layer.to_owned(),
                        expected: "every token once, and none that is special".into(),
                        found: format!("{} again", masque_runtime::quote::quoted(again)),
                    });
                }
                tokens(layer, spec, first.iter().chain(own).cloned().collect())
            }
            WeightPlace::IdfWeights { special } => {
                let stored = format!("{}/vars/idf_weights", found.group(layer));
                let weights = match (vocabulary()?.frequencies(special), &found.files) {
                    (Some(given), _) => given,
                    (None, Some(files)) if files.has_dataset(&stored) => {
                        numbers(files, layer, spec, &stored)?
                    }
                    _ => return Err(self.no_weights()),
                };
                padded(layer, spec, weights)
            }
            WeightPlace::Dataset(_) | WeightPlace::Renamed { .. } => Err(self.no_weights()),
        }
    }
}

/// What a load found out before it reads.
struct Found<'a> {
    files: Option<Files>,
    /// The groups by layer, if the files have a group for each.
    groups: Option<&'a HashMap<String, String>>,
    /// The datasets by layer and weight, if they have not.
    places: positions::Places,
    /// By what the file was written, where the datasets are found by position.
    written: older::Written,
}

impl Found<'_> {
    fn group(&self, layer: &str) -> &str {
        self.groups.and_then(|groups| groups.get(layer)).map_or("", String::as_str)
    }

    /// The dataset that holds a weight: under its present name, unless the file has it under an older one.
    fn path(&self, files: &Files, layer: &str, spec: &WeightSpec) -> String {
        match self.groups {
            Some(_) => {
                let names: Vec<&str> = spec.place.datasets().collect();
                let path = |name: &str| match name {
                    "" => self.group(layer).to_owned(),
                    name => format!("{}/{name}", self.group(layer)),
                };
                let there = |name: &str| files.has_dataset(&path(name));
                match names.as_slice() {
                    [now, older @ ..] => path(older.iter().find(|name| there(name)).unwrap_or(now)),
                    [] => path(&spec.name),
                }
            }
            None => {
                let place = (layer.to_owned(), spec.name.clone());
                let first = self.places.get(&place).and_then(|paths| paths.first());
                first.cloned().unwrap_or_else(|| format!("{layer}/{}", spec.name))
            }
        }
    }

    fn read(
        &self,
        files: &Files,
        layer: &str,
        specs: &[WeightSpec],
        spec: &WeightSpec,
    ) -> Result<Tensor, WeightError> {
        let path = self.path(files, layer, spec);
        let wanted = shape(spec);
        let tensor = match self.cudnn_units(files, layer, specs, spec) {
            Some((part, units)) => {
                let tensor = files.read(&path).map_err(dataset_error(layer, spec))?;
                let found = tensor.shape().to_vec();
                let converted = cudnn::converted(part, tensor, &wanted, units);
                converted.ok_or_else(|| {
                    dataset_error(layer, spec)(WeightsError::Shape { path, expected: wanted, found })
                })?
            }
            None if self.groups.is_none() => {
                let place = (layer.to_owned(), spec.name.clone());
                let paths = self.places.get(&place).cloned().unwrap_or_else(|| vec![path]);
                older::read(files, &paths, spec, self.written).map_err(dataset_error(layer, spec))?
            }
            None => {
                let tensor = files.read_expected(&path, &wanted).map_err(dataset_error(layer, spec))?;
                match &spec.scales {
                    Some(scales) => quantized::dequantized(files, &path, scales, tensor)
                        .map_err(dataset_error(layer, spec))?,
                    None => tensor,
                }
            }
        };
        Ok(match spec.ty.dtype {
            DType::F32 => Tensor::F32(to_f32(tensor)),
            _ => tensor,
        })
    }

    /// Which part of a layer made for NVIDIA's cards a weight is, and the units of that layer, if it is one.
    fn cudnn_units(
        &self,
        files: &Files,
        layer: &str,
        specs: &[WeightSpec],
        spec: &WeightSpec,
    ) -> Option<(cudnn::Part, usize)> {
        if self.groups.is_some() {
            return None;
        }
        let (part, prefix) =
            (cudnn::part(&spec.name)?, spec.name.rsplit_once('/').map_or("", |(prefix, _)| prefix));
        let sibling = |name: &str| {
            let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            specs.iter().find(|spec| spec.name == name)
        };
        let (bias, recurrent) = (sibling("bias")?, sibling("recurrent_kernel")?);
        let stored = files.shape(&self.path(files, layer, bias)).ok()?;
        cudnn::is_bias(&stored, &shape(bias)).then(|| (part, shape(recurrent).first().copied().unwrap_or(0)))
    }
}

fn shape(spec: &WeightSpec) -> Vec<usize> {
    let sizes = spec.ty.shape.iter().map(|dim| dim.known().and_then(|size| usize::try_from(size).ok()));
    sizes.map(|size| size.unwrap_or(0)).collect()
}

fn dataset_error<'a>(layer: &'a str, spec: &'a WeightSpec) -> impl Fn(WeightsError) -> WeightError + use<'a> {
    |source| WeightError::Dataset {
        layer: layer.to_owned(),
        weight: spec.name.clone(),
        source: Box::new(source),
    }
}

fn numbers(files: &Files, layer: &str, spec: &WeightSpec, path: &str) -> Result<Vec<f32>, WeightError> {
    let tensor = files.read(path).map_err(dataset_error(layer, spec))?;
    Ok(to_f32(tensor).iter().copied().collect())
}

fn to_f32(tensor: Tensor) -> ArrayD<f32> {
    match tensor {
        Tensor::F32(array) => array,
        Tensor::F64(array) => array.mapv(|x| x as f32),
        Tensor::I32(array) => array.mapv(|x| x as f32),
        Tensor::I64(array) => array.mapv(|x| x as f32),
        Tensor::Bool(array) => array.mapv(|x| f32::from(u8::from(x))),
        Tensor::Str(array) => ArrayD::zeros(array.raw_dim()),
    }
}
