// The registry's commands, and `init`.
#include "pipeline/base/digest.hpp"
#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

std::string answer(const Project& project) {
  return answer_of(status_of(project).at("address")).at("prediction");
}

TEST(Models, ListAndShow) {
  ServingProject project;
  project.run("red", 0, "0.75");
  project.run("green", 0, "0.8");
  const Json list = project.json({"models", "ls", "--json"});
  ASSERT_EQ(list.size(), 2U);
  EXPECT_EQ(list[0].at("model"), "tiny");
  EXPECT_EQ(list[0].at("version"), 1);
  EXPECT_EQ(list[0].at("metrics"), Json::parse(R"({"accuracy": 0.75})"));
  EXPECT_EQ(list[1].at("version"), 2);
  EXPECT_EQ(list[1].at("aliases"), Json::array({"prod"}));
  EXPECT_EQ(project.json({"models", "ls", "tiny", "--json"}), list);
  const Captured shown = project.mlpipe({"models", "ls"});
  EXPECT_TRUE(has(shown.output, "tiny:1 "));
  EXPECT_TRUE(has(shown.output, "tiny:2           prod "));
  EXPECT_TRUE(has(shown.output, "accuracy 0.75"));

  const Json release = project.json({"models", "show", "tiny:1", "--json"});
  EXPECT_EQ(release, list[0]);
  EXPECT_EQ(release.at("provenance").at("params").at("color"), "red");
  EXPECT_EQ(release.at("provenance").at("pipeline"), "colors");
  EXPECT_TRUE(release.at("provenance").at("steps").contains("make"));
  EXPECT_EQ(project.json({"models", "show", "tiny@prod", "--json"}), list[1]);
  EXPECT_EQ(project.json({"models", "show", "tiny", "--json"}), list[1]);
  const Captured text = project.mlpipe({"models", "show", "tiny:1"});
  EXPECT_TRUE(has(text.output, "param      color = red\n"));
  EXPECT_TRUE(has(text.output, "metric     accuracy = "));
  EXPECT_TRUE(has(text.output, release.at("digest")));
}

TEST(Models, RollbackGoesBackAndARunLeavesItThere) {
  ServingProject project;
  project.run("red");
  project.run("green");
  project.run("blue");
  RestlessClient client(status_of(project).at("address"));
  EXPECT_EQ(project.mlpipe({"models", "rollback"}).error, "tiny@prod is tiny:2 now\n");
  EXPECT_EQ(answer(project), "green");
  EXPECT_EQ(project.json({"models", "rollback", "tiny", "--json"}).at("version"), 1);
  EXPECT_EQ(answer(project), "red");
  const Captured none_before = project.mlpipe({"models", "rollback"});
  EXPECT_TRUE(exits(none_before, 2));
  EXPECT_TRUE(has(none_before.error, "there is none to go back to"));

  // The pipeline still says blue. What was rolled back is not served again by the next run, which says so.
  const Captured run = project.run("blue");
  EXPECT_TRUE(has(run.error, "release 3 was set aside by a rollback; `mlpipe models promote tiny:3`"));
  EXPECT_EQ(answer(project), "red");
  EXPECT_EQ(project.mlpipe({"models", "promote", "tiny:3"}).error, "tiny@prod is tiny:3 now\n");
  EXPECT_EQ(answer(project), "blue");
  EXPECT_EQ(project.mlpipe({"models", "rollback", "--to", "2"}).error, "tiny@prod is tiny:2 now\n");
  EXPECT_EQ(answer(project), "green");
  EXPECT_EQ(status_of(project).at("version"), 2);
  client.stop();
  EXPECT_EQ(client.failures(), std::vector<std::string>{});
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 3U);
}

TEST(Models, RollbackOfWhatIsStoppedMovesTheAliasAlone) {
  ServingProject project;
  project.run("red");
  project.run("green");
  ASSERT_TRUE(exits(project.mlpipe({"down"}), 0));
  EXPECT_TRUE(exits(project.mlpipe({"models", "rollback"}), 0));
  EXPECT_TRUE(servers_of(project).empty());
  project.run("green");
  EXPECT_EQ(answer(project), "red");
}

TEST(Models, Export) {
  ServingProject project;
  project.run("red");
  project.run("green");
  const fs::path to = project.elsewhere() / "exported";
  EXPECT_TRUE(exits(project.mlpipe({"models", "export", "tiny:1", "--to", to.string()}), 0));
  for (const char* file : {"model.yaml", "weights.safetensors"}) {
    EXPECT_EQ(digest_of_file(to / file), digest_of_file(project.folder() / "colors" / "red" / file));
  }
  write_file_atomically(to / "model.yaml", "a copy that can be changed");
  const Captured twice = project.mlpipe({"models", "export", "tiny:2", "--to", to.string()});
  EXPECT_NE(twice.ending.exit_code, 0);
  EXPECT_TRUE(has(twice.error, to.string()));
  EXPECT_EQ(read_file(to / "model.yaml"), "a copy that can be changed");
  const Json json =
      project.json({"models", "export", "tiny@prod", "--to", (project.elsewhere() / "b").string(), "--json"});
  EXPECT_EQ(json.at("version"), 2);
  const Captured nowhere = project.mlpipe({"models", "export", "tiny"});
  EXPECT_TRUE(exits(nowhere, 2));
  EXPECT_TRUE(has(nowhere.error, "--to"));
}

