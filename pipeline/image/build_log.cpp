#include "pipeline/image/build_log.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t lines_of_failure = 20;
constexpr std::size_t words_kept = 12;

// Without colours, and of a line that was written over again and again what stood there last.
std::string plain(std::string_view line) {
  while (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (const std::size_t last = line.rfind('\r'); last != std::string_view::npos) {
    line.remove_prefix(last + 1);
  }
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line.substr(i).starts_with("\x1b[")) {
      i += 2;
      while (i < line.size() && (line[i] < '@' || line[i] > '~')) {
        ++i;
      }
    } else {
      text += line[i];
    }
  }
  return text;
}

struct Place {
  std::size_t step = 0;
  std::size_t of = 0;
  std::size_t length = 0;  // of the text that says so
};

std::optional<std::size_t> take_number(std::string_view& text) {
  std::size_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  return number;
}

// "3/9" at the beginning.
std::optional<Place> place_in(std::string_view text) {
  const std::size_t size = text.size();
  const auto step = take_number(text);
  if (!step || !text.starts_with('/')) {
    return std::nullopt;
  }
  text.remove_prefix(1);
  const auto of = take_number(text);
  if (!of) {
    return std::nullopt;
  }
  return Place{*step, *of, size - text.size()};
}

// What a line of a builder without ids begins: "Step 3/9 : RUN x", "STEP 3/9: RUN x", "[1/2] STEP 3/9: RUN
// x".
struct Announced {
  std::string stage;
  Place place;
  std::string instruction;
};

std::optional<Announced> announced_in(std::string_view line) {
  Announced announced;
  if (line.starts_with('[')) {
    const auto stage = place_in(line.substr(1));
    if (!stage || !line.substr(1 + stage->length).starts_with("] STEP ")) {
      return std::nullopt;
    }
    announced.stage = std::to_string(stage->step);
    line.remove_prefix(stage->length + 3);
  }
  if (!line.starts_with("Step ") && !line.starts_with("STEP ")) {
    return std::nullopt;
  }
  line.remove_prefix(5);
  const auto place = place_in(line);
  const std::size_t colon = line.find(':');
  if (!place || colon == std::string_view::npos ||
      !trim(line.substr(place->length, colon - place->length)).empty()) {
    return std::nullopt;
  }
  announced.place = *place;
  announced.instruction = trim(line.substr(colon + 1));
  return announced;
}

// "[build 3/5]" of "[build 3/5] RUN make", "[linux/amd64 build 3/5]"; the stage is all before the numbers.
std::optional<Announced> announced_by_buildkit(std::string_view name) {
  const std::size_t close = name.find("] ");
  if (!name.starts_with('[') || close == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view inside = name.substr(1, close - 1);
  const std::size_t space = inside.rfind(' ');
  const std::string_view numbers = space == std::string_view::npos ? inside : inside.substr(space + 1);
  const auto place = place_in(trim(numbers));
  if (!place) {
    return std::nullopt;
  }
  return Announced{std::string(space == std::string_view::npos ? "" : inside.substr(0, space)), *place,
                   std::string(name.substr(close + 2))};
}

std::string seconds_text(std::chrono::milliseconds time) {
  return format_duration(time);
}

// "exit status 3" of "… returned a non-zero code: 3", "… exit code: 3", "… exit status 3".
std::string exit_status_in(std::string_view words) {
  for (const std::string_view form : {"non-zero code: ", "exit code: ", "exit status "}) {
    if (const std::size_t at = words.rfind(form); at != std::string_view::npos) {
      std::string_view rest = words.substr(at + form.size());
      if (const auto number = take_number(rest)) {
        return fmt::format("exit status {}", *number);
      }
    }
  }
  return "";
}

bool is_noise(std::string_view line) {
  return line.starts_with(" ---> ") || line.starts_with("--> ") ||
         line.starts_with("Removing intermediate container ") ||
         line.starts_with("DEPRECATED: The legacy builder") ||
         line.starts_with("            BuildKit is currently disabled") ||
         line.starts_with("            environment-variable.") ||
         line.starts_with("            Install the buildx component") ||
         line.starts_with("            https://docs.docker.com/go/buildx");
}

}  // namespace

std::size_t BuildLog::total() const {
  std::size_t total = 0;
  for (const auto& [stage, count] : totals_) {
    total += count;
  }
  return total;
}

BuildLog::Step* BuildLog::current() {
  const auto found = steps_.find(current_);
  return found == steps_.end() ? nullptr : &found->second;
}

void BuildLog::keep(Step& step, const std::string& line) {
  step.last_lines.push_back(line);
  if (step.last_lines.size() > lines_of_failure) {
    step.last_lines.pop_front();
  }
}

std::vector<std::string> BuildLog::begin_step(const std::string& id, Step step, Time now) {
  step.begun = now;
  if (!step.instruction.empty()) {
    instruction_ = step.instruction;
  }
  std::vector<std::string> shown;
  shown.push_back(step.instruction.empty() ? step.label : fmt::format("{} {}", step.label, step.instruction));
  steps_.insert_or_assign(id, std::move(step));
  return shown;
}

std::vector<std::string> BuildLog::end_step(Step& step, const std::string& how) {
  if (step.ended) {
    return {};
  }
  step.ended = true;
  done_ += step.instruction.empty() ? 0 : 1;
  return {fmt::format("{} {}", step.label, how)};
}

