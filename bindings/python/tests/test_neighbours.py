"""Other libraries in one process, imported before and after: nothing crashes, and results are those of cloze alone."""

from __future__ import annotations

import importlib.util

import pytest

from conftest import finish

#: What a program does with each of them: enough to run their native code.
USES = {
    "google.protobuf": "from google.protobuf import struct_pb2\nstruct_pb2.Struct().SerializeToString()",
    "onnx": "import onnx\n"
            "onnx.load_from_string(onnx.helper.make_model(onnx.helper.make_graph([], 'g', [], [])).SerializeToString())",
    "onnxruntime": "import onnxruntime\nassert onnxruntime.get_available_providers()",
    "openvino": "import openvino\nassert openvino.Core().available_devices",
    "pyarrow": "import pyarrow\nassert pyarrow.array(['a', None]).null_count == 1",
    "sklearn": "from sklearn.linear_model import LogisticRegression\nLogisticRegression().fit([[0], [1]], [0, 1])",
    "tokenizers": "import tokenizers\ntokenizers.Tokenizer(tokenizers.models.WordLevel({'a': 0}, 'a')).encode('a')",
    "torch": "import torch\nassert float(torch.ones(3, 3).matmul(torch.ones(3, 3)).sum()) == 27",
}

#: Vectors, a masked word, and an error that the library's C++ part throws and catches.
CLOZE = """
import cloze
model = cloze.load()
print(model.embed(["a text", "台北"]).tobytes().hex())
print(model.fill_mask("台[MASK]大学", top_k=1)[0][0][0])
try:
    cloze.load(b"rubbish")
except cloze.Error as error:
    print(error)
"""


def there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package that would hold it is missing
        return False


@pytest.fixture(scope="module")
def alone() -> str:
    return finish(CLOZE)


@pytest.mark.parametrize("name", USES)
def test_beside_another_library(alone: str, name: str) -> None:
    if not there(name):
        pytest.skip(f"{name} is not installed")
    assert finish(f"{USES[name]}\n{CLOZE}\n{USES[name]}") == alone
    assert finish(f"{CLOZE}\n{USES[name]}\nmodel.embed(['a'])\n{USES[name]}") == alone


def test_beside_all_of_them(alone: str) -> None:
    uses = "\n".join(use for name, use in USES.items() if there(name))
    assert finish(f"{uses}\n{CLOZE}") == alone
    assert finish(f"{CLOZE}\n{uses}\nmodel.embed(['a'])") == alone
