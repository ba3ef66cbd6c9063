"""The adapters for scikit-learn, LangChain, LlamaIndex and Chroma, with the real packages."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

import cloze
from conftest import ROOT, finish

TEXTS = [
    "The river flows north into the sea.", "She was elected to parliament in 1998.",
    "The band released its first album in 2003.", "He was born in London in 1850.",
]
QUERY = "Who won the election?"


@pytest.fixture(scope="module")
def vectors(model: cloze.Model) -> np.ndarray:
    return model.embed(TEXTS)


@pytest.fixture(scope="module")
def nearest(model: cloze.Model, vectors: np.ndarray) -> str:
    return TEXTS[int(np.argmax(vectors @ model.embed([QUERY])[0]))]


# ---- scikit-learn


def test_sklearn_pipeline_and_grid_search(vectors: np.ndarray) -> None:
    sklearn_model = pytest.importorskip("sklearn.linear_model")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline

    from cloze.sklearn import TextEmbedder

    texts, labels = TEXTS * 5, [0, 1, 1, 0] * 5
    pipeline = make_pipeline(TextEmbedder(threads=1), sklearn_model.LogisticRegression())
    search = GridSearchCV(pipeline, {"textembedder__pooling": ["mean", "cls"]}, cv=2, n_jobs=2).fit(texts, labels)
    assert search.score(texts, labels) == 1
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert np.array_equal(again.predict(TEXTS), search.predict(TEXTS))
    assert np.array_equal(TextEmbedder().fit_transform(TEXTS), vectors)


def test_sklearn_parameters_and_inputs(vectors: np.ndarray) -> None:
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.estimator_checks import check_estimator_cloneable, check_get_params_invariance

    from cloze.sklearn import TextEmbedder

    embedder = TextEmbedder(dimensions=8, normalize=True)
    check_get_params_invariance("TextEmbedder", embedder)
    check_estimator_cloneable("TextEmbedder", embedder)
    assert clone(embedder).get_params() == embedder.get_params()
    with pytest.raises(NotFittedError):
        embedder.transform(TEXTS)
    embedder.fit(TEXTS)
    assert list(embedder.get_feature_names_out())[:2] == ["textembedder0", "textembedder1"]
    assert len(embedder.get_feature_names_out()) == 8 == embedder.transform(TEXTS).shape[1]
    whole = TextEmbedder().fit(TEXTS)
    for form in (tuple(TEXTS), np.array(TEXTS), np.array(TEXTS, object), np.array(TEXTS)[:, None]):
        assert np.array_equal(whole.transform(form), vectors)
    for wrong, said in (("a text", "single text"), ([], "no texts"), (np.zeros((2, 3)), "3 columns")):
        with pytest.raises(ValueError, match=said):
            whole.transform(wrong)


def test_frames(vectors: np.ndarray) -> None:
    """pandas and polars: a column is a list of texts."""
    pytest.importorskip("sklearn")
    pandas = pytest.importorskip("pandas")
    from cloze.sklearn import TextEmbedder

    frame = pandas.DataFrame({"text": TEXTS})
    assert np.array_equal(TextEmbedder().fit_transform(frame["text"]), vectors)
    assert np.array_equal(TextEmbedder().fit_transform(frame[["text"]]), vectors)


# ---- LangChain


def test_langchain(vectors: np.ndarray, nearest: str, model: cloze.Model) -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.vectorstores import InMemoryVectorStore

    from cloze.langchain import ClozeEmbeddings

    embeddings = ClozeEmbeddings()
    assert np.array_equal(np.float32(embeddings.embed_documents(TEXTS)), vectors)
    assert np.array_equal(np.float32(embeddings.embed_query(TEXTS[0])), vectors[0])
    store = InMemoryVectorStore.from_texts(TEXTS, embeddings)
    assert store.similarity_search(QUERY, k=1)[0].page_content == nearest
    assert ClozeEmbeddings(model).model is model


# ---- LlamaIndex


def test_llama_index(vectors: np.ndarray, nearest: str, tmp_path: Path) -> None:
    core = pytest.importorskip("llama_index.core")
    from cloze.llama_index import ClozeEmbedding

    embedding = ClozeEmbedding(threads=2)
    assert np.array_equal(np.float32(embedding.get_text_embedding_batch(TEXTS)), vectors)
    index = core.VectorStoreIndex.from_documents([core.Document(text=text) for text in TEXTS], embed_model=embedding)
    assert index.as_retriever(similarity_top_k=1).retrieve(QUERY)[0].text == nearest
    index.storage_context.persist(tmp_path)
    storage = core.StorageContext.from_defaults(persist_dir=str(tmp_path))
    again = core.load_index_from_storage(storage, embed_model=embedding)
    assert again.as_retriever(similarity_top_k=1).retrieve(QUERY)[0].text == nearest


# ---- Chroma


def test_chroma(vectors: np.ndarray, nearest: str, tmp_path: Path) -> None:
    chromadb = pytest.importorskip("chromadb")
    from cloze.chroma import ClozeEmbeddingFunction

    client = chromadb.PersistentClient(str(tmp_path))
    texts = client.create_collection("texts", embedding_function=ClozeEmbeddingFunction(threads=1))
    texts.add(ids=[str(i) for i in range(len(TEXTS))], documents=TEXTS)
    assert texts.query(query_texts=[QUERY], n_results=1)["documents"] == [[nearest]]
    kept = texts.get(include=["embeddings"])["embeddings"]
    # Chroma scales vectors to length 1 once more for its cosine: a rounding of the length, and one of the quotient.
    assert np.abs(np.float32(kept) - vectors).max() <= 4 * 2.0**-24
    # Opened again, by what the collection keeps of its function.
    again = chromadb.PersistentClient(str(tmp_path)).get_collection("texts")
    assert again.query(query_texts=[QUERY], n_results=1)["documents"] == [[nearest]]
    with pytest.raises(ValueError, match="pooling is 'cls'"):
        ClozeEmbeddingFunction().validate_config_update({"path": None}, {"path": None, "pooling": "cls"})


@pytest.mark.parametrize("module", ["sklearn", "langchain", "llama_index", "chroma"])
def test_the_package_itself_needs_none_of_them(module: str) -> None:
    """Nothing is imported before it is asked for."""
    name = {"langchain": "langchain_core", "llama_index": "llama_index.core", "chroma": "chromadb"}.get(module, module)
    assert finish(f"import cloze, sys; print({name!r} in sys.modules)") == "False\n"


@pytest.mark.parametrize("number, name, package, printed", [
    (0, "sklearn", "sklearn", "nature"), (1, "langchain", "langchain_core", "She was elected in 1998."),
    (2, "llama_index", "llama_index.core", "She was elected in 1998."), (3, "chroma", "chromadb", "She was elected in 1998."),
    (4, "ray", "ray.data", "(2, 256)"), (5, "spark", "pyspark", "256"), (6, "polars", "polars", "(256,)")])
def test_programs_in_the_documentation(number: int, name: str, package: str, printed: str) -> None:
    """Each is the example of its name, and prints what it should where its package is installed."""
    programs = (ROOT / "docs" / "FRAMEWORKS.md").read_text(encoding="utf-8").split("```python\n")[1:]
    program = programs[number].split("```")[0]
    assert len(programs) == 7
    assert program == (ROOT / "examples" / "frameworks" / f"use_{name}.py").read_text(encoding="utf-8")
    pytest.importorskip(package)
    if name == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    assert finish(program) == f"{printed}\n"
