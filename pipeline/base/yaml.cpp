#include "pipeline/base/yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <unordered_set>

#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

std::string line_at(std::string_view text, std::size_t line) {
  for (std::size_t current = 1; current < line; ++current) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return "";
    }
    text.remove_prefix(end + 1);
  }
  std::string_view found = text.substr(0, text.find('\n'));
  if (!found.empty() && found.back() == '\r') {
    found.remove_suffix(1);
  }
  return std::string(found);
}

Mark mark_of(const YAML::Mark& mark) {
  return {static_cast<std::size_t>(std::max(mark.line, 0)) + 1,
          static_cast<std::size_t>(std::max(mark.column, 0)) + 1};
}

// Thrown to leave yaml-cpp's parser; the diagnostics hold the reason.
struct StopParsing {};

// Builds the tree from yaml-cpp's events: its own node tree forgets duplicate keys and where quotes were.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(Diagnostics& diagnostics, const YamlLimits& limits)
      : diagnostics_(diagnostics), limits_(limits) {}

  YamlNode take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    YamlNode node;
    node.mark = mark_of(mark);
    place(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      stop(mark_of(mark), "this alias stands inside what it names", "an alias cannot hold itself");
    }
    count(found->second.second, mark_of(mark));
    YamlNode copy = found->second.first;
    copy.mark = mark_of(mark);
    attach(std::move(copy));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    YamlNode node;
    node.mark = mark_of(mark);
    node.scalar = value;
    node.quoted = tag == "!";
    if (!awaiting_key() && tag != "!" && tag != "?" && !tag.empty()) {
      refuse_tag(node.mark, tag);
    }
    place(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(YamlNode::Kind::sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { end(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(YamlNode::Kind::mapping, mark, tag, anchor);
  }
  void OnMapEnd() override { end(); }

 private:
  struct Open {
    YamlNode node;
    YAML::anchor_t anchor = 0;
    std::size_t nodes_before = 0;
    bool has_key = false;
    std::string key;
    Mark key_mark;
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] void stop(Mark mark, std::string message, std::string hint = "") {
    diagnostics_.add(mark, std::move(message), std::move(hint));
    throw StopParsing();
  }

  void refuse_tag(Mark mark, const std::string& tag) {
    stop(mark, fmt::format("the tag {} is not read here", printable_tag(tag)),
         "write `not x` instead of `!x`, and put text that begins with ! into quotes");
  }

  static std::string printable_tag(const std::string& tag) { return tag.substr(0, 40); }

  void count(std::size_t nodes, Mark mark) {
    nodes_ += nodes;
    if (nodes_ > limits_.nodes) {
      stop(mark, fmt::format("the file holds more than {} values", limits_.nodes),
           "aliases count as often as they are used");
    }
  }

  bool awaiting_key() const {
    return !open_.empty() && open_.back().node.is_mapping() && !open_.back().has_key;
  }

  void start(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (awaiting_key()) {
      stop(mark_of(mark), "a key must be plain text, not a list or a mapping",
           "an expression inside { } or [ ] needs quotes: \"${{ params.x }}\"");
    }
    if (!tag.empty() && tag != "?" && tag != "!") {
      refuse_tag(mark_of(mark), tag);
    }
    if (open_.size() >= limits_.depth) {
      stop(mark_of(mark), fmt::format("nested deeper than {} levels", limits_.depth));
    }
    count(1, mark_of(mark));
    Open open;
    open.node.kind = kind;
    open.node.mark = mark_of(mark);
    open.anchor = anchor;
    open.nodes_before = nodes_ - 1;
    open_.push_back(std::move(open));
  }

  void end() {
    Open open = std::move(open_.back());
    open_.pop_back();
    if (open.anchor != 0) {
      anchors_[open.anchor] = {open.node, nodes_ - open.nodes_before};
    }
    attach(std::move(open.node));
  }

  void place(YamlNode node, YAML::anchor_t anchor) {
    count(1, node.mark);
    if (anchor != 0) {
      anchors_[anchor] = {node, 1};
    }
    attach(std::move(node));
  }

  void attach(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.is_sequence()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.has_key) {
      take_key(parent, std::move(node));
    } else {
      parent.node.entries.push_back({std::move(parent.key), parent.key_mark, std::move(node)});
      parent.has_key = false;
    }
  }

  void take_key(Open& parent, YamlNode node) {
    if (!node.is_scalar()) {
      stop(node.mark, "a key must be plain text, not a list or a mapping");
    }
    if (node.scalar == "<<" && !node.quoted) {
      stop(node.mark, "merge keys (<<) are not read here", "write the keys out, or use a profile");
    }
    if (!parent.keys.insert(node.scalar).second) {
      diagnostics_.add(node.mark, fmt::format("the key '{}' is here twice", node.scalar),
                       "the first one is further up; keep one of them");
    }
    parent.key = std::move(node.scalar);
    parent.key_mark = node.mark;
    parent.has_key = true;
  }

  Diagnostics& diagnostics_;
  const YamlLimits& limits_;
  YamlNode root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, std::pair<YamlNode, std::size_t>> anchors_;
  std::size_t nodes_ = 0;
};

// YAML's own messages, with what usually lies behind them.
std::string hint_for(std::string_view line, std::string_view message) {
  const std::string_view content = trim(line);
  if (!line.empty() && line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos) {
    return "YAML is indented with spaces; this line begins with a tab";
  }
  if (content.find("${{") != std::string_view::npos && content.find_first_of("{[") < content.find("${{")) {
    return "an expression inside { } or [ ] needs quotes: \"${{ params.x }}\"";
  }
  if (content.starts_with("- *") || content.find(": *") != std::string_view::npos) {
    return "text that begins with * is an alias in YAML: put it into quotes, \"*.csv\"";
  }
  if (content.find(": !") != std::string_view::npos) {
    return "a ! begins a tag in YAML: write `not x`, or put the text into quotes";
  }
  if (content.find(": >") != std::string_view::npos || content.find(": |") != std::string_view::npos) {
    return "a value that begins with > or | is a block of text in YAML: put it into quotes";
  }
  if (content.find(": @") != std::string_view::npos || content.find(": `") != std::string_view::npos ||
      content.find(": %") != std::string_view::npos) {
    return "put text that begins with this character into quotes";
  }
  if (message.find("flow") != std::string_view::npos) {
    return "is a quote, a } or a ] missing?";
  }
  if (message.find("map") != std::string_view::npos) {
    return "is a line above indented differently, or a ': ' inside text that needs quotes?";
  }
  return "";
}

void refuse_tabs(std::string_view text, Diagnostics& diagnostics) {
  std::size_t line = 1;
  bool in_block = false;
  std::size_t block_indent = 0;
  while (!text.empty()) {
    const std::string_view current = text.substr(0, text.find('\n'));
    const std::size_t content = current.find_first_not_of(" \t");
    if (content != std::string_view::npos) {
      if (in_block && content <= block_indent) {
        in_block = false;
      }
      const std::size_t tab = current.substr(0, content).find('\t');
      if (!in_block && tab != std::string_view::npos && current[content] != '#') {
        diagnostics.add({line, tab + 1}, "a tab as indentation", "YAML is indented with spaces");
        return;
      }
      const std::string_view trimmed = trim(current);
      const bool opens_block = trimmed.ends_with("|") || trimmed.ends_with(">") || trimmed.ends_with("|-") ||
                               trimmed.ends_with(">-") || trimmed.ends_with("|+") || trimmed.ends_with(">+");
      if (!in_block && opens_block) {
        in_block = true;
        block_indent = content;
      }
    }
    if (current.size() == text.size()) {
      return;
    }
    text.remove_prefix(current.size() + 1);
    ++line;
  }
}

// yaml-cpp looks ahead to the end of the outermost [ or {, however many lie inside, before it says anything:
// so what is nested far too deeply is refused beforehand. Text in quotes, comments and brackets inside plain
// text do not count; a bracket that a line of a script begins with may, until the script ends.
class FlowDepth {
 public:
  FlowDepth(std::string_view text, const YamlLimits& limits) : text_(text), limits_(limits) {}

  // Where the depth first goes beyond the limit, if it goes far beyond it.
  std::optional<Mark> too_deep() {
    constexpr std::size_t far = 1000;  // what is a little too deep is found by the tree's builder
    for (; at_ < text_.size(); ++at_) {
      look_at(text_[at_]);
      if (depth_ > limits_.depth + far) {
        return first_;
      }
    }
    return std::nullopt;
  }

 private:
  void look_at(char c) {
    if (c == '\n') {
      ++line_;
      line_begin_ = at_ + 1;
      starts_value_ = true;
      begins_line_ = true;
      return;
    }
    if (c == ' ' || c == '\t' || c == '\r') {
      return;
    }
    const bool opens = c == '[' || c == '{';
    const bool closes = c == ']' || c == '}';
    if (begins_line_ && !closes && depth_ > 0 &&
        (indent() < outer_indent_ || (indent() == outer_indent_ && !outer_begins_line_))) {
      depth_ = 0;  // what was open has ended, or was no YAML
    }
    if (begins_line_) {
      line_indent_ = indent();
    }
    if (opens && (starts_value_ || depth_ > 0)) {
      if (depth_ == 0) {
        outer_indent_ = line_indent_;
        outer_begins_line_ = begins_line_;
      }
      if (++depth_ == limits_.depth + 1) {
        first_ = {line_, at_ - line_begin_ + 1};
      }
    } else if (closes && depth_ > 0) {
      --depth_;
    } else if (starts_value_ && (c == '"' || c == '\'')) {
      skip_quoted(c);
    } else if (c == '#' && (at_ == 0 || text_[at_ - 1] == ' ' || text_[at_ - 1] == '\n')) {
      at_ = std::min(text_.find('\n', at_), text_.size()) - 1;
    }
    begins_line_ = false;
    starts_value_ = opens || c == ',' || c == ':' || c == '-' || c == '?';
  }

  std::size_t indent() const { return at_ - line_begin_; }

  void skip_quoted(char quote) {
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\\' && quote == '"') {
        ++at_;
      }
      if (at_ < text_.size() && text_[at_] == '\n') {
        ++line_;
        line_begin_ = at_ + 1;
      }
    }
  }

  std::string_view text_;
  const YamlLimits& limits_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t line_begin_ = 0;
  std::size_t depth_ = 0;
  bool starts_value_ = true;
  bool begins_line_ = true;
  std::size_t line_indent_ = 0;
  std::size_t outer_indent_ = 0;  // of the line that the outermost open bracket stands in
  bool outer_begins_line_ = false;
  Mark first_;
};

