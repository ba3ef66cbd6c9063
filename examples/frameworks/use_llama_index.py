from llama_index.core import Document, VectorStoreIndex

from cloze.llama_index import ClozeEmbedding

documents = [Document(text="The river flows north."), Document(text="She was elected in 1998.")]
index = VectorStoreIndex.from_documents(documents, embed_model=ClozeEmbedding())
print(index.as_retriever(similarity_top_k=1).retrieve("Who won the election?")[0].text)
