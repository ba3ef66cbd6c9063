from langchain_core.vectorstores import InMemoryVectorStore

from cloze.langchain import ClozeEmbeddings

store = InMemoryVectorStore.from_texts(["The river flows north.", "She was elected in 1998."], ClozeEmbeddings())
print(store.similarity_search("Who won the election?", k=1)[0].page_content)
