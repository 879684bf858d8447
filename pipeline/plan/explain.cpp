#include "pipeline/plan/explain.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

// The fields of one tag: their values by name.
using Fields = std::map<std::string, std::string>;
using FieldsByTag = std::map<std::string, Fields>;

FieldsByTag by_tag(const Recipe& recipe) {
  FieldsByTag tags;
  for (const Field& field : recipe.fields()) {
    tags[field.tag][field.name] = field.value;
  }
  return tags;
}

const Fields& fields_of(const FieldsByTag& tags, const std::string& tag) {
  static const Fields none;
  const auto found = tags.find(tag);
  return found == tags.end() ? none : found->second;
}

// Text of any length, as a part of one line.
std::string clipped(std::string text) {
  constexpr std::size_t most = 80;
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (text.size() > most) {
    std::size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) {
      --end;  // not inside of a character
    }
    text = text.substr(0, end) + "…";
  }
  return printable(text);
}

// "number 0.001" → "0.001"
std::string shown(const std::string& value) {
  for (const std::string_view kind : {"number ", "text "}) {
    if (value.starts_with(kind)) {
      return value.substr(kind.size());
    }
  }
  return value;
}

std::string from_to(const std::string& name, const std::string& before, const std::string& after) {
  return fmt::format("{}: {} → {}", name, clipped(before), clipped(after));
}

// Calls `report(name, before, after)` for each name whose value differs; a null pointer stands for none.
template <typename Report>
void for_each_change(const Fields& before, const Fields& after, Report report) {
  Fields all = before;
  all.insert(after.begin(), after.end());
  for (const auto& [name, unused] : all) {
    const auto old_value = before.find(name);
    const auto new_value = after.find(name);
    const bool was = old_value != before.end();
    const bool is = new_value != after.end();
    if (!was || !is || old_value->second != new_value->second) {
      report(name, was ? &old_value->second : nullptr, is ? &new_value->second : nullptr);
    }
  }
}

// "file:3f…" or "executable:3f…"
std::string bytes_of(const std::string& dependency) {
  return dependency.substr(dependency.find(':') + 1);
}

void explain_dependencies(const Fields& before, const Fields& after, std::vector<std::string>& found) {
  std::multimap<std::string, std::string> added;  // names by what they hold
  std::vector<std::pair<std::string, std::string>> removed;
  std::vector<std::string> changes;
  for_each_change(before, after, [&](const std::string& name, const std::string* was, const std::string* is) {
    if (was == nullptr) {
      added.emplace(*is, name);
    } else if (is == nullptr) {
      removed.emplace_back(name, *was);
    } else if (bytes_of(*was) == bytes_of(*is)) {
      changes.push_back(name +
                        (is->starts_with("executable:") ? " is executable now" : " is no longer executable"));
    } else {
      changes.push_back(name + " changed");
    }
  });
  for (const auto& [name, value] : removed) {
    const auto same = added.find(value);
    if (same != added.end()) {
      changes.push_back(fmt::format("{} renamed to {}", name, same->second));
      added.erase(same);
    } else {
      changes.push_back(name + " removed");
    }
  }
  for (const auto& [value, name] : added) {
    changes.push_back(name + " added");
  }
  std::sort(changes.begin(), changes.end());
  constexpr std::size_t most = 5;
  for (std::size_t i = 0; i < changes.size() && (i < most || changes.size() == most + 1); ++i) {
    found.push_back(printable(changes[i]));
  }
  if (changes.size() > most + 1) {
    found.push_back(fmt::format("{} more files changed", changes.size() - most));
  }
}

std::vector<std::string> words_of(const Fields& command) {
  std::vector<std::string> words;
  for (const auto& [index, text] : command) {
    std::string word;
    for (const char c : text + " ") {
      if (c != ' ' && c != '\n' && c != '\t') {
        word += c;
      } else if (!word.empty()) {
        words.push_back(std::exchange(word, ""));
      }
    }
  }
  return words;
}

// What differs between two commands, with the word before it: "--epochs 3 → --epochs 5".
std::string word_changes(const std::vector<std::string>& before, const std::vector<std::string>& after) {
  const auto [first_before, first_after] =
      std::mismatch(before.begin(), before.end(), after.begin(), after.end());
  const auto start = first_before - before.begin();
  const std::ptrdiff_t longest_tail = std::min(before.end() - first_before, after.end() - first_after);
  std::ptrdiff_t tail = 0;
  while (tail < longest_tail && *(before.end() - 1 - tail) == *(after.end() - 1 - tail)) {
    ++tail;
  }
  const std::string removed = join(std::span(first_before, before.end() - tail), " ");
  const std::string added = join(std::span(first_after, after.end() - tail), " ");
  if (removed.empty()) {
    return fmt::format("command: '{}' added", clipped(added));
  }
  if (added.empty()) {
    return fmt::format("command: '{}' removed", clipped(removed));
  }
  const std::string context = start > 0 ? before[static_cast<std::size_t>(start) - 1] + " " : "";
  return from_to("command", context + removed, context + added);
}

