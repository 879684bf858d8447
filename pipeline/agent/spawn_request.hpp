#pragma once

#include <filesystem>
#include <optional>

#include "pipeline/base/file.hpp"

namespace mlpipe {

// What mlpipe asks `mlpipe-agent --spawner-fd N` for: one job, as one message over a SOCK_SEQPACKET socket,
// its text the job's folder and its descriptors these, in this order.
struct SpawnRequest {
  std::filesystem::path job_directory;  // absolute
  FileDescriptor ended;                 // the writing end of a pipe, held until all of the job is gone
  FileDescriptor lock;                  // of the key, held as long; destroyed before: at the end it is free
  FileDescriptor log;                   // where the agent says what keeps it from working
  FileDescriptor secrets;               // see secret_variables.hpp; empty when the job has none
};

// Throws Error, also when nobody is at the other end.
void send_spawn_request(int socket, const std::filesystem::path& job_directory, int lock, int ended, int log,
                        std::optional<int> secrets);
// Waits for the next; nothing once the other end is closed. Throws Error for what is no request.
std::optional<SpawnRequest> receive_spawn_request(int socket);

}  // namespace mlpipe
