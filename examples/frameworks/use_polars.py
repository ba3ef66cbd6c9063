import polars

import cloze

frame = polars.DataFrame({"text": ["The river flows north.", "She was elected in 1998."]})
vectors = cloze.load().embed(frame["text"].to_arrow())
frame = frame.with_columns(polars.Series("embedding", vectors))
print(frame["embedding"].dtype.shape)
