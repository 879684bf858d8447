#include "pipeline/plan/explain.hpp"

#include <fmt/format.h>

#include <map>

namespace mlpipe {
namespace {

using FieldMap = std::map<std::pair<std::string, std::string>, std::string>;

FieldMap by_name(const Recipe& recipe) {
  FieldMap map;
  for (const Field& field : recipe.fields()) {
    map[{field.tag, field.name}] = field.value;
  }
  return map;
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

std::string change_of(const std::string& tag, const std::string& name, const std::string* before,
                      const std::string* after) {
  const std::string verb = before == nullptr ? "added" : after == nullptr ? "removed" : "changed";
  if (tag == "dependency") {
    return fmt::format("{} {}", name, verb);
  }
  if (tag == "input") {
    return fmt::format("{} {}", name, verb);
  }
  if (tag == "environment" || tag == "secret") {
    return fmt::format("env.{} {}", name, verb);
  }
  if (tag == "train" || tag == "threads") {
    const std::string field = tag == "train" ? "train." + name : "threads";
    return before != nullptr && after != nullptr
               ? fmt::format("{}: {} → {}", field, shown(*before), shown(*after))
               : fmt::format("{} {}", field, verb);
  }
  if (tag == "tool") {
    const bool comes_with_mlpipe = name == "mlpipe-train" || name == "fetch";
    return comes_with_mlpipe ? fmt::format("{} is another build", name)
                             : fmt::format("tool {} {}", name, verb);
  }
  if (tag == "script" || tag == "command") {
    return "the command changed";
  }
  if (tag == "out" || tag == "metrics") {
    return fmt::format("{} {} {}", tag, name, verb);
  }
  return fmt::format("{} {}", tag, verb);
}

void add_once(std::vector<std::string>& reasons, std::string reason) {
  for (const std::string& other : reasons) {
    if (other == reason) {
      return;
    }
  }
  reasons.push_back(std::move(reason));
}

// A changed param shows up again where it is used; the param says it better.
bool follows_from_params(const std::string& tag, const std::string* before, const std::string* after) {
  return before != nullptr && after != nullptr &&
         (tag == "train" || tag == "script" || tag == "command" || tag == "environment");
}

}  // namespace

std::vector<std::string> reasons_to_run(const Step& step, const Recipe& action,
                                        const std::optional<Realization>& last,
                                        const std::string& last_failure) {
  if (!last_failure.empty()) {
    return {fmt::format("{} the last time", last_failure)};
  }
  if (!last) {
    return {"no result yet"};
  }
  std::vector<std::string> reasons;
  for (const auto& [name, value] : step.params) {
    const auto before = last->params.find(name);
    if (before != last->params.end() && before->second != value) {
      reasons.push_back(fmt::format("params.{}: {} → {}", name, before->second, value));
    }
  }
  const bool params_changed = !reasons.empty();
  const FieldMap before = by_name(last->action);
  const FieldMap after = by_name(action);
  const auto find = [](const FieldMap& map, const FieldMap::key_type& key) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : &found->second;
  };
  FieldMap all = before;
  all.insert(after.begin(), after.end());
  for (const auto& [key, unused] : all) {
    const std::string* old_value = find(before, key);
    const std::string* new_value = find(after, key);
    const bool same = old_value != nullptr && new_value != nullptr && *old_value == *new_value;
    if (same || (params_changed && follows_from_params(key.first, old_value, new_value))) {
      continue;
    }
    add_once(reasons, change_of(key.first, key.second, old_value, new_value));
  }
  if (reasons.empty()) {
    reasons.emplace_back("its result is gone");
  }
  return reasons;
}

}  // namespace mlpipe
