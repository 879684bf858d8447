#include "server/engine/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <limits>
#include <map>
#include <thread>

#include "tests/server/fakes.hpp"

namespace mlpipe {
namespace {

// Every directory is a model whose first score is the number that the directory is named by.
std::unique_ptr<const Servable> load_numbered(const std::filesystem::path& directory) {
  const std::string name = directory.filename();
  if (name == "broken") {
    throw Error("weights.safetensors is damaged", "take it again");
  }
  const float number = std::stof(name);
  return std::make_unique<const FakeModel>(small_model(), [number](std::span<const float>) {
    return std::vector<float>{number, 0, 0};
  });
}

const std::vector<float> example(4, 1.0F);

TEST(Engine, HasNoVersionBeforeTheFirstLoad) {
  const Engine engine(load_numbered);
  EXPECT_EQ(engine.current(), nullptr);
  EXPECT_EQ(engine.state().phase, EngineState::Phase::starting);
}

TEST(Engine, ServesWhatWasLoadedLast) {
  Engine engine(load_numbered);
  engine.load("/models/1", "one");
  engine.load("/models/2", "two");
  EXPECT_EQ(engine.current()->label(), "two");
  EXPECT_EQ(engine.current()->predict(example, 1)[0], 2.0F);
  EXPECT_EQ(engine.state().phase, EngineState::Phase::serving);
  EXPECT_EQ(engine.state().loads_succeeded, 2U);
}

TEST(Engine, KeepsTheOldVersionWhenALoadFailsAndSaysWhy) {
  Engine engine(load_numbered);
  engine.load("/models/1", "one");
  EXPECT_THROW(engine.load("/models/broken", "two"), Error);
  EXPECT_EQ(engine.current()->label(), "one");
  const EngineState state = engine.state();
  EXPECT_EQ(state.phase, EngineState::Phase::serving);
  EXPECT_EQ(state.load.phase, LoadAttempt::Phase::failed);
  EXPECT_EQ(state.load.version, "two");
  EXPECT_EQ(state.load.error, "weights.safetensors is damaged");
  EXPECT_EQ(state.loads_failed, 1U);
}

TEST(Engine, RefusesAModelThatAnswersWithNoFiniteScoreInTheWarmUp) {
  Engine engine(loader_of(small_model(), [](std::span<const float>) {
    return std::vector<float>{0, std::numeric_limits<float>::quiet_NaN(), 0};
  }));
  EXPECT_THROW(engine.load("/models/1", "one"), Error);
  EXPECT_EQ(engine.current(), nullptr);
  EXPECT_EQ(engine.state().phase, EngineState::Phase::starting);
}

TEST(Engine, RefusesAModelWhoseScoresDoNotFitItsLabels) {
  Engine engine(loader_of(small_model(), [](std::span<const float>) { return std::vector<float>{0, 1}; }));
  EXPECT_THROW(engine.load("/models/1", "one"), Error);
}

TEST(Engine, WarmsUpWithRealCallsBeforeItTakesOver) {
  std::atomic<int> calls{0};
  std::atomic<int> calls_at_takeover{-1};
  Engine engine(loader_of(small_model(), [&](std::span<const float> values) {
    ++calls;
    EXPECT_EQ(values[0], 8.0F);  // the middle of 0 to 16
    return std::vector<float>{1, 0, 0};
  }));
  engine.load("/models/1", "one");
  calls_at_takeover = calls.load();
  EXPECT_GT(calls_at_takeover, 64);  // a whole largest batch was among them
  EXPECT_EQ(engine.current()->counts().requests, 0U);
}

TEST(Engine, RefusesASecondLoadWhileOneIsUnderWay) {
  std::promise<void> entered;
  std::promise<void> release;
  Engine engine([&](const std::filesystem::path& directory) {
    if (directory == "/models/1") {
      entered.set_value();
      release.get_future().wait();
    }
    return load_numbered(directory);
  });
  std::jthread slow([&] { engine.load("/models/1", "one"); });
  entered.get_future().wait();
  EXPECT_EQ(engine.state().load.phase, LoadAttempt::Phase::reading);
  EXPECT_THROW(engine.load("/models/2", "two"), LoadUnderWay);
  release.set_value();
  slow.join();
  EXPECT_EQ(engine.current()->label(), "one");
  EXPECT_EQ(engine.state().loads_failed, 0U);
}

TEST(Engine, EveryAnswerFitsTheVersionThatGaveItWhileVersionsSwap) {
  Engine engine(load_numbered);
  engine.load("/models/0", "0");
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::atomic<std::uint64_t> answers{0};
  {
    std::vector<std::jthread> clients;
    clients.reserve(4);
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&] {
        while (!done) {
          const std::shared_ptr<const ModelVersion> version = engine.current();
          const std::vector<float> scores = version->predict(example, 1);
          wrong += scores[0] != std::stof(version->label()) ? 1 : 0;
          ++answers;
        }
      });
    }
    for (int i = 1; i <= 200; ++i) {
      const std::uint64_t before = answers;
      engine.load("/models/" + std::to_string(i), std::to_string(i));
      while (answers == before) {  // some client meets every version
        std::this_thread::yield();
      }
    }
    done = true;
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(engine.current()->label(), "200");
}

