#pragma once

#include <string_view>

namespace mlpipe {

// A place beside a write to what outlives the process: the store, a job's folder, a deployment. Every such
// write has one before and one after it, so that a test can kill mlpipe or mlpipe-agent there and see that
// nothing is lost (tests/functional/crash_test.cpp). Does nothing unless one of these is set:
//   MLPIPE_CRASH_AT=PROGRAM:N   a process of that program kills itself (SIGKILL) at its Nth point, from 1
//   MLPIPE_CRASH_LOG=FILE       every point appends the line "PROGRAM NAME"
// Jobs do not inherit these variables.
void crash_point(std::string_view name);

}  // namespace mlpipe
