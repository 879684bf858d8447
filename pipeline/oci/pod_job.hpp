#pragma once

#include <chrono>
#include <filesystem>
#include <string>

#include "pipeline/cluster/pod_order.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {

// How a step's job travels to a pod and back, through a remote. Records, each put after the bytes it names:
//   job-JOB         what the job works with: job.json, its dependencies and inputs; names of outs and
//   checkpoint made-JOB-INDEX  what the pod of that index made: how it ended, its log, and of the first one
//   the outs the checkpoint  what the first pod's program wrote into its folder of checkpoints, last
// JOB is the name of the Kubernetes Job, NAME-NUMBER. No secret's value is in any of them. Paths, kinds and
// links that come out of a remote are checked: nothing is written outside of the folder they are for. Large
// files are streamed. All throw Error; Unavailable where the remote does not answer and may later.

// From the job's folder on mlpipe's machine and the inputs that the order names; bytes that are there are not
// sent again. An order that is `anew` begins without a checkpoint. `checkpoint` is the name of its record.
void send_job(Remote& remote, const std::string& job, const PodOrder& order,
              const std::filesystem::path& job_directory, const std::string& checkpoint);

// In the pod, before the job: lays out its folder at `to`, replacing what an earlier attempt left there, with
// inputs that cannot be written, what the last checkpoint holds, and in `to`/.agent the agent beside this
// program.
void bring_job(Remote& remote, const std::string& job, const std::filesystem::path& to, int index);

// In the pod, beside the job: waits until its agent has begun and ended, and sends checkpoints meanwhile,
// when they have changed; then sends what the job made. A job whose agent was killed is recorded as killed;
// of one that was told to end from outside there is a checkpoint and no record. SIGTERM and SIGINT, which it
// blocks in the calling thread, do not end it once the agent has begun: who sends them ends the agent too.
// Tries for ten minutes while the remote does not answer. Returns the exit status.
int record_job(Remote& remote, const std::string& job, const std::filesystem::path& directory, int index,
               std::chrono::milliseconds checkpoint_interval = std::chrono::seconds(30));

enum class Made { nothing, failed, succeeded };

// Back on mlpipe's machine: log, outs and at last exit.json in the job's folder, as a local job leaves them.
// Of several nodes the one that failed first decides, and the logs of the others follow its own; it has
// succeeded when all have. With `nothing`, nothing in the folder is touched.
Made collect_job(Remote& remote, const std::string& job, int nodes,
                 const std::filesystem::path& job_directory);

// What collect_job() would return, from the records alone: nothing is brought.
Made look_at_made(Remote& remote, const std::string& job, int nodes);

}  // namespace mlpipe
