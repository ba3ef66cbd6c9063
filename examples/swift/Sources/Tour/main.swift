// Embeddings, a masked word and a next sentence with the built-in model.
import Cloze

let session = try Session(model: Model())

func rounded(_ value: Float) -> Float { (value * 100).rounded() / 100 }

// How close is each text to the last one?
let texts: [Text] = [
  "The river flows north into the sea.", "She was elected to parliament in 1998.",
  "The band released its first album in 2003.", "他在1998年当选议员。",
]
let vectors = try session.embed(texts)
for i in 0..<3 {
  let cosine = zip(vectors[i], vectors[3]).map(*).reduce(0, +)
  print(rounded(cosine), texts[i].first)
}

for mask in try session.fillMask("台[MASK]大学") {
  print(mask.candidates.map { "\($0.token) \(rounded($0.probability))" }.joined(separator: "  "))
}

let pairs = [
  Text("He was born in London in 1850.", "His father was a doctor there."),
  Text("He was born in London in 1850.", "The enzyme catalyses the reaction of hydrogen."),
]
for (pair, answer) in zip(pairs, try session.nextSentence(pairs)) {
  print(rounded(answer.probability), pair.second ?? "")
}
