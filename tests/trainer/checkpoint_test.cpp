#include "trainer/training/checkpoint.hpp"

#include <gtest/gtest.h>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

class CheckpointTest : public ::testing::Test {
 protected:
  static TrainingState state_at(std::int64_t batch) {
    TrainingState state;
    state.epoch = 3;
    state.batch = batch;
    state.loss_sum = 0.1 + 0.2;
    state.recent_loss = 1.0 / 3;
    state.recent_batches = 2;
    state.optimizer_steps = 77;
    state.rate = {0.01, 4};
    state.stopping.best = 0.5;
    state.stopping.waited = 2;
    state.best_epoch = 2;
    state.history = {{10, 1, false, {{"batch_loss", 0.7}}}, {20, 1, true, {{"train_loss", 0.6}}}};
    state.tensors = {{"weights.0.weight", {2, 1}, {1.5F, static_cast<float>(batch)}}};
    return state;
  }

  fs::path folder() const { return directory_.path() / "checkpoints"; }
  Checkpoints checkpoints(const std::string& training = "this") const {
    return Checkpoints(folder(), digest_of(training));
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder()), fs::directory_iterator()));
  }
  std::string refusal(const std::string& training = "this") const {
    try {
      checkpoints(training).read();
    } catch (const Error& error) {
      return std::string(error.what()) + "\n" + error.hint();
    }
    return "";
  }
  fs::path tensors() const {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder())) {
      if (entry.path().filename().string().starts_with("tensors-")) {
        return entry.path();
      }
    }
    return {};
  }

 private:
  TemporaryDirectory directory_;
};

TEST_F(CheckpointTest, GivesBackWhatWasWritten) {
  EXPECT_FALSE(checkpoints().read());
  checkpoints().write(state_at(4));
  checkpoints().write(state_at(5));
  EXPECT_EQ(files(), 2U);  // the tensors of the one before are gone
  const TrainingState state = checkpoints().read().value();
  EXPECT_EQ(state.epoch, 3);
  EXPECT_EQ(state.batch, 5);
  EXPECT_EQ(state.loss_sum, 0.1 + 0.2);
  EXPECT_EQ(state.recent_loss, 1.0 / 3);
  EXPECT_EQ(state.recent_batches, 2);
  EXPECT_EQ(state.optimizer_steps, 77);
  EXPECT_EQ(state.rate.factor, 0.01);
  EXPECT_EQ(state.rate.waited, 4);
  EXPECT_EQ(state.stopping.best, 0.5);
  EXPECT_EQ(state.stopping.waited, 2);
  EXPECT_FALSE(state.best.best);
  EXPECT_EQ(state.best_epoch, 2);
  ASSERT_EQ(state.history.size(), 2U);
  EXPECT_EQ(line_of(state.history[1]), "{\"step\":20,\"epoch\":1,\"train_loss\":0.6}\n");
  EXPECT_TRUE(state.history[1].epoch_ended);
  ASSERT_EQ(state.tensors.size(), 1U);
  EXPECT_EQ(state.tensors[0].values, (std::vector<float>{1.5F, 5}));
  checkpoints().remove();
  EXPECT_EQ(files(), 0U);
}

TEST_F(CheckpointTest, RefusesOneOfAnotherTraining) {
  checkpoints().write(state_at(4));
  const std::string fault = refusal("another");
  EXPECT_NE(fault.find("another training"), std::string::npos) << fault;
  EXPECT_NE(fault.find("remove " + folder().string()), std::string::npos) << fault;
}

TEST_F(CheckpointTest, RefusesADamagedOne) {
  checkpoints().write(state_at(4));
  std::string bytes = read_file(tensors());
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file_atomically(tensors(), bytes);
  EXPECT_NE(refusal().find("not those that were written"), std::string::npos) << refusal();
  fs::remove(tensors());
  EXPECT_NE(refusal().find("remove "), std::string::npos) << refusal();
  for (const char* text : {"", "{", "[]", "{\"mlpipe-checkpoint\":2}", "{\"mlpipe-checkpoint\":\"x\"}"}) {
    write_file_atomically(folder() / "checkpoint.json", text);
    EXPECT_NE(refusal().find("remove "), std::string::npos) << text;
  }
}

TEST_F(CheckpointTest, SweepsWhatAKilledProcessLeft) {
  checkpoints().write(state_at(4));
  write_file_atomically(folder() / "tensors-new", "half");
  write_file_atomically(folder() / "checkpoint.json.abcdef", "half");
  write_file_atomically(folder() / "mine", "another's");
  checkpoints().write(state_at(5));
  EXPECT_EQ(files(), 3U);
  EXPECT_EQ(checkpoints().read()->batch, 5);
}

}  // namespace
}  // namespace mlpipe
