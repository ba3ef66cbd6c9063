// cloze.h from C++17: handles in unique_ptr, statuses as exceptions, sessions in threads. Run as
// the C programs are:
// --list, or the name of one test.

#include <cloze.h>

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

// Structs cross the boundary by their bytes: no hidden padding, no surprises from the C++ compiler.
static_assert(std::is_standard_layout_v<cloze_output> && std::is_trivial_v<cloze_output>);
static_assert(std::is_same_v<cloze_status, std::int32_t>);
static_assert(offsetof(cloze_output, kind) == sizeof(std::size_t));
static_assert(offsetof(cloze_batch, input_ids) == sizeof(std::size_t) + sizeof(std::int64_t));
static_assert(sizeof(cloze_candidate) == 24);

struct Free {
  void operator()(cloze_model *model) const { cloze_model_free(model); }
  void operator()(cloze_session *session) const { cloze_session_free(session); }
  void operator()(cloze_tokenizer *tokenizer) const { cloze_tokenizer_free(tokenizer); }
};

using Model = std::unique_ptr<cloze_model, Free>;
using Session = std::unique_ptr<cloze_session, Free>;
using Tokenizer = std::unique_ptr<cloze_tokenizer, Free>;

struct Error : std::runtime_error {
  explicit Error(cloze_status status) : std::runtime_error(cloze_last_error()), status(status) {}
  cloze_status status;
};

void check(cloze_status status) {
  if (status != CLOZE_OK) throw Error(status);
}

void require(bool condition, const char *what) {
  if (!condition) throw std::logic_error(what);
}

Model load(const char *path = nullptr) {
  cloze_model *model = nullptr;
  check(cloze_model_load(path, nullptr, &model));
  return Model(model);
}

Session open(const Model &model, std::int32_t threads) {
  cloze_session_options options{};
  options.struct_size = sizeof options;
  options.threads = threads;
  cloze_session *session = nullptr;
  check(cloze_session_create(model.get(), &options, &session));
  return Session(session);
}

std::vector<float> embed(const Session &session, const std::vector<std::string> &list, int hidden_size) {
  std::vector<const char *> texts;
  std::vector<std::size_t> lengths;
  for (const auto &text : list) {
    texts.push_back(text.data());
    lengths.push_back(text.size());
  }
  cloze_texts argument{};
  argument.struct_size = sizeof argument;
  argument.count = texts.size();
  argument.texts = texts.data();
  argument.lengths = lengths.data();
  std::vector<float> values(list.size() * static_cast<std::size_t>(hidden_size));
  check(cloze_embed_texts(session.get(), &argument, nullptr, values.data(), values.size(), nullptr));
  return values;
}

void embeds() {
  const Model model = load();
  cloze_info info{};
  info.struct_size = sizeof info;
  check(cloze_model_info(model.get(), &info));
  const Session session = open(model, 0);
  const auto values =
      embed(session, {"A river in France.", "A river in Spain.", "He wrote three books."}, info.hidden_size);
  const auto cosine = [&](std::size_t a, std::size_t b) {
    const auto d = static_cast<std::size_t>(info.hidden_size);
    double sum = 0;
    for (std::size_t i = 0; i < d; i++) sum += double(values[a * d + i]) * double(values[b * d + i]);
    return sum;
  };
  require(std::abs(cosine(0, 0) - 1) < 1e-5, "an embedding has length 1");
  require(cosine(0, 1) > cosine(0, 2), "two rivers are closer than a river and books");
}

void errors_become_exceptions() {
  try {
    load("/nowhere/at/all.onnx");
  } catch (const Error &error) {
    require(error.status == CLOZE_NOT_FOUND, "status");
    require(std::strstr(error.what(), "/nowhere/at/all.onnx") != nullptr, "the message names the file");
    return;
  }
  require(false, "a missing file is an error");
}

void threads_share_a_model() {
  const Model model = load();
  const std::vector<std::string> list = {"one", "two and three", "a longer text than the other two"};
  const auto expected = embed(open(model, 1), list, 256);
  std::vector<int> same(4, 0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < same.size(); i++) {
    threads.emplace_back([&, i] {
      const Session session = open(model, 1 + static_cast<std::int32_t>(i % 2));
      for (int turn = 0; turn < 10; turn++) same[i] += embed(session, list, 256) == expected;
    });
  }
  for (auto &thread : threads) thread.join();
  for (int count : same) require(count == 10, "every run on every thread gives the same bytes");
}

void outlives_its_model() {
  Session session;
  Tokenizer tokenizer;
  {
    const Model model = load();
    session = open(model, 1);
    cloze_tokenizer *own = nullptr;
    check(cloze_model_tokenizer(model.get(), &own));
    tokenizer.reset(own);
  }
  require(embed(session, {"text"}, 256).size() == 256, "the session keeps its model alive");
  require(cloze_tokenizer_id(tokenizer.get(), "[MASK]") == 4, "so does the tokenizer its vocabulary");
}

const std::map<std::string, std::function<void()>> tests = {
    {"embeds", embeds},
    {"errors_become_exceptions", errors_become_exceptions},
    {"threads_share_a_model", threads_share_a_model},
    {"outlives_its_model", outlives_its_model},
};

}  // namespace

int main(int argc, char **argv) {
  const std::string wanted = argc == 2 ? argv[1] : "";
  if (wanted == "--list") {
    for (const auto &test : tests) std::puts(test.first.c_str());
    return 0;
  }
  const auto test = tests.find(wanted);
  if (test == tests.end()) return 64;
  try {
    test->second();
  } catch (const std::exception &failure) {
    std::printf("%s\n", failure.what());
    return 1;
  }
  return 0;
}
