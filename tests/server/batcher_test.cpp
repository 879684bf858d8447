#include "server/engine/batcher.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <future>
#include <limits>
#include <mutex>
#include <optional>
#include <thread>

namespace mlpipe {
namespace {

using namespace std::chrono_literals;

// Runs tasks when the test says so, in its own thread.
class ByHand : public Executor {
 public:
  void run_soon(Task task) override { tasks_.push_back(std::move(task)); }
  std::size_t waiting() const { return tasks_.size(); }
  void run_one() {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
  }
  void run_all() {
    while (!tasks_.empty()) {
      run_one();
    }
  }

 private:
  std::deque<Task> tasks_;
};

// One value an example and one label, which is the value doubled. Remembers the batches.
class Doubling {
 public:
  std::vector<float> operator()(std::span<const float> rows, std::size_t count) {
    EXPECT_EQ(rows.size(), count);
    sizes.push_back(count);
    std::vector<float> scores;
    for (const float value : rows) {
      if (value == 13) {
        throw Error("13 is not computed here");
      }
      scores.push_back(2 * value);
    }
    return scores;
  }
  std::vector<std::size_t> sizes;
};

class Batches : public testing::Test {
 protected:
  std::shared_ptr<Batcher> batcher(BatchLimits limits = {}) {
    return std::make_shared<Batcher>(
        [this](std::span<const float> rows, std::size_t count) { return doubling_(rows, count); }, 1, 1,
        limits, executor_);
  }

  struct Answer {
    bool is_there = false;
    std::exception_ptr failure;
    std::vector<float> scores;
  };

  // The answer is written when it comes; the batcher must end before it.
  static InferenceTask task(std::vector<float> rows, Answer& answer) {
    InferenceTask task;
    task.count = rows.size();
    task.rows = std::move(rows);
    task.done = [&answer](const std::exception_ptr& failure, Inference inference) {
      EXPECT_FALSE(answer.is_there) << "answered twice";
      answer = {true, failure, std::move(inference.scores)};
    };
    return task;
  }

  Doubling doubling_;
  ByHand executor_;
};

template <typename Failure>
bool is(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const Failure&) {
    return true;
  } catch (...) {
    return false;
  }
}

TEST_F(Batches, WhatComesWhileAllAreBusyIsOneBatch) {
  const auto batches = batcher();
  std::vector<Answer> answers(5);
  for (int i = 0; i < 5; ++i) {
    batches->submit(task({static_cast<float>(i)}, answers[static_cast<std::size_t>(i)]));
  }
  EXPECT_EQ(executor_.waiting(), 1U) << "one instance, so one call at a time";
  executor_.run_one();
  EXPECT_EQ(doubling_.sizes, std::vector<std::size_t>{5});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(answers[static_cast<std::size_t>(i)].scores, std::vector<float>{static_cast<float>(2 * i)});
  }
  EXPECT_EQ(executor_.waiting(), 0U);
}

TEST_F(Batches, AFreeInstanceTakesWhatThereIs) {
  const auto batches = batcher({1024, 64, 0us, 2});
  std::vector<Answer> answers(3);
  batches->submit(task({1}, answers[0]));
  batches->submit(task({2}, answers[1]));
  EXPECT_EQ(executor_.waiting(), 2U);
  executor_.run_one();
  executor_.run_one();  // finds nothing left, and ends
  batches->submit(task({3}, answers[2]));
  executor_.run_all();
  EXPECT_EQ(doubling_.sizes, (std::vector<std::size_t>{2, 1}));
}

TEST_F(Batches, ABatchIsWholeRequestsUpToItsLimit) {
  const auto batches = batcher({1024, 4, 0us, 1});
  std::vector<Answer> answers(4);
  batches->submit(task({1, 1, 1}, answers[0]));
  batches->submit(task({2, 2}, answers[1]));
  batches->submit(task({3}, answers[2]));
  batches->submit(task(std::vector<float>(10, 4), answers[3]));
  executor_.run_all();
  EXPECT_EQ(doubling_.sizes, (std::vector<std::size_t>{3, 3, 4, 4, 2})) << "the large one in pieces";
  EXPECT_EQ(answers[3].scores, std::vector<float>(10, 8));
  EXPECT_EQ(batches->counts().requests, 4U);
  EXPECT_EQ(batches->counts().examples, 16U);
  EXPECT_EQ(batches->counts().executions, 5U);
}

TEST_F(Batches, AFullQueueTakesNoMoreAndForgetsNobody) {
  const auto batches = batcher({4, 64, 0us, 1});
  std::vector<Answer> answers(4);
  batches->submit(task(std::vector<float>(100, 1), answers[0]));  // alone, however large
  EXPECT_FALSE(batches->has_room());
  EXPECT_THROW(batches->submit(task({1}, answers[1])), QueueFull);
  executor_.run_all();
  EXPECT_TRUE(batches->has_room());
  batches->submit(task({1, 1}, answers[2]));
  batches->submit(task({1, 1}, answers[3]));
  EXPECT_THROW(batches->submit(task({1}, answers[1])), QueueFull);
  executor_.run_all();
  EXPECT_FALSE(answers[1].is_there);
  EXPECT_TRUE(answers[0].is_there && answers[2].is_there && answers[3].is_there);
  EXPECT_EQ(batches->counts().failures, 2U);
  EXPECT_EQ(batches->counts().waiting, 0U);
}

