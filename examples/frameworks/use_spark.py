from collections.abc import Iterator

import pyarrow
from pyspark.sql import SparkSession


def embedded(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    from cloze.ray import Embedder  # needs Ray only inside of Ray

    embedder = Embedder(threads=1)
    for batch in batches:
        yield from embedder(pyarrow.Table.from_batches([batch])).to_batches()


spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
texts = spark.createDataFrame([("The river flows north.",), ("She was elected in 1998.",)], "text string")
vectors = texts.mapInArrow(embedded, "text string, embedding array<float>")
print(len(vectors.collect()[0]["embedding"]))
