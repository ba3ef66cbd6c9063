from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from cloze.sklearn import TextEmbedder

texts = ["The river flows north.", "She was elected in 1998.", "The lake is deep.", "He led the party."]
pipeline = make_pipeline(TextEmbedder(), LogisticRegression())
pipeline.fit(texts, ["nature", "politics", "nature", "politics"])
print(pipeline.predict(["The sea is cold."])[0])
