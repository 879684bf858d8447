#include "pipeline/container/dockerfile.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Variables = std::map<std::string, std::string>;

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// The character that continues a line: '\', or as a directive at the top says.
char escape_of(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    const std::string_view text = trim(line);
    const std::size_t equals = text.find('=');
    if (!text.starts_with('#') || equals == std::string_view::npos) {
      break;
    }
    const std::string name = in_lower_case(std::string(trim(text.substr(1, equals - 1))));
    const std::string_view value = trim(text.substr(equals + 1));
    if (name == "escape" && value == "`") {
      return '`';
    }
  }
  return '\\';
}

// The words that end the heredocs which an instruction begins: "<<EOF", "<<-'EOF'".
std::vector<std::string> heredocs_of(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t at = 0; (at = text.find("<<", at)) != std::string_view::npos;) {
    const bool begins = at == 0 || text[at - 1] == ' ' || text[at - 1] == '\t' || text[at - 1] == ';';
    at += 2;
    if (!begins || at >= text.size()) {
      continue;
    }
    at += text[at] == '-' ? 1 : 0;
    const bool quoted = at < text.size() && (text[at] == '"' || text[at] == '\'');
    at += quoted ? 1 : 0;
    std::string word;
    while (at < text.size() && is_name_character(text[at])) {
      word += text[at++];
    }
    if (!word.empty()) {
      words.push_back(word);
    }
  }
  return words;
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool any = false;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      any = true;
    } else if (c == ' ' || c == '\t') {
      if (any || !word.empty()) {
        words.push_back(std::exchange(word, ""));
      }
      any = false;
    } else {
      word += c;
    }
  }
  if (any || !word.empty()) {
    words.push_back(word);
  }
  return words;
}

// "$NAME", "${NAME}", "${NAME:-otherwise}", "${NAME:+instead}"; nothing for any other form.
std::optional<std::string> with_variables(std::string_view text, const Variables& variables) {
  std::string made;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      made += text[++i];
      continue;
    }
    if (text[i] != '$') {
      made += text[i];
      continue;
    }
    const bool braced = text.substr(i + 1).starts_with('{');
    std::size_t end = i + (braced ? 2 : 1);
    const std::size_t begin = end;
    while (end < text.size() && is_name_character(text[end])) {
      ++end;
    }
    const auto found = variables.find(std::string(text.substr(begin, end - begin)));
    std::string value = found == variables.end() ? "" : found->second;
    if (!braced) {
      made += value;
      i = end - 1;
      continue;
    }
    std::size_t close = end;
    for (int depth = 1; close < text.size(); ++close) {
      depth += text[close] == '{' ? 1 : text[close] == '}' ? -1 : 0;
      if (depth == 0) {
        break;
      }
    }
    if (close >= text.size()) {
      return std::nullopt;
    }
    std::string_view operation = text.substr(end, close - end);
    if (!operation.empty()) {
      const bool also_when_empty = operation.starts_with(':');
      const bool is_set = found != variables.end() && !(also_when_empty && value.empty());
      operation.remove_prefix(also_when_empty ? 1 : 0);
      const char kind = operation.empty() ? '\0' : operation.front();
      if (kind != '-' && kind != '+') {
        return std::nullopt;
      }
      const auto other = with_variables(operation.substr(1), variables);
      if (!other) {
        return std::nullopt;
      }
      value = kind == '-' ? (is_set ? value : *other) : (is_set ? *other : "");
    }
    made += value;
    i = close;
  }
  return made;
}

std::string platform_of_machine() {
  utsname system{};
  ::uname(&system);
  const std::string machine = system.machine;
  return "linux/" + (machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine);
}

// What BuildKit knows before the first FROM.
void add_platforms(const std::string& platform, Variables& variables) {
  const std::string own = platform_of_machine();
  for (const auto& [prefix, value] :
       {std::pair{"BUILD", own}, {"TARGET", platform.empty() ? own : platform}}) {
    const std::vector<std::string> parts = split(value, '/');
    const auto part = [&parts = parts](std::size_t i) { return i < parts.size() ? parts[i] : ""; };
    variables.emplace(fmt::format("{}PLATFORM", prefix), value);
    variables.emplace(fmt::format("{}OS", prefix), part(0));
    variables.emplace(fmt::format("{}ARCH", prefix), part(1));
    variables.emplace(fmt::format("{}VARIANT", prefix), part(2));
  }
}

// ARG NAME=default …, before the first FROM.
void declare(const std::string& rest, const DockerfileUse& use, Variables& variables) {
  for (const std::string& word : words_of(rest)) {
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    if (const auto given = use.args.find(name); given != use.args.end()) {
      variables[name] = given->second;
    } else if (equals != std::string::npos) {
      variables[name] = with_variables(word.substr(equals + 1), variables).value_or("");
    }
  }
}

struct Stage {
  std::string name;               // in lower case; empty: it has none
  std::vector<std::string> uses;  // names of images or stages, or numbers of stages
};

std::string value_of_flag(const std::string& word, std::string_view flag) {
  return word.starts_with(flag) ? word.substr(flag.size()) : "";
}

