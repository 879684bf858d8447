#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <fstream>
#include <future>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>

#include "server/protocol/feedback.hpp"
#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::json;

TEST(RecentExamples, TheOldestGoFirstAndTheLaterOfTwoWithOneIdStays) {
  RecentExamples recent(3000);
  for (int i = 0; i < 100; ++i) {
    recent.remember(std::to_string(i), {"m", "1", {static_cast<float>(i), 0, 0}});
  }
  EXPECT_EQ(recent.find("0"), std::nullopt);
  EXPECT_EQ(recent.find("99")->values[0], 99);
  recent.remember("99", {"m", "1", {5}});
  EXPECT_EQ(recent.find("99")->values, std::vector<float>{5});
  recent.remember("large", {"m", "1", std::vector<float>(10'000)});
  EXPECT_EQ(recent.find("large"), std::nullopt) << "more than all of it";
  EXPECT_TRUE(recent.find("99")) << "and it pushed nothing out";
}

using Outcome = FeedbackLog::Outcome;

class Log : public ::testing::Test {
 protected:
  static Feedback of(float value, const std::string& label) { return {"m", "1", {value}, {label}}; }
  static Outcome append(FeedbackLog& log, const Feedback& feedback) {
    return log.append(std::span(&feedback, 1)).at(0);
  }
  TemporaryDirectory folder_;
};

TEST_F(Log, SurvivesARestartKeepsOneOfEachAndCutsOffWhatWasHalfWritten) {
  {
    FeedbackLog log(folder_.path(), {});
    EXPECT_EQ(append(log, of(1, "a")), Outcome::stored);
    EXPECT_EQ(append(log, of(1, "b")), Outcome::stored);
    EXPECT_EQ(append(log, of(1, "a")), Outcome::known);
    EXPECT_THROW(FeedbackLog(folder_.path(), {}), Error) << "in use";
  }
  std::ofstream(folder_.path() / "feedback.jsonl", std::ios::app) << R"({"time":"2026)";
  FeedbackLog log(folder_.path(), {});
  EXPECT_EQ(log.entries(), 2U);
  EXPECT_EQ(append(log, of(1, "b")), Outcome::known);
  EXPECT_EQ(append(log, of(2, "b")), Outcome::stored);
  const std::vector<Feedback> all = log.read("m");
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[2].values, std::vector<float>{2});
  EXPECT_EQ(all[2].labels, std::vector<std::string>{"b"});
  EXPECT_TRUE(log.read("other").empty());
}

TEST_F(Log, RefusesAFileThatIsNone) {
  std::ofstream(folder_.path() / "feedback.jsonl") << "hello\n";
  EXPECT_THROW(FeedbackLog(folder_.path(), {}), Error);
}

TEST_F(Log, TakesNoMoreThanItMay) {
  FeedbackLog few(folder_.path() / "few", {2, 1'000'000});
  EXPECT_EQ(append(few, of(1, "a")), Outcome::stored);
  EXPECT_EQ(append(few, of(2, "a")), Outcome::stored);
  EXPECT_EQ(append(few, of(3, "a")), Outcome::full);
  EXPECT_EQ(append(few, of(2, "a")), Outcome::known) << "what is there already is no more";
  FeedbackLog small(folder_.path() / "small", {100, 150});
  EXPECT_EQ(append(small, of(1, "a")), Outcome::stored);
  EXPECT_EQ(append(small, of(2, "a")), Outcome::full);
}

TEST_F(Log, SeveralAtOnceAreEachTakenForItself) {
  FeedbackLog log(folder_.path(), {3, 1'000'000});
  const std::vector<Feedback> all = {of(1, "a"), of(2, "a"), of(1, "a"), of(3, "a"), of(4, "a"), of(2, "a")};
  EXPECT_EQ(log.append(all), (std::vector{Outcome::stored, Outcome::stored, Outcome::known, Outcome::stored,
                                          Outcome::full, Outcome::known}));
  EXPECT_EQ(log.read("m").size(), 3U);
}

// What a writer was asked to write, and what became of it.
class Writer : public Log {
 protected:
  FeedbackWriter::Done told() {
    return [this](const std::exception_ptr& failure, Outcome outcome) {
      const std::lock_guard lock(mutex_);
      outcomes_.push_back(outcome);
      failures_ += failure ? 1 : 0;
    };
  }
  std::mutex mutex_;
  std::vector<Outcome> outcomes_;
  int failures_ = 0;
};

TEST_F(Writer, AnswersInTheirOrderOnceTheyAreInTheFile) {
  const auto log = std::make_shared<FeedbackLog>(folder_.path(), FeedbackLimits{});
  FeedbackWriter writer(log);
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(writer.write(of(static_cast<float>(i), "a"), told()));
  }
  EXPECT_TRUE(writer.write(of(7, "a"), told()));
  writer.finish();
  ASSERT_EQ(outcomes_.size(), 101U);
  EXPECT_EQ(outcomes_[7], Outcome::stored);
  EXPECT_EQ(outcomes_[100], Outcome::known);
  EXPECT_EQ(failures_, 0);
  const std::vector<Feedback> all = log->read("m");
  ASSERT_EQ(all.size(), 100U);
  EXPECT_EQ(all[99].values, std::vector<float>{99});
  EXPECT_FALSE(writer.write(of(8, "a"), told())) << "it has ended";
}