void explain_command(const FieldsByTag& before, const FieldsByTag& after, std::vector<std::string>& found) {
  const Fields& script_before = fields_of(before, "script");
  const Fields& script_after = fields_of(after, "script");
  const Fields& list_before = fields_of(before, "command");
  const Fields& list_after = fields_of(after, "command");
  if (script_before == script_after && list_before == list_after) {
    return;
  }
  if (script_before.empty() != script_after.empty()) {
    found.emplace_back(script_after.empty() ? "the command runs without a shell now"
                                            : "the command runs in a shell now");
  }
  const std::vector<std::string> words_before = words_of(script_before.empty() ? list_before : script_before);
  const std::vector<std::string> words_after = words_of(script_after.empty() ? list_after : script_after);
  if (words_before != words_after) {
    found.push_back(word_changes(words_before, words_after));
  } else if (script_before.empty() == script_after.empty()) {
    found.emplace_back("command: only blanks changed");
  }
}

// How a field of any other tag is named; empty for a tag whose name says it all.
std::string prefix_of(const std::string& tag) {
  if (tag == "environment") {
    return "env.";
  }
  if (tag == "image") {  // the name of its step says so
    return "";
  }
  if (tag == "train" || tag == "fetch") {
    return tag + ".";
  }
  return tag + " ";
}

void explain_field(const std::string& tag, const std::string& name, const std::string* before,
                   const std::string* after, std::vector<std::string>& found) {
  const std::string what = name.empty() ? tag : prefix_of(tag) + name;
  if (before == nullptr || after == nullptr) {
    found.push_back(fmt::format("{} {}", printable(what), before == nullptr ? "added" : "removed"));
  } else if (tag == "input" || tag == "image" || tag == "tool" || tag == "dockerfile") {
    found.push_back(printable(what) + " changed");  // what it is, a digest, says nothing to a person
  } else {
    found.push_back(from_to(printable(what), shown(*before), shown(*after)));
  }
}

struct ParamChange {
  std::string before;
  std::string after;
};

// Whether the one text becomes the other where old values of params are replaced by the new ones.
bool follows_from(const std::vector<ParamChange>& params, std::string_view before, std::string_view after) {
  while (!before.empty() && !after.empty()) {
    const auto param = std::find_if(params.begin(), params.end(), [&](const ParamChange& one) {
      return before.starts_with(one.before) && after.starts_with(one.after);
    });
    if (param != params.end()) {
      before.remove_prefix(param->before.size());
      after.remove_prefix(param->after.size());
    } else if (before.front() == after.front()) {
      before.remove_prefix(1);
      after.remove_prefix(1);
    } else {
      return false;
    }
  }
  return before.empty() && after.empty();
}

// The recipe as it was, with the new values of the params that changed: what differs from it still has
// another reason.
Recipe with_params(const Recipe& before, const Recipe& after, const std::vector<ParamChange>& params) {
  const FieldsByTag new_tags = by_tag(after);
  Recipe adjusted;
  for (const Field& field : before.fields()) {
    const Fields& fields = fields_of(new_tags, field.tag);
    const auto now = fields.find(field.name);
    const bool from_params = now != fields.end() && follows_from(params, field.value, now->second);
    adjusted.add(field.tag, field.name, from_params ? now->second : field.value);
  }
  return adjusted;
}

}  // namespace

std::vector<std::string> differences(const Recipe& before, const Recipe& after) {
  const FieldsByTag old_tags = by_tag(before);
  const FieldsByTag new_tags = by_tag(after);
  std::vector<std::string> found;
  const Fields& old_kind = fields_of(old_tags, "kind");
  const Fields& new_kind = fields_of(new_tags, "kind");
  if (old_kind != new_kind && !old_kind.empty() && !new_kind.empty()) {
    return {fmt::format("it is a {} step now, and was a {} step", new_kind.begin()->second,
                        old_kind.begin()->second)};
  }
  explain_command(old_tags, new_tags, found);
  for (const char* files : {"dependency", "context"}) {
    explain_dependencies(fields_of(old_tags, files), fields_of(new_tags, files), found);
  }
  FieldsByTag all = old_tags;
  all.insert(new_tags.begin(), new_tags.end());
  for (const auto& [tag, unused] : all) {
    if (tag == "kind" || tag == "script" || tag == "command" || tag == "dependency" || tag == "context") {
      continue;
    }
    for_each_change(fields_of(old_tags, tag), fields_of(new_tags, tag),
                    [&, &tag = tag](const std::string& name, const std::string* was, const std::string* is) {
                      explain_field(tag, name, was, is, found);
                    });
  }
  return found;
}

std::vector<std::string> reasons_to_run(const Step& step, const Recipe& action,
                                        const std::optional<Realization>& last) {
  if (!last) {
    return {"no result yet"};
  }
  std::vector<std::string> reasons;
  std::vector<ParamChange> changes;
  for (const auto& [name, value] : step.params) {
    const auto before = last->params.find(name);
    if (before == last->params.end() || before->second == value) {
      continue;
    }
    reasons.push_back(from_to("params." + name, before->second, value));
    changes.push_back({before->second, value});
    const auto old_number = parse_number(before->second);
    const auto new_number = parse_number(value);
    if (old_number && new_number) {  // a recipe holds 0.001 where the author wrote 1e-3
      changes.push_back({number_text(*old_number), number_text(*new_number)});
    }
  }
  std::erase_if(changes, [](const ParamChange& one) { return one.before.empty() && one.after.empty(); });
  for (std::string& difference : differences(with_params(last->action, action, changes), action)) {
    reasons.push_back(std::move(difference));
  }
  if (reasons.empty()) {
    reasons.emplace_back("no result yet");
  }
  return reasons;
}

}  // namespace mlpipe
