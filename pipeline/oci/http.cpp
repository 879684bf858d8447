#include "pipeline/oci/http.hpp"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <exception>
#include <thread>

#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr int most_redirects = 5;
constexpr long connect_seconds = 10;
constexpr std::uint64_t most_header_bytes = std::uint64_t{1} << 18U;
constexpr std::uint64_t most_error_bytes = std::uint64_t{1} << 16U;

struct FreeUrl {
  void operator()(CURLU* url) const { ::curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

std::string part_of(const Url& url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (::curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) {
    return "";
  }
  std::string copy = text;
  ::curl_free(text);
  return copy;
}

Url parse_url(const std::string& text) {
  Url url(::curl_url());
  if (!url || ::curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    throw Error(fmt::format("'{}' is no URL", printable(text)));
  }
  return url;
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool may_pass(int status) {
  return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

std::string lower(std::string_view text) {
  std::string copy(text);
  std::transform(copy.begin(), copy.end(), copy.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return copy;
}

// One request and its answer, reached from libcurl's callbacks.
class Exchange {
 public:
  Exchange(CURL* handle, const HttpRequest& request, const Patience& patience)
      : handle_(handle), request_(request) {
    ::curl_easy_reset(handle_);
    set(CURLOPT_URL, request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT, connect_seconds);
    set(CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(CURLOPT_LOW_SPEED_TIME, static_cast<long>(patience.silent_seconds));
    set(CURLOPT_USERAGENT, "mlpipe-registry");
    set(CURLOPT_ERRORBUFFER, message_.data());
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOPROXY, "localhost,127.0.0.1,::1");
    set(CURLOPT_HEADERFUNCTION, &Exchange::on_header);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
    set(CURLOPT_WRITEDATA, this);
    set_credentials();
    set_body();
    for (const std::string& header : request.headers) {
      add_header(header);
    }
    set(CURLOPT_HTTPHEADER, headers_.get());
  }

  HttpAnswer run() {
    const CURLcode code = ::curl_easy_perform(handle_);
    if (thrown_) {
      std::rethrow_exception(thrown_);
    }
    if (code != CURLE_OK) {
      throw Unavailable(reason(code));
    }
    answer_.url = request_.url;
    return std::move(answer_);
  }

  std::uint64_t received() const { return received_; }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    if (const CURLcode code = ::curl_easy_setopt(handle_, option, value); code != CURLE_OK) {
      throw Error(fmt::format("setting up libcurl: {}", ::curl_easy_strerror(code)));
    }
  }

  void add_header(const std::string& text) {
    headers_.reset(::curl_slist_append(headers_.release(), text.c_str()));
  }

  void set_credentials() {
    if (!request_.bearer.empty()) {
      set(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
      set(CURLOPT_XOAUTH2_BEARER, request_.bearer.c_str());
    } else if (request_.login) {
      set(CURLOPT_USERNAME, request_.login->user.c_str());
      set(CURLOPT_PASSWORD, request_.login->password.c_str());
      if (request_.aws_region.empty()) {
        set(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
      } else {
        set(CURLOPT_AWS_SIGV4, fmt::format("aws:amz:{}:s3", request_.aws_region).c_str());
      }
    }
  }

  void set_body() {
    const std::uint64_t bytes = request_.file ? request_.file->bytes : request_.body.size();
    if (request_.method == "GET") {
      return;
    }
    if (request_.method == "HEAD") {
      set(CURLOPT_NOBODY, 1L);
      return;
    }
    set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    if (request_.method == "DELETE") {
      return;
    }
    add_header("Expect:");
    if (request_.file) {
      file_ = open_file(request_.file->path, O_RDONLY);
      set(CURLOPT_UPLOAD, 1L);
      set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(bytes));
      set(CURLOPT_READFUNCTION, &Exchange::on_read);
      set(CURLOPT_READDATA, this);
      set(CURLOPT_SEEKFUNCTION, &Exchange::on_seek);
      set(CURLOPT_SEEKDATA, this);
      set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
    } else {
      set(CURLOPT_POSTFIELDS, request_.body.c_str());
      set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(bytes));
    }
  }

  std::string reason(CURLcode code) const {
    const std::string detail = printable(message_[0] != '\0' ? message_.data() : ::curl_easy_strerror(code));
    switch (code) {
      case CURLE_COULDNT_RESOLVE_HOST:
      case CURLE_COULDNT_RESOLVE_PROXY:
        return fmt::format("its host does not resolve ({})", detail);
      case CURLE_COULDNT_CONNECT:
        return fmt::format("cannot connect ({})", detail);
      case CURLE_OPERATION_TIMEDOUT:
        return fmt::format("it took too long ({})", detail);
      case CURLE_PARTIAL_FILE:
      case CURLE_GOT_NOTHING:
      case CURLE_RECV_ERROR:
      case CURLE_SEND_ERROR:
        return fmt::format("the connection was lost ({})", detail);
      default:
        return detail;
    }
  }

  void take_header(std::string_view line) {
    header_bytes_ += line.size();
    if (header_bytes_ > most_header_bytes) {
      throw Error("its answer has too many headers");
    }
    if (line.starts_with("HTTP/")) {  // also after "100 Continue"
      answer_.headers.clear();
      const std::size_t space = line.find(' ');
      answer_.status = space == std::string_view::npos ? 0 : std::atoi(line.data() + space + 1);
      return;
    }
    if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
      answer_.headers[lower(line.substr(0, colon))] = trim(line.substr(colon + 1));
    }
  }

  void take_body(std::string_view bytes) {
    received_ += bytes.size();
    if (answer_.succeeded() && request_.receive) {
      if (received_ > request_.most_bytes) {
        throw Error(fmt::format("its answer is longer than {}", format_bytes(request_.most_bytes)));
      }
      request_.receive(bytes);
    } else if (!answer_.succeeded()) {
      answer_.body += bytes.substr(0, most_error_bytes - std::min(most_error_bytes, answer_.body.size()));
    } else {
      if (received_ > request_.most_bytes) {
        throw Error(fmt::format("its answer is longer than {}", format_bytes(request_.most_bytes)));
      }
      answer_.body += bytes;
    }
  }

  // No exception may pass through libcurl.
  template <typename Work>
  bool guarded(Work work) noexcept {
    try {
      work();
      return true;
    } catch (...) {
      thrown_ = std::current_exception();
      return false;
    }
  }

  static std::size_t on_header(char* bytes, std::size_t size, std::size_t count, void* self) noexcept {
    auto& exchange = *static_cast<Exchange*>(self);
    const std::string_view line(bytes, size * count);
    return exchange.guarded([&] { exchange.take_header(std::string(line)); }) ? size * count : 0;
  }

  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) noexcept {
    auto& exchange = *static_cast<Exchange*>(self);
    return exchange.guarded([&] { exchange.take_body({bytes, size * count}); }) ? size * count : 0;
  }

  static std::size_t on_read(char* buffer, std::size_t size, std::size_t count, void* self) noexcept {
    auto& exchange = *static_cast<Exchange*>(self);
    const HttpRequest::FilePart& part = *exchange.request_.file;
    const std::uint64_t wanted = std::min<std::uint64_t>(size * count, part.bytes - exchange.sent_);
    const ssize_t got =
        ::pread(exchange.file_.get(), buffer, wanted, static_cast<off_t>(part.offset + exchange.sent_));
    if (got < 0 || (got == 0 && wanted > 0)) {
      exchange.guarded(
          [&] { throw Error(fmt::format("reading {}: it is shorter than it was", part.path.string())); });
      return CURL_READFUNC_ABORT;
    }
    exchange.sent_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }

  static int on_seek(void* self, curl_off_t offset, int origin) noexcept {
    if (origin != SEEK_SET || offset < 0) {
      return CURL_SEEKFUNC_CANTSEEK;
    }
    static_cast<Exchange*>(self)->sent_ = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
  }

  CURL* handle_;
  const HttpRequest& request_;
  std::unique_ptr<curl_slist, FreeList> headers_;
  FileDescriptor file_;
  std::array<char, CURL_ERROR_SIZE> message_{};
  HttpAnswer answer_;
  std::uint64_t header_bytes_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t sent_ = 0;
  std::exception_ptr thrown_;
};

// Seconds; a date there is not heeded.
std::optional<long> retry_after_ms(const HttpAnswer& answer) {
  const std::string text = answer.header("retry-after");
  constexpr std::size_t most_digits = 6;
  if (text.empty() || text.size() > most_digits ||
      text.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  return std::stol(text) * 1000;
}

}  // namespace

std::string HttpAnswer::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

struct HttpClient::Connections {
  struct Free {
    void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
  };
  std::unique_ptr<CURL, Free> handle{::curl_easy_init()};
};

HttpClient::HttpClient(Patience patience)
    : patience_(patience), connections_(std::make_unique<Connections>()) {
  if (!connections_->handle) {
    throw Error("starting libcurl failed");
  }
}

HttpClient::~HttpClient() = default;

HttpAnswer HttpClient::send_once(const HttpRequest& request) {
  return Exchange(connections_->handle.get(), request, patience_).run();
}

HttpAnswer HttpClient::send_and_follow(HttpRequest request) {
  for (int redirects = 0;; ++redirects) {
    HttpAnswer answer = send_once(request);
    if (!is_redirect(answer.status) || (request.method != "GET" && request.method != "HEAD")) {
      return answer;
    }
    if (redirects == most_redirects) {
      throw Error(fmt::format("more than {} redirects", most_redirects));
    }
    const std::string next = resolve_url(request.url, answer.header("location"));
    if (request.url.starts_with("https:") && !next.starts_with("https:")) {
      throw Error("a redirect leads from https to http");
    }
    if (origin_of(next) != origin_of(request.url)) {
      request.bearer.clear();
      request.login.reset();
      request.aws_region.clear();
    }
    request.url = next;
  }
}

HttpAnswer HttpClient::send(const HttpRequest& request) {
  bool received = false;
  HttpRequest sent = request;
  if (request.receive) {
    sent.receive = [&](std::string_view bytes) {
      received = true;
      request.receive(bytes);
    };
  }
  for (int retry = 0;; ++retry) {
    const bool last = retry >= patience_.retries;
    long pause = std::min<long>(static_cast<long>(patience_.first_pause_ms) << std::min(retry, 10),
                                patience_.longest_pause_ms);
    try {
      HttpAnswer answer = send_and_follow(sent);
      const auto wished = retry_after_ms(answer);
      const bool put_off = answer.status == 429 || answer.status == 503;
      if (last || !may_pass(answer.status) || (!request.repeatable && !put_off) ||
          wished.value_or(0) > patience_.longest_pause_ms) {
        return answer;
      }
      pause = wished.value_or(pause);
      fmt::print(stderr, "mlpipe-registry: the server answers with HTTP status {}; trying again in {}\n",
                 answer.status, format_duration(std::chrono::milliseconds(pause)));
    } catch (const Unavailable& error) {
      if (last || received || !request.repeatable) {
        throw;
      }
      fmt::print(stderr, "mlpipe-registry: {}; trying again in {}\n", error.what(),
                 format_duration(std::chrono::milliseconds(pause)));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause));
  }
}

std::string resolve_url(const std::string& base, const std::string& location) {
  const Url url = parse_url(base);
  if (location.empty() || ::curl_url_set(url.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK) {
    throw Error(fmt::format("the server points to '{}', which is no URL", printable(location)));
  }
  const std::string scheme = part_of(url, CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    throw Error("the server points away from http and https");
  }
  // A server cannot make us log in somewhere.
  ::curl_url_set(url.get(), CURLUPART_USER, nullptr, 0);
  ::curl_url_set(url.get(), CURLUPART_PASSWORD, nullptr, 0);
  return part_of(url, CURLUPART_URL);
}

std::string origin_of(const std::string& url) {
  const Url parsed = parse_url(url);
  return fmt::format("{}://{}:{}", part_of(parsed, CURLUPART_SCHEME), lower(part_of(parsed, CURLUPART_HOST)),
                     part_of(parsed, CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

std::string url_encoded(std::string_view text) {
  char* encoded = ::curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()));
  std::string copy = encoded == nullptr ? "" : encoded;
  ::curl_free(encoded);
  return copy;
}

}  // namespace mlpipe