TEST_F(Writer, TurnsAwayWhatItHasNoRoomFor) {
  const auto log = std::make_shared<FeedbackLog>(folder_.path(), FeedbackLimits{});
  FeedbackWriter writer(log, {2, 1'000'000});
  std::promise<void> entered;
  std::promise<void> go_on;
  ASSERT_TRUE(writer.write(of(1, "a"), [&](const std::exception_ptr&, Outcome) {
    entered.set_value();
    go_on.get_future().wait();  // the writer's thread is busy for so long
  }));
  entered.get_future().wait();
  EXPECT_TRUE(writer.write(of(2, "a"), told()));
  EXPECT_TRUE(writer.write(of(3, "a"), told()));
  EXPECT_FALSE(writer.write(of(4, "a"), told()));
  go_on.set_value();
  writer.finish();
  EXPECT_EQ(outcomes_.size(), 2U);
  EXPECT_EQ(log->read("m").size(), 3U);
}

TEST_F(Writer, SaysWhyItCouldNotWrite) {
  const auto log = std::make_shared<FeedbackLog>(folder_.path(), FeedbackLimits{});
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  {
    FeedbackWriter writer(log);
    EXPECT_TRUE(writer.write(of(1, "a"), told()));
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  ::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(failures_, 1);
  EXPECT_EQ(log->entries(), 0U);
  EXPECT_EQ(append(*log, of(1, "a")), Outcome::stored) << "and it can be tried again";
}

class FeedbackRoutes : public ::testing::Test {
 protected:
  void serve(Model model) {
    const std::size_t labels = model.labels.size();
    engine_.emplace(
        loader_of(std::move(model), [labels](std::span<const float>) { return std::vector<float>(labels); }));
    engine_->load("/models/m", "7");
    desk_.emplace(folder_.path(), FeedbackLimits{3, 1'000'000}, 1'000'000);
    router_.emplace(feedback_routes(*engine_, *desk_), metrics_);
    admin_.emplace(feedback_export_routes(*engine_, *desk_), metrics_);
  }
  Response post(const std::string& body) const { return ask(*router_, {"POST", "/feedback", "", {}, body}); }
  std::string refused(const std::string& body, int status = 400) const {
    const Response response = post(body);
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body).at("error");
  }
  std::string exported(const std::string& query) const {
    return ask(*admin_, {"GET", "/admin/feedback", query, {}, ""}).body;
  }

  TemporaryDirectory folder_;
  Metrics metrics_;
  std::optional<Engine> engine_;
  std::optional<FeedbackDesk> desk_;
  std::optional<Router> router_;
  std::optional<Router> admin_;
};

TEST_F(FeedbackRoutes, OnARequestOrOnANewExample) {
  serve(small_model());
  desk_->recent->remember("abc", {"small", "7", {1, 2, 3, 4}});
  EXPECT_EQ(post(R"({"request_id": "abc", "label": 2})").body, R"({"stored":true})");
  EXPECT_EQ(post(R"({"data": [1, 2, 3, 4], "label": "2"})").body, R"({"stored":false})") << "the same";
  EXPECT_EQ(post(R"({"data": [[5, 6], [7, 8]], "label": "0", "model": "small"})").body, R"({"stored":true})");
  EXPECT_EQ(exported("target=digit"), "v0,v1,v2,v3,digit\n1,2,3,4,2\n5,6,7,8,0\n");
  EXPECT_EQ(exported("model=small"), "v0,v1,v2,v3,label\n1,2,3,4,2\n5,6,7,8,0\n");
}

TEST_F(FeedbackRoutes, WhatDoesNotFitIsRefused) {
  serve(small_model());
  EXPECT_EQ(refused("{}"), "request_id: one of request_id and data is expected");
  EXPECT_EQ(refused(R"({"request_id": "a", "data": [1,2,3,4], "label": 1})"),
            "request_id: one of request_id and data is expected");
  EXPECT_EQ(refused(R"({"request_id": "nobody", "label": 1})", 404),
            "request_id: 'nobody' is none of the latest requests with one example, send its data");
  EXPECT_EQ(refused(R"({"data": [1, 2, 3, 4]})"), "label: it is missing");
  EXPECT_EQ(refused(R"({"data": [1, 2, 3, 4], "label": 3})"), "label: '3' is none of the labels of 'small'");
  EXPECT_EQ(refused(R"({"data": [[1, 2, 3, 4], [1, 2, 3, 4]], "label": 1})"),
            "data: one example is expected");
  EXPECT_EQ(refused(R"({"data": [1, 2, 3, 4], "label": 1, "model": "large"})", 404),
            "model: there is no 'large' here");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(post(R"({"data": [1, 2, 3, )" + std::to_string(i) + R"(], "label": 1})").status, 200);
  }
  EXPECT_EQ(refused(R"({"data": [9, 9, 9, 9], "label": 1})", 507),
            "3 examples of feedback are kept, and no more: export them, and start with another folder");
}

TEST_F(FeedbackRoutes, ATableIsExportedAsTrainingHadIt) {
  Model model = table_with_colours(Task::classification, {"a, or b", "c"});
  model.columns[0].name = "size \"in\" cm";
  serve(model);
  EXPECT_EQ(post(R"({"data": [1.5, "green"], "label": "a, or b"})").status, 200);
  EXPECT_EQ(exported(""), "\"size \"\"in\"\" cm\",colour,label\n1.5,green,\"a, or b\"\n");
}

TEST_F(FeedbackRoutes, OnTargets) {
  serve(table_with_colours(Task::regression, {"price", "weight"}));
  EXPECT_EQ(refused(R"({"data": [1, "red"], "label": 3})"),
            "label: 1 numbers were sent, the model has 2 targets");
  EXPECT_EQ(refused(R"({"data": [1, "red"], "label": 1e300})"), "label: 1e+300 is beyond what FP32 holds");
  EXPECT_EQ(post(R"({"data": [1, "red"], "label": [3, 4.5]})").status, 200);
  EXPECT_EQ(exported(""), "size,colour,price,weight\n1,red,3,4.5\n");
}

}  // namespace
}  // namespace mlpipe
