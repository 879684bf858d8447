#include "pipeline/fetch/download.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <array>
#include <exception>
#include <memory>
#include <system_error>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr long most_redirects = 10;
constexpr long connect_seconds = 30;
constexpr long silent_seconds = 60;  // without a byte, and it is given up

struct FreeUrl {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

Url parse_url(const std::string& text) {
  Url url(::curl_url());
  if (!url || ::curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return nullptr;
  }
  return url;
}

std::string part_of(const Url& url, CURLUPart part) {
  char* text = nullptr;
  if (::curl_url_get(url.get(), part, &text, 0) != CURLUE_OK) {
    return "";
  }
  std::string copy = text;
  ::curl_free(text);
  return copy;
}

// One transfer's state, reached from libcurl's callbacks.
class Transfer {
 public:
  explicit Transfer(const Download& download) : download_(download), handle_(::curl_easy_init()) {
    if (!handle_) {
      throw Error("starting libcurl failed");
    }
    set(CURLOPT_URL, download.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_MAXREDIRS, most_redirects);
    set(CURLOPT_FAILONERROR, 1L);
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, connect_seconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, silent_seconds);
    set(CURLOPT_USERAGENT, "mlpipe-fetch");
    set(CURLOPT_ERRORBUFFER, message_.data());
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, &Transfer::on_progress);
    set(CURLOPT_XFERINFODATA, this);
    if (download.timeout) {
      set(CURLOPT_TIMEOUT_MS, std::max<long>(1, static_cast<long>(download.timeout->count())));
    }
  }

  bool run() {
    const CURLcode code = ::curl_easy_perform(handle_.get());
    if (thrown_) {
      std::rethrow_exception(thrown_);
    }
    if (code == CURLE_ABORTED_BY_CALLBACK) {
      return false;
    }
    if (code != CURLE_OK) {
      throw_for(code);
    }
    return true;
  }

 private:
  struct Free {
    void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
  };

  template <class Value>
  void set(CURLoption option, Value value) {
    if (const CURLcode code = ::curl_easy_setopt(handle_.get(), option, value); code != CURLE_OK) {
      throw Error(fmt::format("setting up libcurl: {}", ::curl_easy_strerror(code)));
    }
  }

  long number(CURLINFO info) const {
    long value = 0;
    ::curl_easy_getinfo(handle_.get(), info, &value);
    return value;
  }

  [[noreturn]] void throw_for(CURLcode code) const {
    const std::string detail = printable(message_[0] != '\0' ? message_.data() : ::curl_easy_strerror(code));
    switch (code) {
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
        throw TransferError(fmt::format("its host does not resolve ({})", detail), false);
      case CURLE_COULDNT_CONNECT: {
        const auto reason = static_cast<int>(number(CURLINFO_OS_ERRNO));
        throw TransferError(
            fmt::format("cannot connect: {}", reason != 0 ? std::generic_category().message(reason) : detail),
            true);
      }
      case CURLE_HTTP_RETURNED_ERROR: {
        const long status = number(CURLINFO_RESPONSE_CODE);
        throw TransferError(fmt::format("the server answers with HTTP status {}", status), status >= 500);
      }
      case CURLE_PARTIAL_FILE:
        throw TransferError(
            seen_.total > 0 ? fmt::format("the body was cut off after {} of {} bytes", received_, seen_.total)
                            : fmt::format("the body was cut off after {} bytes", received_),
            true);
      case CURLE_GOT_NOTHING:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
        throw TransferError(fmt::format("the connection was lost after {} bytes ({})", received_, detail),
                            true);
      case CURLE_OPERATION_TIMEDOUT:
        throw TransferError(fmt::format("it took too long ({})", detail), false);
      case CURLE_TOO_MANY_REDIRECTS:
        throw TransferError(fmt::format("more than {} redirects", most_redirects), false);
      case CURLE_UNSUPPORTED_PROTOCOL:
        throw TransferError("a redirect leads away from http and https", false);
      default:
        throw TransferError(detail, false);
    }
  }

  static std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* self) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    try {
      transfer.download_.receive(std::string_view(bytes, count));
      transfer.received_ += count;
      return count;
    } catch (...) {  // no exception may pass through libcurl
      transfer.thrown_ = std::current_exception();
      return 0;
    }
  }

  static int on_progress(void* self, curl_off_t total, curl_off_t, curl_off_t, curl_off_t) noexcept {
    auto& transfer = *static_cast<Transfer*>(self);
    try {
      transfer.seen_ = {transfer.received_, static_cast<std::uint64_t>(std::max<curl_off_t>(0, total))};
      return transfer.download_.keep_going(transfer.seen_) ? 0 : 1;
    } catch (...) {
      transfer.thrown_ = std::current_exception();
      return 1;
    }
  }

  const Download& download_;
  std::unique_ptr<CURL, Free> handle_;
  std::array<char, CURL_ERROR_SIZE> message_{};
  std::uint64_t received_ = 0;
  Transferred seen_;
  std::exception_ptr thrown_;
};

}  // namespace

void check_url(const std::string& url) {
  const Url parsed = parse_url(url);
  const std::string scheme = parsed ? part_of(parsed, CURLUPART_SCHEME) : "";
  if (scheme != "http" && scheme != "https") {
    throw UsageError(fmt::format("'{}' is no http or https URL", printable(url)));
  }
}

std::string url_for_messages(const std::string& url) {
  const Url parsed = parse_url(url);
  if (!parsed) {
    return printable(url);
  }
  ::curl_url_set(parsed.get(), CURLUPART_USER, nullptr, 0);
  ::curl_url_set(parsed.get(), CURLUPART_PASSWORD, nullptr, 0);
  return printable(part_of(parsed, CURLUPART_URL));
}

bool run_download(const Download& download) {
  return Transfer(download).run();
}

}  // namespace mlpipe