TEST(Engine, ARequestFinishesOnTheVersionItStartedWith) {
  Engine engine(load_numbered);
  engine.load("/models/1", "one");
  const std::shared_ptr<const ModelVersion> held = engine.current();
  engine.load("/models/2", "two");
  EXPECT_EQ(held->predict(example, 1)[0], 1.0F);
  const std::weak_ptr<const ModelVersion> watched = held;
  EXPECT_EQ(watched.use_count(), 1);  // the engine has let go of it
}

// What of 12 requests without a version goes to which one.
std::map<std::string, int> shares(Engine& engine) {
  std::map<std::string, int> counts;
  for (int i = 0; i < 12; ++i) {
    ++counts[engine.pick()->label()];
  }
  return counts;
}

TEST(EngineVersions, OneBesideGetsNothingUntilItsWeightSaysSo) {
  Engine engine(load_numbered);
  engine.load("/models/1", "one");
  engine.load("/models/2", "two", Engine::Takeover::beside);
  EXPECT_EQ(shares(engine), (std::map<std::string, int>{{"one", 12}}));
  EXPECT_EQ(engine.pick("small", "two")->predict(example, 1)[0], 2.0F);
  engine.set_weights("small", {{"one", 90}, {"two", 30}});
  EXPECT_EQ(shares(engine), (std::map<std::string, int>{{"one", 9}, {"two", 3}}));
  engine.set_weights("small", {{"two", 1}});
  EXPECT_EQ(shares(engine), (std::map<std::string, int>{{"two", 12}}));
  EXPECT_EQ(engine.current()->label(), "two");
  EXPECT_THROW(engine.set_weights("small", {{"three", 1}}), UnknownModel);
  EXPECT_THROW(engine.set_weights("small", {{"one", 0}}), UsageError);
  EXPECT_THROW(engine.set_weights("small", {{"one", -1}, {"two", 2}}), UsageError);
  EXPECT_THROW(engine.set_weights("large", {{"one", 1}}), UnknownModel);
  EXPECT_EQ(shares(engine), (std::map<std::string, int>{{"two", 12}})) << "what was refused changed nothing";
}

TEST(EngineVersions, UnloadingLeavesTheOthersAndTheLastOneTakesTheModelWithIt) {
  Engine engine(load_numbered);
  engine.load("/models/1", "one");
  engine.load("/models/2", "two", Engine::Takeover::beside);
  const auto held = engine.pick("small", "one");
  engine.unload("small", "one");
  EXPECT_EQ(shares(engine), (std::map<std::string, int>{{"two", 12}}))
      << "the weight of what is gone passes on";
  EXPECT_EQ(held->predict(example, 1)[0], 1.0F) << "who has it goes on with it";
  EXPECT_THROW(engine.pick("small", "one"), UnknownModel);
  EXPECT_THROW(engine.unload("small", "one"), UnknownModel);
  engine.unload("small", "");
  EXPECT_EQ(engine.current(), nullptr);
  EXPECT_EQ(engine.pick(), nullptr);
  EXPECT_THROW(engine.unload("small", ""), UnknownModel);
}

TEST(EngineVersions, NamesThatMove) {
  Engine engine(load_numbered);
  engine.load("/models/1", "one");
  engine.load("/models/2", "two", Engine::Takeover::beside);
  EXPECT_EQ(engine.pick("small", "latest")->label(), "two");
  engine.set_alias("small", "prod", "one");
  EXPECT_EQ(engine.pick("small", "prod")->label(), "one");
  engine.set_alias("small", "prod", "latest");
  EXPECT_EQ(engine.pick("small", "prod")->label(), "two");
  EXPECT_THROW(engine.set_alias("small", "latest", "one"), UsageError);
  EXPECT_THROW(engine.set_alias("small", "two", "one"), UsageError);
  EXPECT_THROW(engine.set_alias("small", "prod", "three"), UnknownModel);
  engine.unload("small", "two");
  EXPECT_THROW(engine.pick("small", "prod"), UnknownModel);
  EXPECT_EQ(engine.pick("small", "latest")->label(), "one");
  EXPECT_THROW(engine.load("/models/3", "latest"), UsageError);
}

