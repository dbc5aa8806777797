"""Writes Keras models with custom layers as plain `.keras` files, which hold only Keras' own layers and operations.

`export` calls the model once on symbolic tensors and runs the `call` of every custom layer (and `Lambda`) in place:

- *Keras' own layers* stay what they are, with the same configuration and weights; a layer called several times stays
  one layer. Models inside the model become part of it.
- *Functions of `keras.ops`* become the operation nodes that Keras' Functional models have.
- *Free weights* (`add_weight`): `matmul(x, W)`, `dot` and `tensordot` over one axis become a `Dense` without bias,
  `einsum(…, x, W)` an `EinsumDense`, `take(W, ids, axis=0)` an `Embedding`. Everything else that does not depend on the
  inputs (other weights, what is computed from weights alone, tables) becomes an array in the configuration.
- *Masks* are those that Keras gives each layer when the original runs. Where they come through Keras' own layers, they
  do so in the file too; behind a custom layer they are passed as `mask=`, a tensor of the graph.
- *Names* are those of the custom layers around and of the attribute, joined by `__`: `block_1__att`.

The file has no optimizer, losses or metrics. After writing, Keras reads it back without any custom class, and the
outputs of both models are compared on random batches with padding.
"""

from .errors import ExportError
from .save import export

__all__ = ["ExportError", "export"]
