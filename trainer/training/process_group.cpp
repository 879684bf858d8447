#include "trainer/training/process_group.hpp"

#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <chrono>
#include <cstdlib>
#include <limits>

#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"

namespace mlpipe {
namespace {

constexpr std::chrono::minutes longest_wait{10};  // for the others to start, and for their part of a sum

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? std::nullopt : std::optional<std::string>(value);
}

std::int64_t number_in(const char* name, std::int64_t least, std::int64_t most) {
  const std::string text = variable(name).value_or("");
  const auto number = parse_integer(text);
  if (!number || *number < least || *number > most) {
    throw UsageError(
        fmt::format("{} is '{}', and the processes of a training need a whole number from {} to {} there",
                    name, text, least, most),
        "RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT go together; without them one process trains alone");
  }
  return *number;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// libtorch's errors are told as ours, with what they mean here.
template <typename Function>
auto translated(const char* what, Function&& function) {
  try {
    return function();
  } catch (const c10::Error& error) {
    throw Error(fmt::format("{}: {}", what, first_line(error.what_without_backtrace())));
  } catch (const std::runtime_error& error) {
    throw Error(fmt::format("{}: {}", what, first_line(error.what())));
  }
}

}  // namespace

struct ProcessGroup::Backend {
  c10::intrusive_ptr<c10d::ProcessGroupGloo> gloo;
};

std::optional<GroupAddress> GroupAddress::from_environment() {
  if (!variable("RANK") && !variable("WORLD_SIZE")) {
    return std::nullopt;
  }
  constexpr std::int64_t most_processes = 4096;
  GroupAddress address;
  address.size = static_cast<int>(number_in("WORLD_SIZE", 1, most_processes));
  address.rank = static_cast<int>(number_in("RANK", 0, address.size - 1));
  if (address.size == 1) {
    return std::nullopt;
  }
  address.port =
      static_cast<std::uint16_t>(number_in("MASTER_PORT", 1, std::numeric_limits<std::uint16_t>::max()));
  address.host = variable("MASTER_ADDR").value_or("");
  if (address.host.empty()) {
    throw UsageError("MASTER_ADDR is not set, and the processes of a training meet there",
                     "set it to the host of the process with RANK=0");
  }
  return address;
}

ProcessGroup::ProcessGroup() = default;
ProcessGroup::ProcessGroup(ProcessGroup&&) noexcept = default;
ProcessGroup& ProcessGroup::operator=(ProcessGroup&&) noexcept = default;
ProcessGroup::~ProcessGroup() = default;

ProcessGroup::ProcessGroup(const GroupAddress& address) : rank_(address.rank), size_(address.size) {
  backend_ = translated("meeting the other processes of the training", [&] {
    c10d::TCPStoreOptions meeting;
    meeting.port = address.port;
    meeting.isServer = address.rank == 0;
    meeting.numWorkers = static_cast<std::size_t>(address.size);
    meeting.timeout = longest_wait;
    auto store = c10::make_intrusive<c10d::TCPStore>(address.host, meeting);
    auto options = c10d::ProcessGroupGloo::Options::create(longest_wait);
    const bool here = address.host == "127.0.0.1" || address.host == "localhost";
    options->devices.push_back(here ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                    : c10d::ProcessGroupGloo::createDefaultDevice());
    return std::make_unique<Backend>(Backend{
        c10::make_intrusive<c10d::ProcessGroupGloo>(store, address.rank, address.size, std::move(options))});
  });
}

void ProcessGroup::sum(at::Tensor tensor) const {
  if (backend_ != nullptr) {
    translated("adding up with the other processes of the training", [&] {
      std::vector<at::Tensor> tensors = {std::move(tensor)};
      backend_->gloo->allreduce(tensors)->wait();
    });
  }
}

void ProcessGroup::broadcast(at::Tensor tensor) const {
  if (backend_ != nullptr) {
    translated("sharing with the other processes of the training", [&] {
      std::vector<at::Tensor> tensors = {std::move(tensor)};
      backend_->gloo->broadcast(tensors)->wait();
    });
  }
}

}  // namespace mlpipe
