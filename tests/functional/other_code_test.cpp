// Models that are written by somebody else's program.
#include <httplib.h>

#include "pipeline/base/error.hpp"

#include "tests/functional/serving.hpp"

namespace mlpipe {
namespace {

// In the environment that a job has.
bool python_can(const std::string& statement) {
  const Project project;
  Command command = project.command({});
  command.arguments = {"python3", "-c", statement};
  try {
    return run_and_capture(command).ending.succeeded();
  } catch (const Error&) {
    return false;
  }
}

// Runs the example and asks its server for the irises that everybody gets right.
void run_example(const std::string& name) {
  Project project;
  const std::filesystem::path source = std::filesystem::path(MLPIPE_EXAMPLES) / name;
  std::filesystem::copy(source, project.folder(), std::filesystem::copy_options::recursive);
  project.replace("pipeline.yaml", "target: local }", "target: local, port: 0 }");
  ASSERT_TRUE(exits(project.mlpipe({"run"}), 0));
  const Address address = address_of(status_of(project).at("address"));
  httplib::Client client(address.host, address.port);
  for (const auto& [data, species] :
       std::vector<std::pair<std::string, std::string>>{{"[5.1,3.5,1.4,0.2]", "setosa"},
                                                        {"[6.0,2.7,4.2,1.3]", "versicolor"},
                                                        {"[7.2,3.0,6.3,2.3]", "virginica"}}) {
    const auto answer = client.Post("/predict", "{\"data\":" + data + "}", "application/json");
    ASSERT_TRUE(answer);
    EXPECT_EQ(Json::parse(answer->body).at("prediction"), species) << answer->body;
  }
  EXPECT_TRUE(has(project.mlpipe({"run"}).error, "nothing changed"));
  ASSERT_TRUE(exits(project.mlpipe({"get", "train/model", "taken"}), 0));
  const Captured whole = project.mlpipe({"models", "check", (project.folder() / "taken").string()});
  EXPECT_TRUE(exits(whole, 0));
  EXPECT_TRUE(has(whole.output, "is a model: classification of [4] into 3 labels"));
}

TEST(OtherCode, APythonProgramsSafetensorsAreServed) {
  if (!python_can("import csv, json")) {
    GTEST_SKIP() << "there is no python3";
  }
  run_example("python");
}

TEST(OtherCode, PyTorchsTorchScriptIsServed) {
  if (!python_can("import torch")) {
    GTEST_SKIP() << "this python3 has no torch";
  }
  run_example("pytorch");
}

TEST(OtherCode, WhatIsNoModelIsNotPublishedAndEveryFaultIsTold) {
  Project project;
  project.pipeline(R"(name: other
steps:
  make:
    run: |
      mkdir model
      printf '\200\002}q' > model/model.pt
      printf 'mlpipe-model: 1\ntask: clasification\ninput: {shape: [4]}\nlabels: [a, b]\nweights: {file: model.pt}\n' > model/model.yaml
    outs: [model]
model: { name: other, from: "${{ steps.make.outs.model }}" }
)");
  const Captured run = project.mlpipe({"run"});
  EXPECT_TRUE(exits(run, 1));
  EXPECT_TRUE(has(run.error, "make/model is no model that can be served, and is not published:"));
  ASSERT_TRUE(exits(project.mlpipe({"get", "make/model", "taken"}), 0));
  const std::string folder = (project.folder() / "taken").string();
  const Captured check = project.mlpipe({"models", "check", folder});
  EXPECT_TRUE(exits(check, 2));
  for (const char* fault : {"model.yaml:2:7: ", "did you mean 'classification'?", "model.pt: it is a pickle",
                            "torch.jit.script(module.eval()).save"}) {
    EXPECT_TRUE(has(run.error, fault));
    EXPECT_TRUE(has(check.output, fault));
  }
  const Captured json = project.mlpipe({"models", "check", folder, "--json"});
  EXPECT_TRUE(exits(json, 2));
  EXPECT_EQ(Json::parse(json.output).at("faults").size(), 2U);
  EXPECT_EQ(project.json({"models", "ls", "--json"}).size(), 0U);
}

}  // namespace
}  // namespace mlpipe
