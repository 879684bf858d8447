// What works on a deployment: status, logs, predict, down.
#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

TEST(Serving, NothingIsDeployedYet) {
  ServingProject project;
  for (const Arguments& arguments :
       std::vector<Arguments>{{"status"}, {"down"}, {"predict", "1"}, {"logs", "make"}, {"models", "ls"}}) {
    const Captured captured = project.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 2)) << arguments.front();
    EXPECT_TRUE(has(captured.error, "there is no store here")) << arguments.front();
  }
  EXPECT_FALSE(std::filesystem::exists(project.store()));
  ASSERT_TRUE(exits(project.mlpipe({"run", "--until", "make"}), 0));
  EXPECT_TRUE(has(project.mlpipe({"status"}).output, "nothing has been deployed from this store"));
  EXPECT_EQ(project.json({"status", "--json"}), Json::array());
  EXPECT_TRUE(exits(project.mlpipe({"predict", "1"}), 2));
  const Captured down = project.mlpipe({"down"});
  EXPECT_TRUE(exits(down, 0));
  EXPECT_TRUE(has(down.error, "nothing has been deployed from this store"));
}

TEST(Serving, StatusAndDown) {
  ServingProject project;
  project.run("red");
  const Json status = status_of(project);
  EXPECT_EQ(status.at("alias"), "prod");
  EXPECT_EQ(status.at("model"), "tiny");
  EXPECT_EQ(status.at("version"), 1);
  EXPECT_EQ(status.at("running"), true);
  EXPECT_EQ(status.at("phase"), "serving");
  EXPECT_TRUE(has(project.mlpipe({"status"}).output,
                  "prod  tiny:1  serving at " + status.at("address").get<std::string>()));

  const Captured down = project.mlpipe({"down"});
  EXPECT_TRUE(exits(down, 0));
  EXPECT_EQ(down.error, "prod stopped\n");
  EXPECT_TRUE(servers_of(project).empty());
  EXPECT_THROW(answer_of(status.at("address")), std::runtime_error);
  EXPECT_TRUE(has(project.mlpipe({"status"}).output, "prod  tiny:1  stopped"));
  EXPECT_EQ(status_of(project).at("running"), false);
  const Captured predict = project.mlpipe({"predict", "1,2,3,4"});
  EXPECT_TRUE(exits(predict, 1));
  EXPECT_TRUE(has(predict.error, "prod is not running"));
  const Json again = project.json({"down", "--json"});
  EXPECT_EQ(again, Json::parse(R"([{"alias": "prod", "model": "tiny", "was_running": false}])"));

  // What was stopped by hand starts again by a run, which has no job to do for it.
  project.run("red");
  EXPECT_EQ(project.runs("make"), 1U);
  EXPECT_EQ(answer_of(status_of(project).at("address")).at("prediction"), "red");
}

TEST(Serving, DownFromAnywhere) {
  ServingProject project;
  const std::string store = project.store().string();
  const std::string file = (project.folder() / "pipeline.yaml").string();
  std::filesystem::create_directories(project.folder() / "sub" / "folder");
  const auto expect_down = [&](const Captured& captured) {
    EXPECT_TRUE(exits(captured, 0));
    EXPECT_EQ(captured.error, "prod stopped\n");
    EXPECT_TRUE(servers_of(project).empty());
  };
  project.run("red");
  EXPECT_TRUE(exits(project.mlpipe_in(project.elsewhere(), {"down"}), 2));
  EXPECT_EQ(servers_of(project).size(), 1U);
  expect_down(project.mlpipe_in(project.folder() / "sub" / "folder", {"down"}));
  project.run("red");
  expect_down(project.mlpipe_in(project.elsewhere(), {"down", file}));
  project.run("red");
  expect_down(project.mlpipe_in(project.elsewhere(), {"down", project.folder().string()}));
  project.run("red");
  expect_down(project.mlpipe_in(project.elsewhere(), {"down", "--store", store}));
  project.run("red");
  Command command = project.command({"down"});
  command.environment->emplace("MLPIPE_STORE", store);
  command.work_directory = project.elsewhere();
  expect_down(run_and_capture(command));
  EXPECT_EQ(project.runs("make"), 1U);
}

TEST(Serving, DownTakesTheFileOption) {
  ServingProject project;
  project.run("red");
  const Captured down = project.mlpipe_in(project.elsewhere(),
                                          {"down", "--file", (project.folder() / "pipeline.yaml").string()});
  EXPECT_TRUE(exits(down, 0));
  EXPECT_TRUE(servers_of(project).empty());
}

TEST(Serving, DownStopsThePipelineWhoseFileIsGone) {
  ServingProject project;
  project.run("red");
  std::filesystem::remove(project.folder() / "pipeline.yaml");
  EXPECT_TRUE(exits(project.mlpipe({"down"}), 0));
  EXPECT_TRUE(servers_of(project).empty());
}

