//! Image layers that do something at random while training, and nothing at inference but turn the elements into floats,
//! if that. Where they give their very input, Keras' mask comes through; all of them warn of it.

use masque_ir::ops::OpError;
use masque_ir::program::Operand;
use masque_ir::{DType, Type};

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Effect, Layer, LayerDef, MaskRule, Scope, ShapeError,
    Signature, Supports,
};

/// A row of the registry: a class that turns elements into floats (`floats`) or not (`as_they_are`).
macro_rules! augmentations {
    ($($name:ident = $class:literal, $parse:ident;)*) => {
        $(pub(super) static $name: LayerDef = LayerDef {
            class: $class,
            supports_masking: Supports::Never,
            masks: "keep",
            parse: $parse,
        };)*
    };
}

augmentations! {
    AUG_MIX = "AugMix", floats;
    CUT_MIX = "CutMix", floats;
    EQUALIZATION = "Equalization", as_they_are;
    MAX_NUM_BOUNDING_BOXES = "MaxNumBoundingBoxes", as_they_are;
    MIX_UP = "MixUp", as_they_are;
    RAND_AUGMENT = "RandAugment", floats;
    RANDOM_BRIGHTNESS = "RandomBrightness", as_they_are;
    RANDOM_COLOR_DEGENERATION = "RandomColorDegeneration", as_they_are;
    RANDOM_COLOR_JITTER = "RandomColorJitter", as_they_are;
    RANDOM_CONTRAST = "RandomContrast", as_they_are;
    RANDOM_CROP = "RandomCrop", as_they_are;
    RANDOM_ELASTIC_TRANSFORM = "RandomElasticTransform", floats;
    RANDOM_ERASING = "RandomErasing", floats;
    RANDOM_FLIP = "RandomFlip", floats;
    RANDOM_GAUSSIAN_BLUR = "RandomGaussianBlur", floats;
    RANDOM_GRAYSCALE = "RandomGrayscale", as_they_are;
    RANDOM_HUE = "RandomHue", as_they_are;
    RANDOM_INVERT = "RandomInvert", as_they_are;
    RANDOM_PERSPECTIVE = "RandomPerspective", floats;
    RANDOM_POSTERIZATION = "RandomPosterization", as_they_are;
    RANDOM_ROTATION = "RandomRotation", floats;
    RANDOM_SATURATION = "RandomSaturation", as_they_are;
    RANDOM_SHARPNESS = "RandomSharpness", floats;
    RANDOM_SHEAR = "RandomShear", floats;
    RANDOM_TRANSLATION = "RandomTranslation", floats;
    RANDOM_ZOOM = "RandomZoom", floats;
    SOLARIZATION = "Solarization", floats;
}

/// The settings of all these classes: they speak of training alone.
const OF_TRAINING: &[&str] = &[
    "addition_factor",
    "all_ops",
    "alpha",
    "bins",
    "bounding_box_format",
    "brightness_factor",
    "chain_depth",
    "contrast_factor",
    "data_format",
    "factor",
    "fill_mode",
    "fill_value",
    "height",
    "height_factor",
    "hue_factor",
    "interpolation",
    "kernel_size",
    "max_number",
    "mode",
    "num_chains",
    "num_ops",
    "saturation_factor",
    "scale",
    "sigma",
    "threshold_factor",
    "value_range",
    "width",
    "width_factor",
    "x_factor",
    "y_factor",
];

#[derive(Debug)]
struct Augmentation {
    floats: bool,
}

fn floats(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(OF_TRAINING);
    Ok(Box::new(Augmentation { floats: true }))
}

fn as_they_are(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(OF_TRAINING);
    Ok(Box::new(Augmentation { floats: false }))
}

impl Augmentation {
    fn gives(&self, x: &Type) -> Type {
        if self.floats { x.with_dtype(DType::F32) } else { x.clone() }
    }

    /// Other elements, or an image that Keras first takes for a batch of one, are another tensor.
    fn gives_input(&self, arguments: &Arguments<Type>) -> bool {
        arguments.first().is_some_and(|x| x.rank() == 4 && self.gives(x) == *x)
    }
}

impl Layer for Augmentation {
    fn signature(&self) -> Signature {
        Signature::of(&["data", "training"])
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        match self.gives_input(arguments) {
            true => CallMasks::new(MaskRule::Keep).with_effect(Effect::GivesInputs),
            false => MaskRule::Lost.into(),
        }
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        images(arguments).map(|x| vec![self.gives(x)])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = &arguments.data()[0];
        Ok(vec![if self.floats { scope.float(x)? } else { x.clone() }])
    }
}

/// The images that a layer is called on: three axes for each, and a batch before them or not.
pub(super) fn images(arguments: &Arguments<Type>) -> Result<&Type, ShapeError> {
    let expected = "images: numbers with three axes, or four with a batch";
    match arguments.first() {
        Some(x) if x.dtype != DType::Str && matches!(x.rank(), 3 | 4) => Ok(x),
        Some(x) => Err(ShapeError::new(expected, x)),
        None => Err(ShapeError::new(expected, "none")),
    }
}
