#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipeline/agent/job.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {

// Listening sockets by name. A copy shares the sockets; one is closed when nobody has it any more.
class Listeners {
 public:
  Listeners() = default;
  // Binds what is wanted; what `existing` already has for the same name, host and port is kept as it is.
  // Throws Error that names host and port.
  Listeners(const std::vector<Listen>& wanted, const Listeners& existing);

  // The addresses with port 0 resolved.
  std::vector<Listen> bound() const;
  std::vector<int> descriptors() const;
  // Replaces every "{listen:NAME}" in a text; throws Error for an unknown name.
  std::string fill_in(const std::string& argument) const;

 private:
  struct Socket {
    Listen wanted;
    Listen bound;
    std::shared_ptr<FileDescriptor> descriptor;
  };
  std::vector<Socket> sockets_;
};

}  // namespace mlpipe
