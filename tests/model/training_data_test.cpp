#include "pipeline/model/training_data.hpp"

#include <gtest/gtest.h>

namespace mlpipe {
namespace {

struct Outcome {
  TrainingData data;
  std::vector<Diagnostic> faults;
};

Outcome read(const std::string& text, Task task = Task::classification) {
  const YamlDocument document = parse_yaml("data.yaml", text);
  Diagnostics diagnostics(document);
  Outcome outcome;
  check_schema(training_data_schema(), document.root, diagnostics);
  if (diagnostics.empty()) {
    outcome.data = read_training_data(document.root, task, diagnostics);
  }
  try {
    diagnostics.throw_if_any();
  } catch (const SpecError& error) {
    outcome.faults = error.diagnostics();
  }
  return outcome;
}

TrainingData good(const std::string& text, Task task = Task::classification) {
  const Outcome outcome = read(text, task);
  EXPECT_TRUE(outcome.faults.empty()) << text << ": " << outcome.faults.front().message;
  return outcome.data;
}

std::string first_fault(const std::string& text, Task task = Task::classification) {
  const Outcome outcome = read(text, task);
  return outcome.faults.empty() ? "" : outcome.faults.front().message + "\n" + outcome.faults.front().hint;
}

using Names = std::vector<std::string>;

TEST(TrainingData, ReadsWhatATableMaySay) {
  const TrainingData data = good(
      "csv: { train: a.csv, test: b.csv }\ntarget: price\ndrop: [id, note]\ncategorical: [zip]\nmissing: "
      "mean\n"
      "workers: 3\nmemory: 64Mi\n");
  const auto& source = std::get<CsvSource>(data.source);
  EXPECT_EQ(source.file, "a.csv");
  EXPECT_EQ(source.test, "b.csv");
  EXPECT_EQ(source.targets, Names{"price"});
  EXPECT_EQ(source.drop, (Names{"id", "note"}));
  EXPECT_EQ(source.categorical, Names{"zip"});
  EXPECT_EQ(source.missing, MissingValues::mean);
  EXPECT_EQ(data.workers, 3);
  EXPECT_EQ(data.memory, std::uint64_t{64} << 20U);
  const TrainingData plain = good("{ csv: a.csv, target: x }");
  EXPECT_EQ(std::get<CsvSource>(plain.source).missing, MissingValues::refuse);
  EXPECT_FALSE(plain.workers);
  EXPECT_FALSE(plain.memory);
}

TEST(TrainingData, ARegressionMayHaveSeveralTargets) {
  EXPECT_EQ(std::get<CsvSource>(good("{ csv: a, target: [x, y] }", Task::regression).source).targets,
            (Names{"x", "y"}));
  EXPECT_NE(
      first_fault("{ csv: a, target: [x, y] }").find("classification is about one label, and target names 2"),
      std::string::npos);
  EXPECT_NE(first_fault("{ csv: a, target: [] }", Task::regression).find("names no column"),
            std::string::npos);
}

TEST(TrainingData, ReadsWhatAFolderMaySay) {
  const TrainingData data = good(
      "folder: images\nresize: [32, 48]\nchannels: 1\nskip-bad: 2\nper-channel: true\n"
      "augment: { flip: both, crop: 4 }\n");
  const auto& source = std::get<FolderSource>(data.source);
  EXPECT_EQ(source.folder, "images");
  EXPECT_EQ(source.resize, (ImageSize{32, 48}));
  EXPECT_EQ(source.channels, 1);
  EXPECT_EQ(source.skip_bad, 2U);
  EXPECT_TRUE(data.per_channel);
  ASSERT_TRUE(data.augment);
  EXPECT_TRUE(data.augment->flip_horizontal);
  EXPECT_TRUE(data.augment->flip_vertical);
  EXPECT_EQ(data.augment->crop, 4);
  EXPECT_FALSE(good("{ folder: images, augment: { flip: horizontal } }").augment->flip_vertical);
  EXPECT_EQ(std::get<FolderSource>(good("{ folder: { train: a, test: b } }").source).test, "b");
}

TEST(TrainingData, ReadsASplit) {
  const TrainingData data = good("{ csv: a, target: x, split: { test: 0.25, seed: 7, stratify: false } }");
  EXPECT_EQ(data.split->test, 0.25);
  EXPECT_EQ(data.split->seed, 7U);
  EXPECT_FALSE(data.split->stratify);
  EXPECT_EQ(good("{ csv: a, target: x, split: { by: part } }").split->by, "part");
}

TEST(TrainingData, AFileSaysItsKind) {
  EXPECT_EQ(std::get<SafetensorsSource>(good("a.safetensors").source).file, "a.safetensors");
  EXPECT_EQ(std::get<NpzSource>(good("a.npz").source).file, "a.npz");
  EXPECT_EQ(std::get<SafetensorsSource>(good("{ safetensors: { file: a, images: x } }").source).images, "x");
}

TEST(TrainingData, RefusesWhatDoesNotGoTogether) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"{ folder: a, target: x }", "target is for data from csv, and this comes from folder"},
      {"{ npz: a, missing: zero }", "missing is for data from csv, and this comes from npz"},
      {"{ csv: a, target: x, resize: [1, 2] }", "resize is for data from folder, and this comes from csv"},
      {"{ csv: a, target: x, drop: [x] }", "the column 'x' is named twice"},
      {"{ csv: a, target: x, split: { by: x } }", "the column 'x' is named twice"},
      {"{ csv: a, target: x, split: { by: p, seed: 1 } }", "the column says which examples are held out"},
      {"{ npz: a, split: { by: p } }", "by names a column of a CSV file"},
      {"{ csv: { train: a, test: b }, target: x, split: {} }", "test part of its own"},
      {"{ folder: { train: a, test: b }, split: {} }", "test part of its own"},
      {"{ folder: a, resize: [1] }", "resize takes two sizes"},
      {"{ folder: a, channels: 2 }", "2"},
      {"{ folder: a, augment: {} }", "neither flip nor crop"},
      {"{ csv: a, target: x, memory: much }", "'much' is no amount of memory"},
      {"{ csv: a, folder: b, target: x }", "names several"},
      {"a.csv", "no .npz or .safetensors file"},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_NE(first_fault(text).find(expected), std::string::npos) << text << "\ngot: " << first_fault(text);
  }
  EXPECT_NE(first_fault("{ folder: a }", Task::regression).find("the folder of an image is its label"),
            std::string::npos);
  EXPECT_NE(first_fault("{ npz: a, split: { stratify: true } }", Task::regression).find("no labels to keep"),
            std::string::npos);
}

TEST(TrainingData, ExpressionsPassUntilTheyHaveValues) {
  EXPECT_TRUE(
      read("{ csv: \"${{ a }}\", target: \"${{ b }}\", drop: [\"${{ b }}\"], memory: \"${{ c }}\", split: "
           "{ by: \"${{ d }}\" } }")
          .faults.empty());
  EXPECT_TRUE(
      read("{ folder: \"${{ a }}\", resize: [\"${{ b }}\", 2], skip-bad: \"${{ c }}\" }").faults.empty());
}

}  // namespace
}  // namespace mlpipe
