// How an alias moved, and when.
#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

TEST(ModelsHistory, EveryMoveWithItsReasonAndRun) {
  ServingProject project;
  project.run("red", 0, "0.75");
  project.run("green", 0, "0.8");
  // Parameters that go back to earlier values move the alias back, without a new version.
  project.run("red", 0, "0.75");
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 2U);
  ASSERT_TRUE(exits(project.mlpipe({"models", "rollback"}), 0));

  const Json moves = project.json({"models", "history", "tiny", "--json"});
  ASSERT_EQ(moves.size(), 4U);
  EXPECT_EQ(moves[0].at("from"), Json());
  EXPECT_EQ(moves[0].at("to"), 1);
  EXPECT_EQ(moves[0].at("why"), "published");
  EXPECT_EQ(moves[0].at("run"), 1);
  EXPECT_EQ(moves[1].at("from"), 1);
  EXPECT_EQ(moves[1].at("to"), 2);
  EXPECT_EQ(moves[2].at("to"), 1);
  EXPECT_EQ(moves[2].at("why"), "moved");
  EXPECT_EQ(moves[2].at("run"), 3);
  EXPECT_EQ(moves[3].at("from"), 1);
  EXPECT_EQ(moves[3].at("to"), 2);
  EXPECT_EQ(moves[3].at("why"), "rollback");
  EXPECT_FALSE(moves[3].contains("run")) << "it was moved by hand";
  EXPECT_EQ(project.json({"models", "history", "--alias", "prod", "--json"}), moves);
  const std::string text = project.mlpipe({"models", "history"}).output;
  EXPECT_TRUE(has(text, "tiny@prod  none → tiny:1  published by run 1\n"));
  EXPECT_TRUE(has(text, "tiny@prod  tiny:2 → tiny:1  moved by run 3\n"));
  EXPECT_TRUE(has(text, "tiny@prod  tiny:1 → tiny:2  rollback\n"));
  EXPECT_TRUE(exits(project.mlpipe({"models", "history", "tinny"}), 2));
  EXPECT_EQ(project.json({"show", "2", "--json"}).at("release"), "tiny:2");
  EXPECT_EQ(project.json({"show", "3", "--json"}).at("release"), "tiny:1");
}

TEST(ModelsHistory, WhoWas) {
  ServingProject project;
  project.run("red");
  const std::string red_since = project.json({"models", "history", "--json"}).at(0).at("at");
  const Json now = project.json({"models", "who-was", "tiny@prod", "--at", "now", "--json"});
  EXPECT_EQ(now.at("version"), 1);
  EXPECT_EQ(now.at("since"), red_since);
  EXPECT_TRUE(has(project.mlpipe({"models", "who-was", "tiny@prod", "--at", "0s"}).output,
                  "tiny@prod was tiny:1 at "));
  // Long before the first move, however it is said.
  for (const char* at :
       {"2 hours ago", "2h", "2020-01-01", "2020-01-01T12:00:00Z", "2020-01-01 12:00 +01:00"}) {
    EXPECT_EQ(project.json({"models", "who-was", "tiny@prod", "--at", at, "--json"}).at("version"), Json())
        << at;
    EXPECT_TRUE(has(project.mlpipe({"models", "who-was", "tiny@prod", "--at", at}).output,
                    "tiny@prod did not exist at "));
  }
  const std::vector<std::pair<Arguments, std::string>> wrong = {
      {{"models", "who-was", "tiny@prod", "--at", "once"}, "this is no time"},
      {{"models", "who-was", "tiny@prod"}, "--at"},
      {{"models", "who-was", "tiny", "--at", "2h"}, "write NAME@ALIAS"},
      {{"models", "who-was", "tiny@prd", "--at", "2h"}, "did you mean 'prod'?"},
  };
  for (const auto& [arguments, message] : wrong) {
    const Captured captured = project.mlpipe(arguments);
    EXPECT_TRUE(exits(captured, 2));
    EXPECT_TRUE(has(captured.error, message));
  }
}

TEST(ModelsHistory, DiffOfTwoReleases) {
  ServingProject project;
  project.run("red", 0, "0.75");
  project.run("green", 0, "0.8");
  const Json diff = project.json({"models", "diff", "tiny:1", "tiny@prod", "--json"});
  EXPECT_EQ(diff.at("from"), "tiny:1");
  EXPECT_EQ(diff.at("to"), "tiny:2");
  EXPECT_EQ(diff.at("same_bytes"), false);
  EXPECT_EQ(diff.at("params").at("color"), Json::parse(R"({"from": "red", "to": "green"})"));
  EXPECT_EQ(diff.at("metrics"), Json::parse(R"({"accuracy": {"from": "0.75", "to": "0.8"}})"));
  EXPECT_TRUE(diff.at("provenance").contains("step make"));
  const std::string text = project.mlpipe({"models", "diff", "tiny:1", "tiny:2"}).output;
  EXPECT_TRUE(has(text, "tiny:1 → tiny:2\n"));
  EXPECT_TRUE(has(text, "color: red → green\n"));
  const Json same = project.json({"models", "diff", "tiny:1", "tiny:1", "--json"});
  EXPECT_EQ(same.at("same_bytes"), true);
  EXPECT_TRUE(same.at("params").empty());
}

TEST(ModelsHistory, TheSelectorOfAModelSaysWhichIsPublished) {
  ServingProject project;
  project.replace("pipeline.yaml", "deploy:", "# deploy:");
  project.replace("pipeline.yaml", "  name: tiny\n", "  name: tiny\n  select: best(accuracy)\n");
  project.replace("pipeline.yaml", "      cp -r colors/${{ params.color }} model\n",
                  "      cp -r colors/${{ params.color }} model; date +%N > model/stamp\n");
  project.replace("pipeline.yaml", "${{ params.accuracy }}}'", "'$(cat @SIDE@/accuracy)}");
  write_file_atomically(project.side("accuracy"), "0.9");
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  write_file_atomically(project.side("accuracy"), "0.8");
  const Json worse = project.json({"run", "--force", "make", "--json"});
  EXPECT_TRUE(step_of(worse, "make").contains("kept"));
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 1U) << "the new one is not published";
  write_file_atomically(project.side("accuracy"), "0.95");
  ASSERT_TRUE(exits(project.mlpipe({"run", "--force", "make"}), 0));
  const Json releases = project.json({"models", "ls", "--json"});
  ASSERT_EQ(releases.size(), 2U);
  EXPECT_EQ(releases[1].at("metrics").at("accuracy"), 0.95);
}

}  // namespace
}  // namespace mlpipe
