#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/base/error.hpp"

namespace mlpipe {

// A place in a file; both from 1, the column in bytes.
struct Mark {
  std::size_t line = 0;
  std::size_t column = 0;
};

struct YamlEntry;

// One value of a YAML file. Scalars stay text: what they mean is decided by scalar.hpp, not by YAML 1.1's
// rules. Aliases are replaced by copies of what they name, merge keys ("<<") are refused.
struct YamlNode {
  enum class Kind { scalar, sequence, mapping };

  Kind kind = Kind::scalar;
  Mark mark;
  std::string scalar;   // scalar: its text; empty and not quoted: null
  bool quoted = false;  // scalar: written in quotes or as a block, so it is text whatever it looks like
  std::vector<YamlNode> items;     // sequence
  std::vector<YamlEntry> entries;  // mapping, in the order of the file, without duplicates

  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_sequence() const { return kind == Kind::sequence; }
  bool is_mapping() const { return kind == Kind::mapping; }
  bool is_null() const;

  // The value of a key of a mapping; null when there is none or this is no mapping.
  const YamlNode* find(std::string_view key) const;
  YamlNode* find(std::string_view key);
};

struct YamlEntry {
  std::string key;
  Mark key_mark;
  YamlNode value;
};

// A file's text and what was read from it.
struct YamlDocument {
  std::string file;  // as it is shown in messages
  std::string text;
  YamlNode root;
};

// Gathers faults, so that a reader hears of all of them at once.
class Diagnostics {
 public:
  Diagnostics(std::string file, std::string_view text) : file_(std::move(file)), text_(text) {}
  explicit Diagnostics(const YamlDocument& document) : Diagnostics(document.file, document.text) {}

  // At most one fault is kept for a place: the first says most.
  void add(Mark mark, std::string message, std::string hint = "");
  void add(const YamlNode& node, std::string message, std::string hint = "") {
    add(node.mark, std::move(message), std::move(hint));
  }
  bool empty() const { return found_.empty(); }
  // Grows with every fault that is added, also with one that is not kept.
  std::size_t size() const { return added_; }
  // Throws SpecError with all that was gathered, in the order of the file; does nothing when there is none.
  void throw_if_any();

 private:
  std::string file_;
  std::string_view text_;  // must outlive this
  std::vector<Diagnostic> found_;
  std::size_t added_ = 0;
};

struct YamlLimits {
  std::size_t bytes = std::size_t{64} << 20U;
  std::size_t depth = 64;
  std::size_t nodes = 8'000'000;  // after aliases are replaced
};

// Reads one document. Throws SpecError for what is no YAML, duplicate keys, tabs as indentation, a second
// document, merge keys, tags, and what is beyond the limits. An empty file is a null scalar.
YamlDocument parse_yaml(std::string file, std::string text, const YamlLimits& limits = {});

// The same from disk; UsageError when the file is missing, a folder or not readable.
YamlDocument read_yaml_file(const std::filesystem::path& path, const YamlLimits& limits = {});

// The node as YAML in flow style that this reader reads back to the same values (JSON, in fact).
std::string to_json_text(const YamlNode& node);

}  // namespace mlpipe
