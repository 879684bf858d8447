#pragma once

#include "pipeline/agent/job.hpp"
#include "pipeline/exec/runner.hpp"
#include "pipeline/plan/result.hpp"
#include "pipeline/spec/spec.hpp"
#include "pipeline/store/store.hpp"

namespace mlpipe {

// Makes a result of an ended job: takes its log and, when it succeeded, its promised outputs and metrics into
// the store. A promised output that is not there, or metrics that are no JSON numbers, make the result a
// failed one. The job's folder stays, and gives the same result again, until the result is in the index. The
// caller holds the job's lock.
Result collect_result(const Step& step, const Digest& action_key, const PreparedJob& job,
                      const Ending& ending, const Spec& spec, const Store& store);

// Whether the result of a job that ended so is among them.
bool is_recorded(const std::vector<Result>& results, const Ending& ending);

}  // namespace mlpipe
