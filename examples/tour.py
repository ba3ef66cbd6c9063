"""Embeddings, a masked word and a next sentence with the built-in model."""
import cloze

model = cloze.load()
print(model.info.num_hidden_layers, "layers,", model.info.hidden_size, "dimensions,", model.info.precision)

# How close is each text to the question?
texts = [
    "The river flows north into the sea.",
    "She was elected to parliament in 1998.",
    "The band released its first album in 2003.",
]
question = model.embed(["他在1998年当选议员。"])[0]
for cosine, text in sorted(zip(model.embed(texts) @ question, texts), reverse=True):
    print(f"{cosine:.2f}  {text}")

for token, id, probability in model.fill_mask("The first world [MASK] began in 1914.", top_k=3)[0]:
    print(f"{probability:.2f}  {token}")

first = "He was born in London in 1850."
for second in ["His father was a doctor there.", "The enzyme catalyses the reaction of hydrogen."]:
    print(f"{model.next_sentence([(first, second)])[0]:.2f}  {second}")

# The contextual vector of every token.
hidden = model.encode(["台北是台灣的首都"])[0]
print(hidden.shape, model.tokenize("台北是台灣的首都").tokens)
