#include "pipeline/kubernetes/api.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <nlohmann/json.hpp>

#include "pipeline/base/text.hpp"
#include "pipeline/cluster/cluster_failure.hpp"

namespace mlpipe {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::json;

constexpr auto start_time = 30s;     // that kubectl has to serve
constexpr auto first_patience = 5s;  // with a cluster that has never answered
constexpr auto unnoticed = 2s;       // that it may be away before that is said
constexpr auto longest_pause = 10'000ms;

// What does not pass by itself, though kubectl's proxy gives it as its own failure.
bool stands(const std::string& words) {
  constexpr std::string_view forms[] = {"x509:", "tls:", "getting credentials", "executable"};
  return std::any_of(std::begin(forms), std::end(forms),
                     [&words](std::string_view form) { return words.find(form) != std::string::npos; });
}

bool is_status(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  return json.is_object() && json.value("kind", "") == "Status";
}

}  // namespace

ApiProxy::ApiProxy(Kubectl kubectl, std::string socket)
    : kubectl_(std::move(kubectl)), socket_(std::move(socket)) {
  start();
}

ApiProxy::~ApiProxy() {
  end();
}

void ApiProxy::end() {
  if (process_) {
    process_->send_signal(SIGTERM);
    process_->wait();
    process_.reset();
  }
  ::unlink(socket_.c_str());
}

void ApiProxy::start_again() {
  end();
  start();
}

void ApiProxy::start() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("making a pipe");
  }
  output_ = FileDescriptor(ends[0]);
  const FileDescriptor writing(ends[1]);
  errors_ = memory_file("");
  Command command = kubectl_.command({"proxy", "--unix-socket=" + socket_});
  // It only hands bytes on, for as many logs as there are steps: memory is worth more than time.
  command.environment->emplace("GOGC", "40");
  command.environment->emplace("GOMEMLIMIT", "40MiB");
  command.environment->emplace("GOMAXPROCS", "2");
  command.standard_output = writing.get();
  command.standard_error = errors_.get();
  command.signal_when_parent_ends = SIGTERM;
  process_ = Process::start(command);
  const auto until = std::chrono::steady_clock::now() + start_time;
  while (::access(socket_.c_str(), F_OK) != 0) {
    pollfd ended{output_.get(), POLLIN, 0};
    ::poll(&ended, 1, 10);
    const bool over = std::chrono::steady_clock::now() > until;
    if (over || process_->poll()) {
      process_->send_signal(SIGKILL);
      Captured captured{process_->wait(), "", read_file(fmt::format("/proc/self/fd/{}", errors_.get()))};
      throw kubectl_.failure("starting `kubectl proxy`", captured);
    }
  }
}

std::string words_of(const ApiAnswer& answer) {
  if (!answer.fault.empty()) {
    return answer.fault;
  }
  const Json json = Json::parse(answer.body, nullptr, false);
  if (json.is_object() && json.contains("message") && json["message"].is_string()) {
    return json["message"].get<std::string>();
  }
  const std::string words(trim(answer.body));
  return words.empty() ? fmt::format("HTTP status {}", answer.status) : words;
}

Answered Api::look_at(const ApiAnswer& answer) {
  constexpr int internal = 500;
  const bool gateway = answer.status == 502 || answer.status == 503 || answer.status == 504;
  const bool proxys_own = answer.status == internal && !is_status(answer.body) && !stands(answer.body);
  if (answer.status == 429) {
    return Answered::not_now;
  }
  if (answer.status != 0 && !gateway && !proxys_own) {
    heard();
    return Answered::yes;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!away_since_) {
    away_since_ = now;
  }
  if (!ever_ && now - *away_since_ > first_patience) {
    const Error error = cluster_failure("asking the cluster", words_of(answer));
    give_up_(error.hint().empty() ? error.what() : fmt::format("{}\n{}", error.what(), error.hint()));
  } else if (ever_ && !away_ && now - *away_since_ > unnoticed) {
    away_ = true;
    tell_(fmt::format("the cluster's API server does not answer ({}); the run goes on, and asks it again",
                      printable(words_of_cluster(words_of(answer)))));
  }
  return Answered::not_now;
}

void Api::heard() {
  ever_ = true;
  away_since_.reset();
  if (away_) {
    away_ = false;
    tell_("the cluster's API server answers again");
  }
}

std::chrono::milliseconds Api::pause(int tries) const {
  return std::min<std::chrono::milliseconds>(500ms * (1 << std::min(tries, 6)), longest_pause);
}

void Api::call(ApiCall call, std::weak_ptr<void> wanted, Done done) {
  attempt(std::make_shared<ApiCall>(std::move(call)), std::move(wanted), std::move(done), 0);
}

void Api::attempt(const std::shared_ptr<ApiCall>& call, std::weak_ptr<void> wanted, Done done, int tries) {
  ApiCall once = *call;
  once.done = [this, call, wanted, done, tries](const ApiAnswer& answer) {
    const Answered answered = look_at(answer);
    if (wanted.expired()) {
      return;
    }
    if (answered == Answered::yes) {
      done(answer);
      return;
    }
    loop_.after(pause(tries), [this, call, wanted, done, tries] {
      if (!wanted.expired()) {
        attempt(call, wanted, done, tries + 1);
      }
    });
  };
  loop_.http().begin(std::move(once));
}

}  // namespace mlpipe
