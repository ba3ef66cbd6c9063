import ray

import cloze.ray

texts = ray.data.from_items([{"text": "The river flows north."}, {"text": "She was elected in 1998."}])
vectors = cloze.ray.embed(texts)
print(vectors.take_batch(2)["embedding"].shape)