TEST(Serving, Predict) {
  ServingProject project;
  project.run("green");
  const std::string expected = "green  (100.0 %)\n";
  EXPECT_EQ(project.mlpipe({"predict", "1,2,3,4"}).output, expected);
  EXPECT_EQ(project.mlpipe({"predict", " 1, -2.5 ,3e-1,4\n"}).output, expected);
  EXPECT_EQ(project.mlpipe({"predict", "[1,2,3,4]"}).output, expected);
  EXPECT_EQ(project.mlpipe({"predict", R"({"data": [1,2,3,4]})"}).output, expected);
  EXPECT_EQ(project.mlpipe({"predict", "[[1,2,3,4],[5,6,7,8]]"}).output, expected + expected);
  EXPECT_EQ(project.mlpipe({"predict", "-"}, "1,2,3,4\n").output, expected);
  project.write("example.json", "[1,2,3,4]\n");
  EXPECT_EQ(project.mlpipe({"predict", "@example.json"}).output, expected);
  const Captured elsewhere = project.mlpipe_in(
      project.elsewhere(), {"predict", "1,2,3,4", "--file", (project.folder() / "pipeline.yaml").string()});
  EXPECT_EQ(elsewhere.output, expected);
  EXPECT_EQ(project.mlpipe({"predict", "--", "-1,2,3,4"}).output, expected);

  const Json json = project.json({"predict", "1,2,3,4", "--json"});
  EXPECT_EQ(json.at("prediction"), "green");
  EXPECT_EQ(json.at("model"), "tiny");
  EXPECT_GT(json.at("scores").at("green"), 0.99);
  EXPECT_EQ(project.json({"predict", "[[1,2,3,4]]", "--json"}).at("predictions").size(), 1U);
}

TEST(Serving, PredictRefusesWhatIsWrong) {
  ServingProject project;
  project.run("green");
  const std::vector<std::pair<Arguments, std::string>> cases = {
      {{"predict", "1,2,3"}, "an example has 4 numbers"},
      {{"predict", "red"}, "data[0]: it is a text, not a number"},
      {{"predict", "{red"}, "neither JSON nor comma-separated values"},
      {{"predict", ""}, ""},
      {{"predict", R"({"dat": [1,2,3,4]})"}, "dat"},
      {{"predict", R"([1,2,3,"4"])"}, "data[3]"},
      {{"predict", "@missing.json"}, "missing.json"},
      {{"predict", "1,2,3,4", "--alias", "prd"}, "did you mean 'prod'?"},
      {{"predict"}, "DATA"},
  };
  for (const auto& [arguments, message] : cases) {
    const Captured captured = project.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 2));
    EXPECT_TRUE(has(captured.error, message));
    EXPECT_EQ(captured.output, "");
  }
  EXPECT_EQ(answer_of(status_of(project).at("address")).at("prediction"), "green");
}

TEST(Serving, LogsOfAStepThatRunsAndOfTheDeployment) {
  ServingProject project;
  project.replace("pipeline.yaml", "cp -r colors",
                  "echo begun; while [ ! -e @SIDE@/go ]; do sleep 0.02; done; echo done\n      cp -r colors");
  Background run = project.start({"run"});
  wait_until("the step has begun", [&] { return run.error().find("make | begun\n") != std::string::npos; });
  EXPECT_EQ(project.mlpipe({"logs", "make"}).output, "begun\n");
  Background logs = project.start({"logs", "-F", "make"});
  project.touch_side("go");
  EXPECT_TRUE(exits(run.wait(), 0));
  const Captured followed = logs.wait();
  EXPECT_TRUE(exits(followed, 0));
  EXPECT_EQ(followed.output, "begun\ndone\n");
  EXPECT_EQ(project.mlpipe({"logs", "make"}).output, "begun\ndone\n");
  EXPECT_EQ(project.json({"logs", "make", "--json"}).at("text"), "begun\ndone\n");
  EXPECT_EQ(project.mlpipe({"logs", "-F", "make"}).output, "begun\ndone\n");

  EXPECT_TRUE(has(project.mlpipe({"logs", "prod"}).output, status_of(project).at("address")));
  EXPECT_EQ(project.json({"logs", "prod", "--json"}).at("of"), "prod");
  Background follow = project.start({"logs", "-F", "prod"});
  EXPECT_TRUE(exits(project.mlpipe({"down"}), 0));
  EXPECT_TRUE(exits(follow.wait(), 0));
  const Captured unknown = project.mlpipe({"logs", "mkae"});
  EXPECT_TRUE(exits(unknown, 2));
  EXPECT_TRUE(has(unknown.error, "did you mean 'make'?"));
}

TEST(Serving, SeveralDeploymentsInOneStore) {
  ServingProject project;
  project.run("red");
  project.replace("pipeline.yaml", "alias: prod", "alias: test");
  project.run("green");
  EXPECT_EQ(project.json({"status", "--json"}).size(), 2U);
  const Captured unclear = project.mlpipe({"predict", "1,2,3,4"});
  EXPECT_TRUE(exits(unclear, 2));
  EXPECT_TRUE(has(unclear.error, "choose one with --alias\n  prod, test"));
  EXPECT_EQ(project.mlpipe({"predict", "1,2,3,4", "--alias", "prod"}).output, "red  (100.0 %)\n");
  EXPECT_EQ(project.mlpipe({"predict", "1,2,3,4", "--alias", "test"}).output, "green  (100.0 %)\n");
  EXPECT_EQ(project.mlpipe({"down", "--alias", "prod"}).error, "prod stopped\n");
  EXPECT_EQ(servers_of(project).size(), 1U);
  EXPECT_EQ(project.mlpipe({"down"}).error, "prod was not running\ntest stopped\n");
}

}  // namespace
}  // namespace mlpipe
