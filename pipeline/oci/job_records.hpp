#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pipeline/agent/job.hpp"
#include "pipeline/oci/file_listing.hpp"
#include "pipeline/oci/remote.hpp"

namespace mlpipe {

// The records that a job on a cluster travels by (see pod_job.hpp), each one JSON document. Reading one
// throws Error for what is not written like this; Unavailable is that of the remote.

// What a job works with.
struct SentJob {
  FileListing files;  // "job.json", and below "work"
  std::vector<std::string> outs;
  std::string checkpoint;  // the record's name
};
void put_sent_job(Remote& remote, const std::string& job, const SentJob& sent);
// UsageError when there is none.
SentJob get_sent_job(Remote& remote, const std::string& job);

// What the pod of one index made of it.
struct MadeByPod {
  Ending ending;
  RemoteBlob log;
  FileListing outs;  // relative to the work directory
};
void put_made(Remote& remote, const std::string& job, int index, const MadeByPod& made);
std::optional<MadeByPod> get_made(Remote& remote, const std::string& job, int index);

// What the folder of checkpoints holds; nothing where none was ever recorded.
void put_checkpoint(Remote& remote, const std::string& name, const FileListing& files);
FileListing get_checkpoint(Remote& remote, const std::string& name);

}  // namespace mlpipe