std::vector<std::string> BuildLog::end_step(Step& step, Time now) {
  return end_step(step, std::exchange(cached_, false) ? "cached" : seconds_text(now - step.begun));
}

std::vector<std::string> BuildLog::read(std::string_view raw, Time now) {
  const std::string line = plain(raw);
  if (trim(line).empty()) {
    return {};
  }
  if (line.starts_with('#') && line.size() > 1 && line[1] >= '0' && line[1] <= '9') {
    return read_buildkit(line, now);
  }
  if (const auto announced = announced_in(line)) {
    std::vector<std::string> shown =
        current() != nullptr ? end_step(*current(), now) : std::vector<std::string>{};
    totals_[announced->stage] = announced->place.of;
    current_ = fmt::format("{} {}", announced->stage, announced->place.step);
    Step step;
    step.label = announced->stage.empty() ? fmt::format("[{}/{}]", announced->place.step, announced->place.of)
                                          : fmt::format("[stage {} {}/{}]", announced->stage,
                                                        announced->place.step, announced->place.of);
    step.instruction = announced->instruction;
    for (std::string& begun : begin_step(current_, std::move(step), now)) {
      shown.push_back(std::move(begun));
    }
    return shown;
  }
  if (is_noise(line)) {
    cached_ |= line.find("Using cache") != std::string::npos;
    return {};
  }
  if (line == "------") {  // before and after what BuildKit repeats
    repeats_ = !repeats_;
    return {};
  }
  if (repeats_) {
    return {};
  }
  words_.push_back(line);
  if (words_.size() > words_kept) {
    words_.erase(words_.begin());
  }
  const bool of_the_builder = line.starts_with("Error: ") || line.starts_with("ERROR: ") ||
                              line.starts_with("The command '") || line.starts_with("Successfully ");
  if (Step* step = current(); step != nullptr && !step->ended && !of_the_builder) {
    keep(*step, line);
  }
  return {line};
}

std::vector<std::string> BuildLog::read_buildkit(std::string_view line, Time now) {
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) {
    return {};
  }
  const std::string id(line.substr(0, space));
  const std::string_view text = line.substr(space + 1);
  const auto found = steps_.find(id);
  if (found == steps_.end()) {
    Step step;
    if (const auto announced = announced_by_buildkit(text)) {
      totals_[announced->stage] = announced->place.of;
      step.label = std::string(text.substr(0, text.find("] ") + 1));
      step.instruction = announced->instruction;
    } else {
      step.label = text;
    }
    const bool quiet = step.label.starts_with("[internal]") || id == "#0";
    std::vector<std::string> shown = begin_step(id, std::move(step), now);
    return quiet ? std::vector<std::string>{} : shown;
  }
  Step& step = found->second;
  const bool quiet = step.label.starts_with("[internal]");
  if (text.starts_with("[") && text.find("] ") != std::string_view::npos && announced_by_buildkit(text)) {
    instruction_ = step.instruction;  // its output goes on after another's
    return {};
  }
  if (text == "CACHED" || text.starts_with("DONE ")) {
    const std::vector<std::string> shown =
        end_step(step, text == "CACHED" ? "cached" : seconds_text(now - step.begun));
    return quiet || (step.instruction.empty() && text != "CACHED") ? std::vector<std::string>{} : shown;
  }
  if (text == "CANCELED") {
    step.ended = true;
    return {};
  }
  if (text.starts_with("ERROR: ")) {
    failed_ = id;
    words_.emplace_back(text);
    return {};
  }
  // "0.345 what the step prints"; what BuildKit says itself of a step has no time.
  const std::size_t time_end = text.find(' ');
  const std::string_view time = text.substr(0, time_end);
  const bool printed = !time.empty() && time.find('.') != std::string_view::npos &&
                       time.find_first_not_of("0123456789.") == std::string_view::npos;
  const std::string said(printed && time_end != std::string_view::npos ? text.substr(time_end + 1)
                         : printed                                     ? std::string_view()
                                                                       : text);
  if (printed) {
    keep(step, said);
  }
  return quiet ? std::vector<std::string>{} : std::vector{fmt::format("{} | {}", step.label, said)};
}

std::vector<std::string> BuildLog::end(Time now) {
  Step* step = current();
  return step != nullptr && failed_.empty() ? end_step(*step, now) : std::vector<std::string>{};
}

std::vector<std::string> BuildLog::failure() const {
  const auto found = steps_.find(failed_.empty() ? current_ : failed_);
  std::string words;
  for (const std::string& line : words_) {
    if (line.starts_with("Error: ") || line.starts_with("ERROR: ") || line.starts_with("The command '")) {
      words = line;
    }
  }
  if (words.empty() && !words_.empty()) {
    words = words_.back();
  }
  if (found == steps_.end() || found->second.instruction.empty()) {
    return {fmt::format("the build failed: {}", words)};
  }
  const Step& step = found->second;
  std::vector<std::string> lines = {fmt::format("the build failed at {} {}", step.label, step.instruction)};
  for (const std::string& line : step.last_lines) {
    lines.push_back("    " + line);
  }
  const std::string status = exit_status_in(words);
  lines.push_back(status.empty() ? words : status);
  return lines;
}

}  // namespace mlpipe
