// The best of a grid, or of samples, is what the model gets.
#include <algorithm>

#include "pipeline/base/file.hpp"
#include "tests/functional/serving.hpp"
#include "tests/functional/tiny_model.hpp"

namespace mlpipe {
namespace {

// The model of a combination is as accurate as its `a`, except for `worst`.
constexpr const char* grid_pipeline = R"yaml(name: tuned
steps:
  train:
    run: |
      echo train-${{ matrix.a }} >> @SIDE@/runs
      cp -r red model; echo "# ${{ matrix.a }}" >> model/model.yaml
      echo '{"accuracy": ${{ matrix.a }}, "loss": 0.5}' > metrics.json
    deps: [red]
    outs: [model]
    metrics: [metrics.json]
    matrix: { a: [0.7, 0.9, 0.8] }
model:
  name: tuned
  from: ${{ steps.train.outs.model }}
  select: best(accuracy)
  gate: accuracy >= 0.85
)yaml";

std::string released(const Project& project, const std::string& release) {
  const std::string folder = (project.elsewhere() / release).string();
  EXPECT_TRUE(exits(project.mlpipe({"models", "export", release, "--to", folder}), 0));
  const std::string text = read_file(std::filesystem::path(folder) / "model.yaml");
  return text.substr(text.rfind('#') + 2);
}

void write_grid(const Project& project) {
  write_tiny_model(project.folder() / "red", "red");
  project.pipeline(grid_pipeline);
}

TEST(Tuning, TheBestOfTheGridIsPublished) {
  Project project;
  write_grid(project);
  const Captured first = project.mlpipe({"run"});
  EXPECT_TRUE(exits(first, 0));
  EXPECT_TRUE(has(first.error, "✓ best  train[a=0.9]"));
  EXPECT_TRUE(has(first.error, "✓ published tuned:1"));
  EXPECT_EQ(released(project, "tuned:1"), "0.9\n");
  const Json release = project.json({"models", "show", "tuned:1", "--json"});
  EXPECT_EQ(release.at("metrics").at("accuracy"), 0.9);
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));

  // A better one more is published, and nothing else is trained.
  project.replace("pipeline.yaml", "[0.7, 0.9, 0.8]", "[0.7, 0.9, 0.8, 0.95]");
  EXPECT_TRUE(has(project.mlpipe({"plan"}).output, "after train"));
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "✓ best  train[a=0.95]"));
  EXPECT_EQ(released(project, "tuned:2"), "0.95\n");
  EXPECT_EQ(project.lines("runs").size(), 4U);
  // One that is no better changes nothing, and without the best one the alias goes back.
  project.replace("pipeline.yaml", "0.95]", "0.95, 0.1]");
  EXPECT_TRUE(has_not(project.mlpipe({"run"}).error, "published"));
  project.replace("pipeline.yaml", "0.95, 0.1]", "0.1]");
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "back to tuned:1"));
}

TEST(Tuning, TheGateIsForTheBest) {
  Project project;
  write_grid(project);
  project.replace("pipeline.yaml", "best(accuracy)", "best(accuracy, min)");
  const Captured captured = project.mlpipe({"run"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has(captured.error, "accuracy is 0.7, wanted >= 0.85"));
}

TEST(Tuning, OneThatFailsHoldsTheModelBack) {
  Project project;
  write_grid(project);
  project.replace("pipeline.yaml", "cp -r red", "test ${{ matrix.a }} != 0.8; cp -r red");
  const Captured captured = project.mlpipe({"run", "--keep-going"});
  EXPECT_TRUE(exits(captured, 1));
  EXPECT_TRUE(has_not(captured.error, "published"));
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 0U);
}

TEST(Tuning, MoreSamplesKeepTheFirst) {
  Project project;
  write_grid(project);
  project.replace("pipeline.yaml", "{ a: [0.7, 0.9, 0.8] }", "{ a: { uniform: [0.5, 1] }, samples: 4 }");
  project.replace("pipeline.yaml", "  gate: accuracy >= 0.85\n", "");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  const std::vector<std::string> four = project.lines("runs");
  EXPECT_EQ(four.size(), 4U);
  project.replace("pipeline.yaml", "samples: 4", "samples: 6");
  EXPECT_TRUE(exits(project.mlpipe({"run"}), 0));
  EXPECT_EQ(project.lines("runs").size(), 6U);
  std::vector<std::string> all = project.lines("runs");
  const std::string best = *std::max_element(all.begin(), all.end());
  const Json models = project.json({"models", "ls", "--json"});
  EXPECT_EQ("train-" + released(project, "tuned:" + std::to_string(models.size())), best + "\n");
}

}  // namespace
}  // namespace mlpipe
