#include "pipeline/kubernetes/http.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t most_body = std::size_t{64} << 20U;
constexpr long kept_connections = 8;
constexpr long read_at_once = 16 << 10;

struct FreeEasy {
  void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};

}  // namespace

struct Http::Multi {
  Multi() : handle(::curl_multi_init()) {
    if (handle == nullptr) {
      throw Error("starting libcurl failed");
    }
    ::curl_multi_setopt(handle, CURLMOPT_MAXCONNECTS, kept_connections);
  }
  ~Multi() { ::curl_multi_cleanup(handle); }
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;

  CURLM* handle;
};

struct Http::Exchange {
  ApiCall call;
  std::unique_ptr<CURL, FreeEasy> handle{::curl_easy_init()};
  std::unique_ptr<curl_slist, FreeList> headers;
  std::array<char, CURL_ERROR_SIZE> message{};
  std::string arrived;  // and not delivered
  ApiAnswer answer;
  bool ended = false;

  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) noexcept {
    auto& exchange = *static_cast<Exchange*>(self);
    long status = 0;
    ::curl_easy_getinfo(exchange.handle.get(), CURLINFO_RESPONSE_CODE, &status);
    std::string& to =
        exchange.call.receive && status >= 200 && status < 300 ? exchange.arrived : exchange.answer.body;
    if (to.size() + size * count > most_body) {
      return 0;
    }
    to.append(bytes, size * count);
    return size * count;
  }
};

Http::Http(std::string socket) : socket_(std::move(socket)), multi_(std::make_unique<Multi>()) {}

Http::~Http() {
  for (const auto& [id, exchange] : exchanges_) {
    if (!exchange->ended) {
      ::curl_multi_remove_handle(multi_->handle, exchange->handle.get());
    }
  }
}

Http::Id Http::begin(ApiCall call) {
  auto exchange = std::make_unique<Exchange>();
  exchange->call = std::move(call);
  CURL* handle = exchange->handle.get();
  if (handle == nullptr) {
    throw Error("starting libcurl failed");
  }
  const auto set = [handle](CURLoption option, auto value) {
    if (const CURLcode code = ::curl_easy_setopt(handle, option, value); code != CURLE_OK) {
      throw Error(fmt::format("setting up libcurl: {}", ::curl_easy_strerror(code)));
    }
  };
  set(CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  set(CURLOPT_URL, ("http://localhost" + exchange->call.path).c_str());
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_BUFFERSIZE, read_at_once);
  set(CURLOPT_USERAGENT, "mlpipe-kubernetes");
  set(CURLOPT_ERRORBUFFER, exchange->message.data());
  set(CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  set(CURLOPT_WRITEDATA, exchange.get());
  set(CURLOPT_CUSTOMREQUEST, exchange->call.method.c_str());
  if (!exchange->call.body.empty()) {
    set(CURLOPT_POSTFIELDS, exchange->call.body.c_str());
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(exchange->call.body.size()));
    exchange->headers.reset(::curl_slist_append(nullptr, "Content-Type: application/json"));
    exchange->headers.reset(::curl_slist_append(exchange->headers.release(), "Expect:"));
    set(CURLOPT_HTTPHEADER, exchange->headers.get());
  }
  const Id id = ++last_;
  ::curl_easy_setopt(handle, CURLOPT_PRIVATE, exchange.get());
  ::curl_multi_add_handle(multi_->handle, handle);
  exchanges_.emplace(id, std::move(exchange));
  return id;
}

void Http::abandon(Id id) {
  const auto found = exchanges_.find(id);
  if (found == exchanges_.end()) {
    return;
  }
  if (!found->second->ended) {
    ::curl_multi_remove_handle(multi_->handle, found->second->handle.get());
  }
  exchanges_.erase(found);
}

void Http::wait(std::span<pollfd> others, std::chrono::milliseconds at_most) {
  int running = 0;
  ::curl_multi_perform(multi_->handle, &running);
  take_endings();
  const bool something = std::any_of(exchanges_.begin(), exchanges_.end(), [](const auto& one) {
    return one.second->ended || !one.second->arrived.empty();
  });
  std::vector<curl_waitfd> waited;
  waited.reserve(others.size());
  for (const pollfd& other : others) {
    waited.push_back({other.fd, CURL_WAIT_POLLIN, 0});
  }
  const auto milliseconds = static_cast<int>(something ? 0 : at_most.count());
  ::curl_multi_poll(multi_->handle, waited.data(), static_cast<unsigned>(waited.size()), milliseconds,
                    nullptr);
  for (std::size_t i = 0; i < waited.size(); ++i) {
    others[i].revents = waited[i].revents;
  }
  ::curl_multi_perform(multi_->handle, &running);
  take_endings();
}

void Http::take_endings() {
  int left = 0;
  while (const CURLMsg* message = ::curl_multi_info_read(multi_->handle, &left)) {
    if (message->msg != CURLMSG_DONE) {
      continue;
    }
    CURL* handle = message->easy_handle;
    const CURLcode code = message->data.result;
    Exchange* exchange = nullptr;
    ::curl_easy_getinfo(handle, CURLINFO_PRIVATE, &exchange);
    long status = 0;
    ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    ::curl_multi_remove_handle(multi_->handle, handle);  // `message` is not valid after it
    exchange->ended = true;
    if (code == CURLE_OK) {
      exchange->answer.status = static_cast<int>(status);
    } else {
      exchange->answer.fault =
          printable(exchange->message[0] != '\0' ? exchange->message.data() : ::curl_easy_strerror(code));
    }
  }
}

void Http::deliver() {
  std::vector<Id> ready;
  for (const auto& [id, exchange] : exchanges_) {
    if (exchange->ended || !exchange->arrived.empty()) {
      ready.push_back(id);
    }
  }
  for (const Id id : ready) {
    auto found = exchanges_.find(id);  // what was called back before may have abandoned it
    if (found != exchanges_.end() && !found->second->arrived.empty()) {
      const std::string bytes = std::exchange(found->second->arrived, "");
      const auto receive = found->second->call.receive;
      receive(bytes);
      found = exchanges_.find(id);
    }
    if (found != exchanges_.end() && found->second->ended) {
      const std::unique_ptr<Exchange> exchange = std::move(found->second);
      exchanges_.erase(found);
      exchange->call.done(exchange->answer);
    }
  }
}

}  // namespace mlpipe
