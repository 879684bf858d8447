#include "pipeline/plan/result.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mlpipe {
namespace {

std::int64_t milliseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

}  // namespace

Digest result_id(const Result& result) {
  std::string text = fmt::format("mlpipe-result 1\nkey {}\n{}\nlog {}\ntime {} {}\n", result.action_key.hex(),
                                 result.succeeded ? "succeeded" : "failed", result.log.hex(),
                                 milliseconds(result.started), milliseconds(result.finished));
  for (const Output& output : result.outputs) {
    text += fmt::format("out {}:{} {} {}\n", output.name.size(), output.name, output.folder ? "tree" : "file",
                        output.digest.hex());
  }
  return digest_of(text);
}

bool is_id_prefix(std::string_view text) {
  constexpr std::size_t shortest = 4;
  return text.size() >= shortest && text.size() <= 2 * Digest::size &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::vector<Result> results_with_id(std::span<const Result> results, std::string_view prefix) {
  std::vector<Result> found;
  std::copy_if(results.begin(), results.end(), std::back_inserter(found),
               [&](const Result& result) { return result_id(result).hex().starts_with(prefix); });
  return found;
}

}  // namespace mlpipe
