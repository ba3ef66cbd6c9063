import chromadb

from cloze.chroma import ClozeEmbeddingFunction

client = chromadb.EphemeralClient()
texts = client.create_collection("texts", embedding_function=ClozeEmbeddingFunction())
texts.add(ids=["1", "2"], documents=["The river flows north.", "She was elected in 1998."])
print(texts.query(query_texts=["Who won the election?"], n_results=1)["documents"][0][0])
