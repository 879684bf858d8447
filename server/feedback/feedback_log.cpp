#include "server/feedback/feedback_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* file_name = "feedback.jsonl";

std::string line_of(const Feedback& feedback) {
  Json line = {{"time", format_time(std::chrono::system_clock::now())}, {"model", feedback.model}};
  if (!feedback.version.empty()) {
    line["version"] = feedback.version;
  }
  line["values"] = feedback.values;
  line["labels"] = feedback.labels;
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Feedback feedback_in(std::string_view text) {
  const Json line = Json::parse(text);
  return {line.at("model"), line.value("version", ""), line.at("values"), line.at("labels")};
}

// What makes two the same: neither when nor by which version.
Digest identity_of(const Feedback& feedback) {
  std::string bytes = fmt::format("{}:{}", feedback.model.size(), feedback.model);
  for (const std::string& label : feedback.labels) {
    bytes += fmt::format("{}:{}", label.size(), label);
  }
  bytes += '\0';
  bytes.append(reinterpret_cast<const char*>(feedback.values.data()), feedback.values.size() * sizeof(float));
  return digest_of(bytes);
}

// Calls `use` with each whole line; returns the length of all of them.
template <typename Use>
std::size_t for_each_line(std::string_view text, const Use& use) {
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string_view::npos; begin = end + 1) {
    use(text.substr(begin, end - begin));
  }
  return begin;
}

}  // namespace

FeedbackLog::FeedbackLog(const std::filesystem::path& folder, FeedbackLimits limits)
    : path_(folder / file_name), limits_(limits) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw Error(fmt::format("making the folder {} for feedback: {}", folder.string(), error.message()),
                "name another one with --feedback");
  }
  std::optional<FileLock> lock = FileLock::try_lock(folder / "lock");
  if (!lock) {
    throw Error(fmt::format("{}: another server writes its feedback there", folder.string()),
                "give each server a folder of its own with --feedback");
  }
  lock_ = std::move(lock);
  file_ = open_file(path_, O_RDWR | O_CREAT | O_APPEND, 0600);
  take_over();
  sync_directory(folder);
}

void FeedbackLog::take_over() {
  const std::string text = read_file(path_);
  std::size_t number = 0;
  bytes_ = for_each_line(text, [&](std::string_view line) {
    ++number;
    try {
      known_.insert(identity_of(feedback_in(line)));
    } catch (const nlohmann::json::exception&) {
      throw Error(fmt::format("{}:{}: it is no line of feedback", path_.string(), number),
                  "move the file away, or name another folder with --feedback");
    }
  });
  if (bytes_ != text.size() && ::ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0) {
    throw_errno(fmt::format("cutting off what was half written in {}", path_.string()));
  }
}

std::vector<FeedbackLog::Outcome> FeedbackLog::append(std::span<const Feedback> all) {
  std::vector<Outcome> outcomes;
  std::set<Digest> added;
  std::string lines;
  const std::lock_guard lock(mutex_);
  for (const Feedback& feedback : all) {
    const Digest identity = identity_of(feedback);
    const std::string line = line_of(feedback);
    if (known_.contains(identity) || added.contains(identity)) {
      outcomes.push_back(Outcome::known);
    } else if (known_.size() + added.size() >= limits_.entries ||
               bytes_ + lines.size() + line.size() > limits_.bytes) {
      outcomes.push_back(Outcome::full);
    } else {
      outcomes.push_back(Outcome::stored);
      added.insert(identity);
      lines += line;
    }
  }
  if (!lines.empty()) {
    write(lines);
    bytes_ += lines.size();
    known_.merge(added);
  }
  return outcomes;
}

void FeedbackLog::write(const std::string& lines) {
  try {
    write_all(file_.get(), lines, path_.string());
    if (::fdatasync(file_.get()) != 0) {
      throw_errno("writing " + path_.string());
    }
  } catch (...) {
    // What is half there would spoil the next line.
    if (::ftruncate(file_.get(), static_cast<off_t>(bytes_)) != 0) {
      throw Error(fmt::format("{}: it is damaged and cannot be cut off", path_.string()));
    }
    throw;
  }
}

std::vector<Feedback> FeedbackLog::read(const std::string& model) const {
  std::string text;
  {
    const std::lock_guard lock(mutex_);
    text = read_file(path_);
  }
  std::vector<Feedback> found;
  for_each_line(text, [&](std::string_view line) {
    Feedback feedback = feedback_in(line);
    if (feedback.model == model) {
      found.push_back(std::move(feedback));
    }
  });
  return found;
}

std::size_t FeedbackLog::entries() const {
  const std::lock_guard lock(mutex_);
  return known_.size();
}

}  // namespace mlpipe