void refuse_depth(std::string_view text, const YamlLimits& limits, Diagnostics& diagnostics) {
  if (const auto mark = FlowDepth(text, limits).too_deep()) {
    diagnostics.add(*mark, fmt::format("nested deeper than {} levels", limits.depth));
  }
}

}  // namespace

bool YamlNode::is_null() const {
  return is_scalar() && !quoted && (scalar.empty() || scalar == "null" || scalar == "~");
}

const YamlNode* YamlNode::find(std::string_view key) const {
  for (const YamlEntry& entry : entries) {
    if (entry.key == key) {
      return &entry.value;
    }
  }
  return nullptr;
}

YamlNode* YamlNode::find(std::string_view key) {
  return const_cast<YamlNode*>(std::as_const(*this).find(key));
}

void Diagnostics::add(Mark mark, std::string message, std::string hint) {
  ++added_;
  for (const Diagnostic& other : found_) {
    if (other.line == mark.line && other.column == mark.column && mark.line != 0) {
      return;
    }
  }
  found_.push_back({file_, mark.line, mark.column, mark.line == 0 ? "" : line_at(text_, mark.line),
                    std::move(message), std::move(hint)});
}

void Diagnostics::throw_if_any() {
  if (found_.empty()) {
    return;
  }
  std::stable_sort(found_.begin(), found_.end(), [](const Diagnostic& a, const Diagnostic& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  throw SpecError(std::move(found_));
}

YamlDocument parse_yaml(std::string file, std::string text, const YamlLimits& limits) {
  YamlDocument document{std::move(file), std::move(text), {}};
  Diagnostics diagnostics(document);
  if (document.text.size() > limits.bytes) {
    throw SpecError({{document.file, 0, 0, "",
                      fmt::format("the file is {}, and at most {} are read",
                                  format_bytes(document.text.size()), format_bytes(limits.bytes)),
                      ""}});
  }
  if (document.text.find('\0') != std::string::npos) {
    throw SpecError({{document.file, 0, 0, "", "the file holds a NUL byte, so it is no YAML text", ""}});
  }
  if (!is_utf8(document.text)) {
    throw SpecError({{document.file, 0, 0, "", "the file is not UTF-8 text", "save it as UTF-8"}});
  }
  refuse_tabs(document.text, diagnostics);
  refuse_depth(document.text, limits, diagnostics);
  diagnostics.throw_if_any();
  TreeBuilder builder(diagnostics, limits);
  try {
    std::istringstream input(document.text);
    YAML::Parser parser(input);
    if (parser.HandleNextDocument(builder)) {
      document.root = builder.take_root();
      struct Ignore : YAML::EventHandler {
        void OnDocumentStart(const YAML::Mark& mark) override { at = mark; }
        void OnDocumentEnd() override {}
        void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
        void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
        void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
        void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                             YAML::EmitterStyle::value) override {}
        void OnSequenceEnd() override {}
        void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                        YAML::EmitterStyle::value) override {}
        void OnMapEnd() override {}
        YAML::Mark at;
      } second;
      if (parser.HandleNextDocument(second)) {
        diagnostics.add(mark_of(second.at), "a second document begins here", "keep one document in a file");
      }
    }
  } catch (const StopParsing&) {  // its reason is among the diagnostics
  } catch (const YAML::Exception& error) {
    const Mark mark = mark_of(error.mark);
    diagnostics.add(mark, error.msg, hint_for(line_at(document.text, mark.line), error.msg));
  }
  diagnostics.throw_if_any();
  return document;
}

