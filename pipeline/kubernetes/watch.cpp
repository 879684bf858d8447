#include "pipeline/kubernetes/watch.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace mlpipe {
namespace {

using Json = nlohmann::json;

constexpr int objects_of_a_page = 200;
constexpr int stream_seconds = 600;
constexpr int gone_status = 410;

std::string text_at(const Json& json, const char* object, const char* key) {
  const auto found = json.find(object);
  return found != json.end() && found->is_object() ? found->value(key, "") : "";
}

}  // namespace

Watch::Watch(Api& api, std::string path, std::string selector, Listener listener)
    : api_(api), path_(std::move(path)), selector_(std::move(selector)), listener_(std::move(listener)) {
  list("");
}

Watch::~Watch() {
  if (stream_ != 0) {
    api_.loop().http().abandon(stream_);
  }
}

void Watch::list(const std::string& next_page) {
  if (next_page.empty()) {
    for (auto& [name, listed] : names_) {
      listed = false;
    }
  }
  ApiCall call;
  call.path = fmt::format("{}?{}&limit={}", path_, selector_, objects_of_a_page);
  if (!next_page.empty()) {
    call.path += "&continue=" + next_page;
  }
  api_.call(std::move(call), alive_, [this](const ApiAnswer& answer) { take_list(answer); });
}

void Watch::take_list(const ApiAnswer& answer) {
  const std::weak_ptr<int> alive = alive_;
  if (answer.status == gone_status) {  // the next page took too long
    list("");
    return;
  }
  const Json page = Json::parse(answer.body, nullptr, false);
  if (!answer.succeeded() || !page.is_object() || !page.contains("items")) {
    listener_.refused(answer);
    return;
  }
  for (const Json& object : page["items"]) {
    names_[text_at(object, "metadata", "name")] = true;
    listener_.seen(object);
    if (alive.expired()) {
      return;
    }
  }
  if (const std::string next = text_at(page, "metadata", "continue"); !next.empty()) {
    list(next);
    return;
  }
  version_ = text_at(page, "metadata", "resourceVersion");
  const auto names = names_;
  for (const auto& [name, listed] : names) {
    if (!listed) {
      names_.erase(name);
      listener_.gone(name);
      if (alive.expired()) {
        return;
      }
    }
  }
  listener_.listed();
  if (!alive.expired()) {
    follow();
  }
}

void Watch::follow() {
  partial_.clear();
  ApiCall call;
  call.path = fmt::format("{}?{}&watch=1&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={}",
                          path_, selector_, stream_seconds, version_);
  call.receive = [this](std::string_view bytes) { take_bytes(bytes); };
  call.done = [this](const ApiAnswer& answer) {
    stream_ = 0;
    take_end(answer);
  };
  stream_ = api_.loop().http().begin(std::move(call));
}

void Watch::take_bytes(std::string_view bytes) {
  const std::weak_ptr<int> alive = alive_;
  api_.heard();
  tries_ = 0;
  partial_ += bytes;
  std::size_t begin = 0;
  for (std::size_t end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', begin)) {
    const std::string line = partial_.substr(begin, end - begin);
    begin = end + 1;
    take_line(line);
    if (alive.expired()) {
      return;
    }
  }
  partial_.erase(0, begin);
}

void Watch::take_line(const std::string& line) {
  const Json event = Json::parse(line, nullptr, false);
  if (!event.is_object() || !event.contains("object")) {
    return;
  }
  const std::string type = event.value("type", "");
  const Json& object = event["object"];
  if (type == "ERROR") {
    forgotten_ = true;  // 410 most often; a list is right after any other too
    return;
  }
  version_ = text_at(object, "metadata", "resourceVersion");
  const std::string name = text_at(object, "metadata", "name");
  if (type == "DELETED") {
    names_.erase(name);
    listener_.seen(object);
    listener_.gone(name);
  } else if (type != "BOOKMARK") {
    names_[name] = true;
    listener_.seen(object);
  }
}

// A stream ends when its time is over, or is cut.
void Watch::take_end(const ApiAnswer& answer) {
  const bool refused =
      answer.status >= 400 && answer.status != gone_status && api_.look_at(answer) == Answered::yes;
  if (refused) {
    listener_.refused(answer);
    return;
  }
  if (answer.status == 0) {
    api_.look_at(answer);
  }
  again(std::exchange(forgotten_, false) || answer.status == gone_status);
}

void Watch::again(bool from_the_beginning) {
  const auto pause = tries_ == 0 ? std::chrono::milliseconds(100) : api_.pause(tries_);
  ++tries_;
  api_.loop().after(pause, [this, alive = std::weak_ptr<int>(alive_), from_the_beginning] {
    if (alive.expired()) {
      return;
    }
    if (from_the_beginning) {
      list("");
    } else {
      follow();
    }
  });
}

}  // namespace mlpipe