TEST(EngineVersions, SeveralModels) {
  Engine engine([](const std::filesystem::path& directory) {
    Model model = small_model();
    model.name = directory.filename();
    return std::make_unique<const FakeModel>(model, [](std::span<const float>) {
      return std::vector<float>{1, 0, 0};
    });
  });
  engine.load("/models/cats", "1");
  engine.load("/models/dogs", "1", Engine::Takeover::beside);
  EXPECT_EQ(engine.pick()->model().name, "cats") << "the first is the default";
  EXPECT_EQ(engine.pick("dogs")->model().name, "dogs") << "the first version of a model gets its traffic";
  engine.load("/models/dogs", "2");
  EXPECT_EQ(engine.pick("dogs")->label(), "2");
  EXPECT_EQ(engine.state().models.size(), 2U);
  EXPECT_THROW(engine.pick("birds"), UnknownModel);
  engine.unload("cats", "");
  EXPECT_EQ(engine.pick()->model().name, "dogs");
}

// Counts, and leaves the work to a pool.
class CountingTasks : public Executor {
 public:
  void run_soon(Task task) override {
    ++tasks;
    pool_.run_soon(std::move(task));
  }
  std::atomic<int> tasks{0};

 private:
  ThreadPool pool_{1};
};

TEST(EngineVersions, OnlyFastOnesAreComputedByTheTransportWhileItIsThere) {
  EngineOptions options;
  options.longest_near = std::chrono::hours(1);
  Engine fast(load_numbered, options);
  options.longest_near = std::chrono::milliseconds(-1);
  Engine slow(load_numbered, options);
  CountingTasks transport;
  for (Engine* engine : {&fast, &slow}) {
    engine->load("/models/1", "one");
    EXPECT_EQ(engine->pick()->predict(example, 1)[0], 1.0F) << "there is none yet";
    engine->use_transport(transport);
    EXPECT_EQ(engine->pick()->predict(example, 1)[0], 1.0F);
    engine->leave_transport();
    EXPECT_EQ(engine->pick()->predict(example, 1)[0], 1.0F);
  }
  EXPECT_EQ(transport.tasks, 1);
}

TEST(EngineVersions, AReloadOfTheSameVersionKeepsItsWeight) {
  Engine engine(load_numbered);
  engine.load("/models/1", "one");
  engine.load("/models/2", "two", Engine::Takeover::beside);
  engine.set_weights("small", {{"one", 1}, {"two", 3}});
  engine.load("/models/3", "two", Engine::Takeover::beside);
  EXPECT_EQ(shares(engine), (std::map<std::string, int>{{"one", 3}, {"two", 9}}));
  EXPECT_EQ(engine.pick("small", "two")->predict(example, 1)[0], 3.0F);
}

TEST(ModelVersion, ComputesALargeBatchPieceByPieceInOrder) {
  std::atomic<std::size_t> largest{0};
  struct Counting : FakeModel {
    Counting(std::atomic<std::size_t>& seen)
        : FakeModel(small_model(),
                    [](std::span<const float> values) {
                      return std::vector<float>{values[0], 0, 0};
                    }),
          largest(seen) {}
    std::vector<float> predict(std::span<const float> rows, std::size_t count) const override {
      largest = std::max(largest.load(), count);
      return FakeModel::predict(rows, count);
    }
    std::atomic<std::size_t>& largest;
  };
  ThreadPool pool(1);
  const ModelVersion version("1", "/models/1", std::make_unique<const Counting>(largest), {}, pool);
  constexpr std::size_t count = 1000;
  std::vector<float> rows(count * 4);
  for (std::size_t i = 0; i < count; ++i) {
    rows[i * 4] = static_cast<float>(i);
  }
  const std::vector<float> scores = version.predict(rows, count);
  ASSERT_EQ(scores.size(), count * 3);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(scores[i * 3], static_cast<float>(i));
  }
  EXPECT_LE(largest, 64U);
  EXPECT_EQ(version.counts().examples, count);
  EXPECT_EQ(version.counts().requests, 1U);
  EXPECT_GE(version.counts().executions, count / 64);
}

TEST(ModelVersion, NamesTheExampleThatHasNoFiniteScore) {
  ThreadPool pool(1);
  const ModelVersion version(
      "1", "/models/1",
      std::make_unique<const FakeModel>(
          small_model(),
          [](std::span<const float> values) {
            return std::vector<float>{values[0] < 0 ? std::numeric_limits<float>::infinity() : 0, 0, 0};
          }),
      {}, pool);
  constexpr std::size_t values = 4;
  std::vector<float> rows(100 * values, 1.0F);
  rows[70 * values] = -1;
  try {
    version.predict(rows, 100);
    FAIL() << "it answered";
  } catch (const UnscorableExample& failure) {
    EXPECT_EQ(failure.index(), 70U);
  }
}

}  // namespace
}  // namespace mlpipe