YamlDocument read_yaml_file(const std::filesystem::path& path, const YamlLimits& limits) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    throw UsageError(fmt::format("{}: there is no such file", path.string()));
  }
  if (std::filesystem::is_directory(status)) {
    throw UsageError(fmt::format("{}: it is a folder, not a file", path.string()));
  }
  std::string text;
  try {
    text = read_file(path, limits.bytes);
  } catch (const UsageError&) {
    throw;
  } catch (const Error& reason) {
    throw UsageError(reason.what());
  }
  return parse_yaml(path.string(), std::move(text), limits);
}

namespace {

nlohmann::ordered_json to_json(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::sequence: {
      auto list = nlohmann::ordered_json::array();
      for (const YamlNode& item : node.items) {
        list.push_back(to_json(item));
      }
      return list;
    }
    case YamlNode::Kind::mapping: {
      auto object = nlohmann::ordered_json::object();
      for (const YamlEntry& entry : node.entries) {
        object[entry.key] = to_json(entry.value);
      }
      return object;
    }
    case YamlNode::Kind::scalar:
      break;
  }
  if (node.is_null()) {
    return nullptr;
  }
  if (const auto boolean = as_boolean(node)) {
    return *boolean;
  }
  if (const auto integer = as_integer(node)) {
    return *integer;
  }
  if (const auto number = as_number(node)) {
    return *number;
  }
  return node.scalar;
}

}  // namespace

std::string to_json_text(const YamlNode& node) {
  return to_json(node).dump();
}

}  // namespace mlpipe
