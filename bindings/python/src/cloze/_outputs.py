"""Output requests of runs on token ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional, Union

import numpy as np

from . import _abi
from ._arrays import address, converted, integers, result_array
from ._errors import invalid
from ._info import ModelInfo
from ._options import OUTPUTS, layers, word


class OutputRequest:
    """A ``cloze_output`` and the arrays that its addresses refer to.

    places     shape of the batch's token ids: (T,) or (B, S)
    sequences  B
    """

    def __init__(
        self,
        info: ModelInfo,
        output: str,
        places: tuple[int, ...],
        sequences: int,
        layer: Union[int, Sequence[int]],
        positions: Optional[np.ndarray],
        out: Optional[np.ndarray],
    ) -> None:
        kind = word("output", output, OUTPUTS)
        wanted, single = layers(layer)
        letters = "T" if len(places) == 1 else "B, S"
        per_token = output in ("hidden", "mlm")
        if output != "hidden" and not (single and wanted[0] == -1):
            raise invalid(f"layer is {layer!r}; layer applies to output='hidden' only")
        if positions is not None and not per_token:
            raise invalid(f"positions go with output='hidden' and 'mlm'; output is {output!r}")
        self._layers = wanted if output == "hidden" else None
        self._positions = None
        if positions is not None:
            self._positions = converted("positions", integers("positions", positions, "(P,)"), np.int64)
            places, letters = self._positions.shape, "P"
        if output == "hidden":
            widths = (info.hidden_size,) if single else (wanted.size, info.hidden_size)
            shape, letters = places + widths, f"({letters}, D)" if single else f"({letters}, layers, D)"
        elif output == "mlm":
            shape, letters = (*places, info.vocab_size), f"({letters}, V)"
        elif output == "nsp":
            shape, letters = (sequences, 2), "(B, 2)"
        elif output == "classes":
            shape, letters = (sequences, len(info.labels)), "(B, C)"
        elif output == "tags":
            shape, letters = (*places, len(info.labels)), f"({letters}, C)"
        elif output == "answer":
            shape, letters = (*places, 2), f"({letters}, 2)"
        elif output == "embedding":
            shape, letters = (sequences, info.embedding_size), "(B, E)"
        else:
            shape, letters = (sequences, info.hidden_size), "(B, D)"
        #: The result array.
        self.values = result_array(out, shape, letters)
        self.struct = _abi.Output(
            kind=kind,
            layers=address(self._layers),
            layer_count=0 if self._layers is None else self._layers.size,
            positions=address(self._positions),
            position_count=0 if self._positions is None else self._positions.size,
            values=address(self.values),
            capacity=self.values.size,
        )
        #: Tokens that go through the MLM head.
        self.decoded = int(np.prod(places)) if output == "mlm" else 0
