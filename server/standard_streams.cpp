#include "server/standard_streams.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <future>
#include <optional>
#include <string>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t prefix_bytes = 4;

class MessageReader {
 public:
  MessageReader(int input, Framing framing, std::size_t limit)
      : input_(input), framing_(framing), limit_(limit) {}

  // Nothing at the end of the input.
  std::optional<std::string> next() { return framing_ == Framing::lines ? next_line() : next_frame(); }

 private:
  std::optional<std::string> next_line() {
    std::size_t searched = 0;
    std::size_t end = 0;
    while ((end = received_.find('\n', searched)) == std::string::npos) {
      searched = received_.size();
      require_within_limit(searched);
      if (!fill()) {
        return received_.empty() ? std::nullopt : std::optional(std::exchange(received_, {}));
      }
    }
    require_within_limit(end);
    std::string line = received_.substr(0, end);
    received_.erase(0, end + 1);
    return line;
  }

  std::optional<std::string> next_frame() {
    while (received_.size() < prefix_bytes) {
      if (!fill()) {
        if (!received_.empty()) {
          throw Error("standard input ended within the length of a message");
        }
        return std::nullopt;
      }
    }
    std::size_t length = 0;
    for (std::size_t i = 0; i < prefix_bytes; ++i) {
      length = length << 8U | static_cast<unsigned char>(received_[i]);
    }
    require_within_limit(length);
    while (received_.size() < prefix_bytes + length) {
      if (!fill()) {
        throw Error(fmt::format("standard input ended within a message of {} bytes", length));
      }
    }
    std::string message = received_.substr(prefix_bytes, length);
    received_.erase(0, prefix_bytes + length);
    return message;
  }

  void require_within_limit(std::size_t length) const {
    if (length > limit_) {
      throw Error(fmt::format("standard input: a message is longer than {} bytes", limit_),
                  "--body-limit allows larger ones");
    }
  }

  // False at the end of the input.
  bool fill() {
    std::array<char, 65536> bytes;
    while (true) {
      const ssize_t count = ::read(input_, bytes.data(), bytes.size());
      if (count >= 0) {
        received_.append(bytes.data(), static_cast<std::size_t>(count));
        return count > 0;
      }
      if (errno != EINTR) {
        throw_errno("reading standard input");
      }
    }
  }

  int input_;
  Framing framing_;
  std::size_t limit_;
  std::string received_;
};

std::string framed(std::string answer, Framing framing) {
  if (framing == Framing::lines) {
    return answer + '\n';
  }
  std::string prefix;
  for (int shift = 24; shift >= 0; shift -= 8) {
    prefix += static_cast<char>(answer.size() >> static_cast<unsigned>(shift) & 0xFFU);
  }
  return prefix + answer;
}

std::string answer_to(const Router& router, std::string message) {
  std::promise<std::string> answer;
  Request request{"POST", "/predict", "", {{"Content-Type", "application/json"}}, std::move(message)};
  router.answer(request, [&answer](Response response) { answer.set_value(std::move(response.body)); });
  return answer.get_future().get();
}

}  // namespace

void answer_standard_streams(const Router& router, Framing framing, std::size_t limit, int input,
                             int output) {
  MessageReader reader(input, framing, limit);
  while (std::optional<std::string> message = reader.next()) {
    write_all(output, framed(answer_to(router, std::move(*message)), framing), "standard output");
  }
}

}  // namespace mlpipe