TEST(Models, ALinearOneIsExportedAsC) {
  ServingProject project;
  project.run("green");
  const fs::path to = project.elsewhere() / "c";
  const std::vector<std::string> request = {"models", "export", "tiny", "--format", "c", "--to", to.string()};
  EXPECT_TRUE(exits(project.mlpipe(request), 0));
  write_file_atomically(
      to / "main.c",
      "#include <stdio.h>\nint predict(const float x[4]);\nextern const char *const labels[];\n"
      "int main(void) { const float x[4] = {1, 2, 3, 4}; puts(labels[predict(x)]); }\n");
  Command compile;
  compile.arguments = {"cc", "tiny.c", "main.c", "-o", "ask"};
  compile.work_directory = to;
  const Captured compiled = run_and_capture(compile);
  ASSERT_TRUE(compiled.ending.succeeded()) << compiled.error;
  Command ask;
  ask.arguments = {(to / "ask").string()};
  EXPECT_EQ(run_and_capture(ask).output, "green\n");
  const Captured twice = project.mlpipe(request);
  EXPECT_TRUE(exits(twice, 2));
  EXPECT_TRUE(has(twice.error, "with this name already"));
  const Captured other = project.mlpipe({"models", "export", "tiny", "--format", "rust", "--to", "x"});
  EXPECT_TRUE(exits(other, 2));
  EXPECT_TRUE(has(other.error, "the only format is c"));
}

TEST(Models, UnknownOnesAreRefused) {
  ServingProject project;
  project.run("red");
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{"models", "show", "tinny"}, "did you mean 'tiny'?"},
      {{"models", "show", "tiny:2"}, "it has 1 to 1"},
      {{"models", "show", "tiny:x"}, "tiny has no version 'x'"},
      {{"models", "show", "tiny@prd"}, "did you mean 'prod'?"},
      {{"models", "ls", "tinny"}, "did you mean 'tiny'?"},
      {{"models", "promote", "tiny:9"}, "it has 1 to 1"},
      {{"models", "promote", "tiny:1", "--alias", "prd"}, "did you mean 'prod'?"},
      {{"models", "rollback", "--to", "9"}, "it has 1 to 1"},
      {{"models", "rollback", "--to", "1"}, "tiny@prod is tiny:1 already"},
      {{"models", "export", "tinny", "--to", "x"}, "did you mean 'tiny'?"},
      {{"models"}, "mlpipe models --help"},
  };
  for (const auto& [arguments, message] : cases) {
    const Captured captured = project.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 2));
    EXPECT_TRUE(has(captured.error, message));
  }
  EXPECT_EQ(answer(project), "red");
}

TEST(Init, WritesAPipelineThatRuns) {
  Project project;
  const Captured init = project.mlpipe({"init"});
  EXPECT_TRUE(exits(init, 0));
  EXPECT_EQ(project.listing(), (std::vector<std::string>{"data", "data/iris.csv", "pipeline.yaml"}));
  EXPECT_TRUE(exits(project.mlpipe({"lint"}), 0));
  project.replace("pipeline.yaml", "target: local }", "target: local, port: 0 }");
  const Captured run = project.mlpipe({"run"});
  EXPECT_TRUE(exits(run, 0));
  EXPECT_TRUE(has(run.error, "✓ gate  accuracy >= 0.9"));
  EXPECT_TRUE(has(run.error, "✓ prod serves iris:1 at http://127.0.0.1:"));
  EXPECT_TRUE(has(project.mlpipe({"predict", "5.1,3.5,1.4,0.2"}).output, "setosa"));
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed: 1 step cached, 0 jobs run"));

  // Another learning rate is another model, which takes over; the way back costs no training.
  const Captured other = project.mlpipe({"run", "--set", "lr=0.03"});
  EXPECT_TRUE(exits(other, 0));
  EXPECT_TRUE(has(other.error, "params.lr: 0.05 → 0.03"));
  EXPECT_TRUE(has(other.error, "✓ published iris:2"));
  const Json same = project.json({"run", "--set", "lr=3e-2", "--json"});
  EXPECT_EQ(same.at("changed"), false) << "3e-2 is 0.03";
  const Json back = project.json({"run", "--json"});
  EXPECT_EQ(state_of(back, "train"), "cached");
  EXPECT_EQ(back.at("release").at("version"), 1);
  EXPECT_EQ(back.at("release").at("new"), false);
  EXPECT_EQ(status_of(project).at("version"), 1);

  const Json forced = project.json({"run", "--force", "train", "--json"});
  EXPECT_EQ(digest_of_output(forced, "train", "model"), digest_of_output(back, "train", "model"))
      << "two trainings on one machine give the same bytes";
}

TEST(Init, RefusesToOverwrite) {
  Project project;
  project.write("pipeline.yaml", "mine\n");
  const Captured captured = project.mlpipe({"init"});
  EXPECT_TRUE(exits(captured, 2));
  EXPECT_TRUE(has(captured.error, "pipeline.yaml is there already; nothing was changed"));
  EXPECT_EQ(read_file(project.folder() / "pipeline.yaml"), "mine\n");
  EXPECT_EQ(project.listing(), std::vector<std::string>{"pipeline.yaml"});
  const Captured other = project.mlpipe({"init", "new folder"});
  EXPECT_TRUE(exits(other, 0));
  EXPECT_TRUE(exits(project.mlpipe({"lint", "new folder"}), 0));
}

}  // namespace
}  // namespace mlpipe
