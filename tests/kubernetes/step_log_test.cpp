#include "pipeline/kubernetes/step_log.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "pipeline/agent/job.hpp"

namespace mlpipe {
namespace {

TEST(StepLog, SaysOnLinesOfItsOwnWhatItHasToSay) {
  const TemporaryDirectory folder;
  StepLog log(folder.path());
  log.note("waiting: a\nb");
  log.begin_pod();
  log.append("one");
  log.note("its pod has ended");
  log.append("two\n");
  EXPECT_EQ(read_file(folder.path() / "log"), "mlpipe: waiting: a; b\none\nmlpipe: its pod has ended\ntwo\n");
  EXPECT_EQ(log.beginning_of_pod(), std::string("mlpipe: waiting: a; b\n").size());
}

TEST(StepLog, AWaitIsShownUntilThereIsProgress) {
  const TemporaryDirectory folder;
  StepLog log(folder.path());
  log.show_waiting("");
  EXPECT_FALSE(read_progress(folder.path()).has_value());
  log.show_waiting("waiting: no node");
  EXPECT_EQ(read_progress(folder.path())->text, "waiting: no node");
  log.show_waiting("");
  EXPECT_EQ(read_progress(folder.path())->text, "");
  log.add_progress(R"({"done": 3, "text": "epoch"})");
  log.show_waiting("");
  EXPECT_EQ(read_progress(folder.path())->text, "epoch");
}

TEST(StepLog, WhatCameBeforeARecordedLogIsPutBeforeIt) {
  const TemporaryDirectory folder;
  write_file_atomically(folder.path() / "earlier", "before\nand some that is in the other too\n");
  write_file_atomically(folder.path() / "log", "all of it\n");
  put_before_log(folder.path(), open_file(folder.path() / "earlier", O_RDONLY), 7);
  EXPECT_EQ(read_file(folder.path() / "log"), "before\nall of it\n");
}

}  // namespace
}  // namespace mlpipe