TEST_F(Batches, TheCancelledAndTheLateLeaveTheQueueUncomputed) {
  const auto batches = batcher({3, 64, 0us, 1});
  std::vector<Answer> answers(4);
  std::stop_source client;
  InferenceTask gone = task({1}, answers[0]);
  gone.cancelled = client.get_token();
  InferenceTask late = task({2}, answers[1]);
  late.deadline = EngineClock::now() - 1ms;
  batches->submit(std::move(gone));
  batches->submit(std::move(late));
  batches->submit(task({3}, answers[2]));
  client.request_stop();
  batches->submit(task({4}, answers[3]));  // full, but for those two
  EXPECT_TRUE(is<RequestCancelled>(answers[0].failure));
  EXPECT_TRUE(is<DeadlineExceeded>(answers[1].failure));
  executor_.run_all();
  EXPECT_EQ(doubling_.sizes, std::vector<std::size_t>{2});
  EXPECT_EQ(answers[2].scores, std::vector<float>{6});
}

TEST_F(Batches, OneThatFailsSpoilsItForNobodyElse) {
  const auto batches = batcher();
  std::vector<Answer> answers(4);
  batches->submit(task({1}, answers[0]));
  batches->submit(task({13}, answers[1]));
  batches->submit(task({std::numeric_limits<float>::infinity(), 1}, answers[2]));
  batches->submit(task({2}, answers[3]));
  executor_.run_all();
  EXPECT_EQ(answers[0].scores, std::vector<float>{2});
  EXPECT_TRUE(is<Error>(answers[1].failure));
  EXPECT_TRUE(is<UnscorableExample>(answers[2].failure));
  EXPECT_EQ(answers[3].scores, std::vector<float>{4});
  EXPECT_EQ(batches->counts().failures, 2U);
}

TEST_F(Batches, NearWhatHasArrivedIsReadFirst) {
  const auto batches = batcher({1024, 4, 0us, 1});
  ByHand near;
  batches->use_near(near);
  std::vector<Answer> answers(9);
  const auto submit = [&](std::size_t index) { batches->submit(task({1}, answers[index])); };
  submit(0);
  near.run_one();
  EXPECT_EQ(doubling_.sizes, std::vector<std::size_t>{1}) << "no other came, so it waits for none";
  submit(1);
  submit(2);
  near.run_one();  // one has come since: perhaps there are more
  submit(3);
  near.run_one();
  EXPECT_EQ(doubling_.sizes.size(), 1U);
  near.run_one();
  EXPECT_EQ(doubling_.sizes, (std::vector<std::size_t>{1, 3}));
  submit(4);
  for (std::size_t index = 5; index < answers.size(); ++index) {
    submit(index);
    near.run_one();
  }
  EXPECT_EQ(doubling_.sizes.size(), 2U) << "more than a batch, and still they come";
  near.run_all();
  EXPECT_EQ(doubling_.sizes, (std::vector<std::size_t>{1, 3, 4, 1}));
  EXPECT_EQ(near.waiting() + executor_.waiting(), 0U);
  for (const Answer& answer : answers) {
    EXPECT_TRUE(answer.is_there);
  }
}

TEST_F(Batches, AModelThatAnswersTooLittleIsAFailure) {
  const auto batches =
      std::make_shared<Batcher>([](std::span<const float>, std::size_t) { return std::vector<float>{1}; }, 1,
                                2, BatchLimits{}, executor_);
  Answer answer;
  batches->submit(task({1}, answer));
  executor_.run_all();
  EXPECT_TRUE(is<Error>(answer.failure));
}

// Only when it is asked for: a batch waits until it is full, or for as long as it may.
TEST(Batcher, WaitsForMoreOnlyWhenItIsToldTo) {
  ThreadPool pool(1);
  std::vector<std::size_t> sizes;
  const auto batches = std::make_shared<Batcher>(
      [&sizes](std::span<const float> rows, std::size_t count) {
        sizes.push_back(count);
        return std::vector<float>(rows.begin(), rows.end());
      },
      1, 1, BatchLimits{1024, 3, std::chrono::minutes(5), 1}, pool);
  std::promise<void> answered[3];
  for (std::promise<void>& each : answered) {
    InferenceTask task;
    task.rows = {1};
    task.count = 1;
    task.done = [&each](const std::exception_ptr&, const Inference&) { each.set_value(); };
    batches->submit(std::move(task));
  }
  for (std::promise<void>& each : answered) {
    ASSERT_EQ(each.get_future().wait_for(60s), std::future_status::ready) << "full, so it waits no longer";
  }
  EXPECT_EQ(sizes, std::vector<std::size_t>{3});
}

TEST(Batcher, AnswersEveryoneUnderLoadFromManyThreads) {
  ThreadPool pool(3);
  const auto batches = std::make_shared<Batcher>(
      [](std::span<const float> rows, std::size_t) { return std::vector<float>(rows.begin(), rows.end()); },
      1, 1, BatchLimits{64, 8, 0us, 3}, pool);
  constexpr int threads = 4;
  constexpr int each = 2000;
  std::atomic<int> right{0};
  std::atomic<int> refused{0};
  std::atomic<int> answered{0};
  {
    std::vector<std::jthread> clients;
    for (int thread = 0; thread < threads; ++thread) {
      clients.emplace_back([&, thread] {
        for (int i = 0; i < each; ++i) {
          const auto value = static_cast<float>(thread * each + i);
          InferenceTask task;
          task.rows = {value};
          task.count = 1;
          task.done = [&, value](const std::exception_ptr& failure, const Inference& inference) {
            right += !failure && inference.scores == std::vector<float>{value} ? 1 : 0;
            ++answered;
          };
          try {
            batches->submit(std::move(task));
          } catch (const QueueFull&) {
            ++refused;
            std::this_thread::yield();
          }
        }
      });
    }
  }
  pool.finish();
  EXPECT_EQ(answered, right);
  EXPECT_EQ(answered + refused, threads * each);
  EXPECT_GT(right, 0);
  EXPECT_EQ(batches->counts().requests, static_cast<std::uint64_t>(right));
}

}  // namespace
}  // namespace mlpipe