Stage stage_of(const std::string& rest, const Variables& variables) {
  Stage stage;
  std::vector<std::string> words = words_of(rest);
  std::erase_if(words, [](const std::string& word) { return word.starts_with("--"); });
  if (words.empty()) {
    return stage;
  }
  if (const auto image = with_variables(words.front(), variables); image && !image->empty()) {
    stage.uses.push_back(*image);
  }
  if (words.size() > 2 && in_lower_case(words[1]) == "as") {
    stage.name = in_lower_case(words[2]);
  }
  return stage;
}

// COPY --from=NAME, RUN --mount=type=bind,from=NAME.
void add_uses(const Instruction& instruction, Stage& stage) {
  for (const std::string& word : words_of(instruction.rest)) {
    if (!word.starts_with("--")) {
      break;
    }
    std::string name;
    if (instruction.name == "COPY" || instruction.name == "ADD") {
      name = value_of_flag(word, "--from=");
    } else if (instruction.name == "RUN") {
      for (const std::string& part : split(value_of_flag(word, "--mount="), ',')) {
        name += value_of_flag(part, "from=");
      }
    }
    if (!name.empty() && name.find('$') == std::string::npos) {
      stage.uses.push_back(name);
    }
  }
}

// The stage that a name or a number stands for, among those before `end`.
std::optional<std::size_t> find_stage(const std::vector<Stage>& stages, std::size_t end,
                                      const std::string& name) {
  const std::string wanted = in_lower_case(name);
  for (std::size_t i = end; i-- > 0;) {
    if (!wanted.empty() && stages[i].name == wanted) {
      return i;
    }
  }
  std::size_t number = 0;
  const auto read = std::from_chars(wanted.data(), wanted.data() + wanted.size(), number);
  const bool is_number =
      !wanted.empty() && read.ec == std::errc() && read.ptr == wanted.data() + wanted.size();
  return is_number && number < end ? std::optional(number) : std::nullopt;
}

std::size_t last_stage(const std::vector<Stage>& stages, const std::string& target) {
  if (target.empty()) {
    return stages.size() - 1;
  }
  if (const auto found = find_stage(stages, stages.size(), target)) {
    return *found;
  }
  std::vector<std::string> names;
  for (const Stage& stage : stages) {
    if (!stage.name.empty()) {
      names.push_back(stage.name);
    }
  }
  throw Error(fmt::format("the Dockerfile has no stage '{}'", printable(target)),
              suggest_name(target, names));
}

}  // namespace

std::vector<Instruction> instructions_of(std::string_view dockerfile) {
  const std::vector<std::string> lines = split(dockerfile, '\n');
  const char escape = escape_of(lines);
  std::vector<Instruction> instructions;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t begin = i;
    std::string text;
    bool goes_on = true;
    for (; goes_on && i < lines.size(); ++i) {
      const std::string_view line = trim(lines[i]);
      if (line.starts_with('#') || (line.empty() && !text.empty())) {
        goes_on = !text.empty();
        continue;
      }
      goes_on = line.ends_with(escape);
      text += goes_on ? line.substr(0, line.size() - 1) : line;
    }
    --i;
    const std::string_view all = trim(text);
    const std::size_t space = all.find_first_of(" \t");
    if (all.empty()) {
      continue;
    }
    Instruction one{begin + 1, std::string(all.substr(0, space)), ""};
    std::transform(one.name.begin(), one.name.end(), one.name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    one.rest = space == std::string_view::npos ? "" : trim(all.substr(space));
    if (one.name == "RUN" || one.name == "COPY" || one.name == "ADD") {
      for (const std::string& word : heredocs_of(one.rest)) {
        while (i + 1 < lines.size() && trim(lines[++i]) != word) {
        }
      }
    }
    instructions.push_back(std::move(one));
  }
  return instructions;
}

std::vector<std::string> base_images(std::string_view dockerfile, const DockerfileUse& use) {
  Variables variables;
  add_platforms(use.platform, variables);
  std::vector<Stage> stages;
  for (const Instruction& instruction : instructions_of(dockerfile)) {
    if (instruction.name == "FROM") {
      stages.push_back(stage_of(instruction.rest, variables));
    } else if (!stages.empty()) {
      add_uses(instruction, stages.back());
    } else if (instruction.name == "ARG") {
      declare(instruction.rest, use, variables);
    }
  }
  if (stages.empty()) {
    throw Error("the Dockerfile has no FROM");
  }
  std::vector<bool> needed(stages.size(), false);
  needed[last_stage(stages, use.target)] = true;
  for (std::size_t i = stages.size(); i-- > 0;) {
    for (const std::string& name : stages[i].uses) {
      if (const auto stage = find_stage(stages, i, name); needed[i] && stage) {
        needed[*stage] = true;
      }
    }
  }
  std::vector<std::string> images;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    for (const std::string& name : stages[i].uses) {
      const bool is_image = needed[i] && name != "scratch" && !find_stage(stages, i, name);
      if (is_image && std::find(images.begin(), images.end(), name) == images.end()) {
        images.push_back(name);
      }
    }
  }
  return images;
}

bool uses_mounts(std::string_view dockerfile) {
  const std::vector<Instruction> instructions = instructions_of(dockerfile);
  return std::any_of(instructions.begin(), instructions.end(), [](const Instruction& one) {
    return one.name == "RUN" && one.rest.starts_with("--mount");
  });
}

}  // namespace mlpipe
