#pragma once

#include "pipeline/base/file.hpp"

namespace mlpipe {

// The agents of one mlpipe, as a process that starts them by fork: that takes a fifth of the time that
// starting a program does. It is the guard of all of them: should an agent be killed, the kernel kills its
// job's program, and this adopts and kills what else is left, holding the key's lock until that is gone.
//
// `requests` is a socket that takes one message for each job (see SpawnRequest in spawn_request.hpp). Returns
// once it was closed at the other end and all agents have ended, so jobs outlive who asked for them.
void serve_spawn_requests(FileDescriptor requests);

}  // namespace mlpipe
