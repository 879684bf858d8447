#include "pipeline/agent/spawn_request.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>
#include <vector>

#include "pipeline/base/error.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t most_descriptors = 4;
constexpr std::size_t least_descriptors = 3;
using Control = std::array<char, CMSG_SPACE(most_descriptors * sizeof(int))>;

msghdr message_of(iovec& text, Control& control) {
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  return message;
}

std::vector<FileDescriptor> descriptors_of(const msghdr& message) {
  std::vector<FileDescriptor> descriptors;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::array<int, most_descriptors> numbers{};
    std::memcpy(numbers.data(), CMSG_DATA(header), std::min(count, most_descriptors) * sizeof(int));
    for (std::size_t i = 0; i < std::min(count, most_descriptors); ++i) {
      descriptors.emplace_back(numbers.at(i));
    }
  }
  return descriptors;
}

}  // namespace

void send_spawn_request(int socket, const std::filesystem::path& job_directory, int lock, int ended, int log,
                        std::optional<int> secrets) {
  std::array<int, most_descriptors> numbers = {ended, lock, log, secrets.value_or(-1)};
  const std::size_t size = (secrets ? most_descriptors : least_descriptors) * sizeof(int);
  std::string path = job_directory.string();
  iovec text{path.data(), path.size()};
  alignas(cmsghdr) Control control{};
  msghdr message = message_of(text, control);
  message.msg_controllen = CMSG_SPACE(size);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(size);
  std::memcpy(CMSG_DATA(header), numbers.data(), size);
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) {
      throw_errno("asking for an agent");
    }
  }
}

std::optional<SpawnRequest> receive_spawn_request(int socket) {
  std::array<char, PATH_MAX> path{};
  iovec text{path.data(), path.size()};
  alignas(cmsghdr) Control control{};
  msghdr message = message_of(text, control);
  ssize_t size = 0;
  while ((size = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0) {
    if (errno != EINTR) {
      throw_errno("waiting for a job");
    }
  }
  if (size == 0) {
    return std::nullopt;
  }
  std::vector<FileDescriptor> descriptors = descriptors_of(message);
  if (descriptors.size() < least_descriptors || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    throw Error("a request for an agent without what belongs to it");
  }
  SpawnRequest request;
  request.job_directory = std::string(path.data(), static_cast<std::size_t>(size));
  request.ended = std::move(descriptors[0]);
  request.lock = std::move(descriptors[1]);
  request.log = std::move(descriptors[2]);
  if (descriptors.size() == most_descriptors) {
    request.secrets = std::move(descriptors[3]);
  }
  return request;
}

}  // namespace mlpipe
