#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "pipeline/base/error.hpp"

namespace mlpipe {

// A transfer that failed. What may pass is worth another try.
class TransferError : public Error {
 public:
  TransferError(const std::string& message, bool may_pass) : Error(message), may_pass_(may_pass) {}
  bool may_pass() const { return may_pass_; }

 private:
  bool may_pass_;
};

// How far a download is.
struct Transferred {
  std::uint64_t bytes = 0;
  std::uint64_t total = 0;  // 0: unknown
};

struct Download {
  std::string url;
  std::optional<std::chrono::milliseconds> timeout;    // for all of it
  std::function<void(std::string_view)> receive;       // gets the body piece by piece
  std::function<bool(const Transferred&)> keep_going;  // asked at least once a second; false ends it
};

// Throws UsageError unless the text is an http or https URL with a host.
void check_url(const std::string& url);

// The URL without a user's name and password, for messages.
std::string url_for_messages(const std::string& url);

// Gets a URL's body by http or https, whose certificate is checked; follows at most ten redirects, to http
// and https only. Throws TransferError in one sentence, without the URL; what `receive` throws passes
// through. False when `keep_going` ended it.
bool run_download(const Download& download);

}  // namespace mlpipe
