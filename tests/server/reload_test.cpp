// Taking up what changed on disk, with models that are fakes.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "server/protocol/routes.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

// Folders whose models can be exchanged.
class Reload : public testing::Test {
 protected:
  Reload()
      : engine_([this](const std::filesystem::path& folder) -> std::unique_ptr<const Servable> {
          ++loads_;
          if (!folders_.contains(folder)) {
            throw Error(folder.string() + ": it is gone", "put it back");
          }
          return std::make_unique<const FakeModel>(folders_.at(folder), first_value_wins);
        }),
        admin_(admin_router(engine_, metrics_, {[] {}, [this] { return reload(); }})) {
    for (const std::string label : {"1", "2", "3"}) {
      folders_["/models/" + label] = small_model();
      engine_.load("/models/" + label, label, Engine::Takeover::beside);
    }
    engine_.set_weights("small", {{"1", 3}, {"2", 1}});
    engine_.set_alias("small", "old", "1");
  }

  ReloadReport reload() {
    ReloadReport report;
    reload_models(engine_, report);
    return report;
  }

  // "1*3 2*1 3*0": labels and weights in their order.
  std::string versions() const {
    std::string text;
    for (const ServedModel& model : engine_.state().models) {
      for (const ServedModel::Version& each : model.versions) {
        text += fmt::format("{}{} {}*{}", text.empty() ? "" : ", ", model.name, each.version->label(),
                            each.weight);
      }
    }
    return text;
  }

  std::map<std::filesystem::path, Model> folders_;
  int loads_ = 0;
  Engine engine_;
  Metrics metrics_;
  Router admin_;
};

TEST_F(Reload, LoadsEveryVersionAgainAndChangesNothingElse) {
  const std::string before = versions();
  const auto old = engine_.pick("small", "1");
  folders_["/models/1"].labels = {"a", "b", "c"};
  EXPECT_EQ(reload().error(), "");
  EXPECT_EQ(loads_, 6);
  EXPECT_EQ(versions(), before);
  EXPECT_EQ(engine_.pick("small", "old")->model().labels.front(), "a");
  EXPECT_EQ(engine_.pick("small", "latest")->label(), "3");
  EXPECT_EQ(old->model().labels.front(), "0") << "who had it goes on with it";
}

TEST_F(Reload, WhatCannotBeLoadedKeepsServing) {
  const std::string before = versions();
  folders_.erase("/models/3");
  const auto old = engine_.pick("small", "3");
  const ReloadReport report = reload();
  EXPECT_EQ(report.error(), "model small version 3: /models/3: it is gone (put it back)");
  ASSERT_EQ(report.parts.size(), 3U);
  EXPECT_EQ(report.parts[0].error, "");
  EXPECT_EQ(versions(), before);
  EXPECT_EQ(engine_.pick("small", "3"), old);
  EXPECT_NE(engine_.pick("small", "latest"), nullptr);
}

TEST_F(Reload, AFolderThatHasBecomeAnotherModelIsNotTakenUp) {
  const std::string before = versions();
  folders_["/models/2"].name = "other";
  EXPECT_NE(reload().error().find("/models/2 holds another model now, 'other'"), std::string::npos);
  EXPECT_EQ(versions(), before);
}

TEST_F(Reload, TheRouteSaysHowItWent) {
  const Response good = ask(admin_, {"POST", "/admin/reload", "", {}, ""});
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(Json::parse(good.body).at("parts").size(), 3U);
  EXPECT_EQ(Json::parse(good.body).at("parts").at(0).at("what"), "model small version 1");
  folders_.erase("/models/1");
  const Response bad = ask(admin_, {"POST", "/admin/reload", "", {}, ""});
  EXPECT_EQ(bad.status, 422);
  EXPECT_EQ(Json::parse(bad.body).at("error"), "model small version 1: /models/1: it is gone (put it back)");
  EXPECT_EQ(Json::parse(bad.body).at("parts").at(0).at("ok"), false);
  EXPECT_EQ(Json::parse(bad.body).at("parts").at(1).at("ok"), true);
}

}  // namespace
}  // namespace mlpipe
