// A head that tells weather from food, trained on a few sentences with the built-in model.
import Cloze
import ClozeTraining

let sentences = [
  ("weather", "The rain stopped before noon."), ("food", "She cooked rice with beans."),
  ("weather", "A cold wind blew from the north."), ("food", "The bread came warm from the oven."),
  ("weather", "Snow fell on the mountains all night."), ("food", "They ate soup and fresh fish."),
  ("weather", "It will be sunny and dry tomorrow."), ("food", "He put sugar and milk into his tea."),
]
let data = Dataset(sentences.map { Example(.text(Text($1), label: $0)) })

let model = try Model()
let trainer = try Trainer(model: model, task: .classify)
var trained: TrainingResult?
for try await event in trainer.events(data, valid: data) {
  switch event {
  case .features(let done, let total): print("\(done) of \(total) texts encoded")
  case .step: break  // its loss, its learning rate
  case .epoch(let epoch): print("accuracy", epoch.metrics["accuracy"] ?? 0)
  case .result(let result): trained = result
  }
}

if let trained {
  let session = try Session(model: Model(model, head: trained.head))
  let texts: [Text] = ["Thunder and hail are expected.", "The cake was too sweet."]
  for (text, said) in zip(texts, try session.predict(texts)) { print(said.label ?? "", "-", text.first) }
}
