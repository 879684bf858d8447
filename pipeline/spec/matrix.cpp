#include "pipeline/spec/matrix.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/spec/sampling.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t most_combinations = 10'000;
constexpr std::int64_t largest_seed = 2'147'483'647;
constexpr std::size_t longest_value = 40;
constexpr std::size_t longest_name = 120;
constexpr std::size_t digest_digits = 8;

using Values = std::vector<std::pair<std::string, YamlNode>>;

struct Axis {
  std::string name;
  std::vector<YamlNode> values;  // as they are written, or one for each sample
  bool drawn = false;
};

std::string with_digest(const std::string& shown, const std::string& whole) {
  return shown + "@" + digest_of(whole).hex().substr(0, digest_digits);
}

// A value as it stands in a name. What cannot stand in a file's name or means something to a shell becomes
// '-', and a digest of the value keeps it apart from others.
std::string name_of_value(const std::string& value) {
  std::string shown;
  for (const char c : value.substr(0, longest_value)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '_' || c == '-' || c == '+';
    shown += plain ? c : '-';
  }
  return shown == value && !value.empty() ? value : with_digest(shown, value);
}

std::string name_of_values(const Values& values) {
  std::string name;
  for (const auto& [axis, value] : values) {
    name += fmt::format("{}{}={}", name.empty() ? "" : ",", axis, name_of_value(value.scalar));
  }
  return name.size() > longest_name ? with_digest(name.substr(0, longest_name), name) : name;
}

class Reader {
 public:
  Reader(const YamlNode& node, const References& references, Diagnostics& diagnostics)
      : node_(node), references_(references), diagnostics_(diagnostics) {}

  Matrix read() {
    read_rules();
    read_axes();
    if (too_many_) {
      stand_in();
      return std::move(matrix_);
    }
    combine();
    exclude();
    include(combinations_.size());
    if (combinations_.empty() && !passed_over_ && diagnostics_.size() == faults_before_) {
      diagnostics_.add(node_, "the matrix has no combination",
                       "name axes with their values, as in matrix: { lr: [0.1, 0.01] }");
    }
    finish();
    stand_in();
    return std::move(matrix_);
  }

 private:
  struct Growing {
    Values named;  // what its name is made of
    std::map<std::string, YamlNode> values;
    Mark mark;
  };

  // An axis may be called `seed` or `samples` too: it is one when it has values.
  static bool is_rule(const YamlEntry& entry) {
    constexpr std::array<const char*, 6> rules = {"include",      "exclude", "fail-fast",
                                                  "max-parallel", "samples", "seed"};
    const bool named_so = std::find(rules.begin(), rules.end(), entry.key) != rules.end();
    return named_so && ((entry.key != "seed" && entry.key != "samples") || entry.value.is_scalar());
  }

  void read_rules() {
    if (const YamlNode* fail_fast = node_.find("fail-fast");
        fail_fast != nullptr && is_written_out(*fail_fast, diagnostics_)) {
      matrix_.fail_fast = as_boolean(*fail_fast).value_or(true);
    }
    if (const YamlNode* most = node_.find("max-parallel");
        most != nullptr && is_written_out(*most, diagnostics_)) {
      if (const auto count = as_integer(*most); count && *count > 0) {
        matrix_.max_parallel = static_cast<std::size_t>(*count);
      }
    }
    samples_ = static_cast<std::size_t>(whole_number("samples", 1, most_combinations).value_or(0));
    const auto seed = whole_number("seed", 0, largest_seed);
    seed_ = seed.value_or(0);
    if (seed && samples_ == 0 && diagnostics_.size() == faults_before_) {
      diagnostics_.add(*node_.find("seed"), "`seed` decides what `samples` draws, and there are none",
                       "say how many with `samples`, or give the axis `seed` a list of values");
    }
  }

  // Of a rule that may hold an expression; nothing when it is missing or faulty.
  std::optional<std::int64_t> whole_number(const char* key, std::int64_t least, std::int64_t most) {
    const YamlNode* node = node_.find(key);
    const auto value = node != nullptr && node->is_scalar() ? value_of(*node) : std::nullopt;
    if (!value) {
      return std::nullopt;
    }
    const auto number = as_integer(*value);
    if (!number || *number < least || *number > most) {
      diagnostics_.add(*node, fmt::format("expected a whole number from {} to {}, found '{}'", least, most,
                                          printable(value->scalar)));
      return std::nullopt;
    }
    return number;
  }

  // The value with its expressions replaced; null when there was a fault.
  std::optional<YamlNode> value_of(const YamlNode& node) {
    if (!node.is_scalar() || node.is_null()) {
      passed_over_ = true;
      return std::nullopt;
    }
    if (names_steps(node)) {
      diagnostics_.add(node, "a matrix is known before anything runs: it cannot use what steps yield");
      return std::nullopt;
    }
    Usage usage;
    const std::size_t faults = diagnostics_.size();
    YamlNode value = references_.tree(node, usage);
    return diagnostics_.size() == faults ? std::optional(value) : std::nullopt;
  }

  static bool names_steps(const YamlNode& node) {
    try {
      for (const Template::Piece& piece : parse_template(node.scalar).pieces) {
        for (const Expression* reference : references_in(piece.expression)) {
          if (reference->reference.front() == "steps") {
            return true;
          }
        }
      }
    } catch (const ExpressionError&) {  // it is reported where the value is read
    }
    return false;
  }

  void check_axis_name(const YamlEntry& entry) {
    const bool good = !entry.key.empty() && entry.key.size() <= longest_value &&
                      std::all_of(entry.key.begin(), entry.key.end(),
                                  [](char c) {
                                    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                           (c >= '0' && c <= '9') || c == '_' || c == '-';
                                  }) &&
                      (entry.key.front() < '0' || entry.key.front() > '9') && entry.key.front() != '-';
    if (!good) {
      diagnostics_.add(entry.key_mark,
                       fmt::format("'{}' cannot be the name of an axis", printable(entry.key.substr(0, 100))),
                       "a name begins with a letter and goes on with letters, digits, _ and -");
    }
  }

  void read_axes() {
    std::size_t count = std::max<std::size_t>(samples_, 1);
    for (const YamlEntry& entry : node_.entries) {
      if (entry.value.is_mapping() && !is_rule(entry)) {
        check_axis_name(entry);
        draw_axis(entry);
        continue;
      }
      if (is_rule(entry) || !entry.value.is_sequence()) {
        passed_over_ = passed_over_ || !is_rule(entry);
        continue;
      }
      check_axis_name(entry);
      Axis axis{entry.key, {}, false};
      std::set<std::string> seen;
      for (const YamlNode& item : entry.value.items) {
        if (const auto value = value_of(item)) {
          if (!seen.insert(value->scalar).second) {
            diagnostics_.add(item, fmt::format("the value '{}' is here twice", printable(value->scalar)));
            continue;
          }
          axis.values.push_back(*value);
        }
      }
      if (entry.value.items.empty()) {
        diagnostics_.add(entry.value, fmt::format("the axis '{}' has no values", printable(entry.key)));
      }
      count = std::min(count * std::max<std::size_t>(axis.values.size(), 1), most_combinations + 1);
      axes_.push_back(std::move(axis));
    }
    if (count > most_combinations) {
      diagnostics_.add(node_, fmt::format("the matrix has more than {} combinations", most_combinations),
                       "leave values out, or split the step");
      too_many_ = true;
    }
    const bool any_drawn =
        std::any_of(axes_.begin(), axes_.end(), [](const Axis& axis) { return axis.drawn; });
    if (samples_ > 0 && !any_drawn && diagnostics_.size() == faults_before_ && !passed_over_) {
      diagnostics_.add(*node_.find("samples"), "there is nothing to draw from",
                       "give an axis a range, as in lr: { log-uniform: [1e-4, 1e-1] }");
    }
  }

  void draw_axis(const YamlEntry& entry) {
    YamlNode replaced = entry.value;
    const std::size_t faults = diagnostics_.size();
    for (YamlEntry& range : replaced.entries) {
      for (YamlNode& value : range.value.items) {
        value = value_of(value).value_or(value);
      }
    }
    const auto range = diagnostics_.size() == faults ? read_range(replaced, diagnostics_) : std::nullopt;
    if (!range) {
      passed_over_ = true;
      return;
    }
    if (samples_ == 0) {
      if (diagnostics_.size() == faults_before_) {
        diagnostics_.add(entry.value, "values are drawn from a range, and nothing says how often",
                         "add `samples: 20` to the matrix");
      }
      return;
    }
    Axis axis{entry.key, {}, true};
    for (std::size_t number = 0; number < samples_; ++number) {
      axis.values.push_back(draw(*range, seed_, entry.key, number, entry.value.mark));
    }
    axes_.push_back(std::move(axis));
  }

  void combine() {
    if (axes_.empty()) {
      return;
    }
    combinations_.push_back({{}, {}, node_.mark});
    combine_written();
    combine_drawn();
    for (Growing& one : combinations_) {
      one.named = in_order(one.named);
    }
  }

  void combine_written() {
    for (const Axis& axis : axes_) {
      if (axis.drawn) {
        continue;
      }
      std::vector<Growing> grown;
      for (const Growing& before : combinations_) {
        for (const YamlNode& value : axis.values) {
          Growing next = before;
          next.named.emplace_back(axis.name, value);
          next.values[axis.name] = value;
          grown.push_back(std::move(next));
        }
      }
      combinations_ = std::move(grown);
    }
  }

  // Each combination with each sample; a sample that an earlier one equals is no other step.
  void combine_drawn() {
    if (std::none_of(axes_.begin(), axes_.end(), [](const Axis& axis) { return axis.drawn; })) {
      return;
    }
    std::vector<Growing> grown;
    for (const Growing& before : combinations_) {
      std::set<std::string> seen;
      for (std::size_t number = 0; number < samples_; ++number) {
        Growing next = before;
        Values drawn;
        for (const Axis& axis : axes_) {
          if (axis.drawn) {
            drawn.emplace_back(axis.name, axis.values[number]);
            next.values[axis.name] = axis.values[number];
          }
        }
        if (seen.insert(name_of_values(drawn)).second) {
          next.named.insert(next.named.end(), drawn.begin(), drawn.end());
          grown.push_back(std::move(next));
        }
      }
    }
    combinations_ = std::move(grown);
  }

  // The mappings of `include` or `exclude`, with their expressions replaced.
  std::vector<std::pair<Mark, Values>> mappings(const char* key) {
    std::vector<std::pair<Mark, Values>> found;
    const YamlNode* list = node_.find(key);
    for (const YamlNode& item : list != nullptr ? list->items : std::vector<YamlNode>{}) {
      Values values;
      for (const YamlEntry& entry : item.entries) {
        check_axis_name(entry);
        if (const auto value = value_of(entry.value)) {
          values.emplace_back(entry.key, *value);
        }
      }
      if (item.is_mapping() && item.entries.empty()) {
        diagnostics_.add(item, "this names no value");
      }
      found.emplace_back(item.mark, std::move(values));
    }
    return found;
  }

  void exclude() {
    for (const auto& [mark, values] : mappings("exclude")) {
      for (const auto& [axis, value] : values) {
        const bool known = std::any_of(axes_.begin(), axes_.end(),
                                       [&name = axis](const Axis& one) { return one.name == name; });
        if (!known) {
          diagnostics_.add(mark, fmt::format("there is no axis '{}' to exclude from", printable(axis)));
        }
      }
      const std::size_t before = combinations_.size();
      std::erase_if(combinations_, [&wanted = values](const Growing& one) {
        return !wanted.empty() && std::all_of(wanted.begin(), wanted.end(), [&](const auto& value) {
          const auto found = one.values.find(value.first);
          return found != one.values.end() && found->second.scalar == value.second.scalar;
        });
      });
      if (before == combinations_.size() && diagnostics_.size() == faults_before_) {
        diagnostics_.add(mark, "no combination is like this: nothing is excluded");
      }
    }
  }

  // Only the first `combined` are combinations of axes; an include is never added to another include.
  void include(std::size_t combined) {
    for (auto& [mark, values] : mappings("include")) {
      bool added = false;
      for (std::size_t i = 0; i < combined; ++i) {
        Growing& one = combinations_[i];
        const bool agrees = std::all_of(values.begin(), values.end(), [&](const auto& value) {
          const auto axis = std::find_if(one.named.begin(), one.named.end(),
                                         [&](const auto& named) { return named.first == value.first; });
          return axis == one.named.end() || axis->second.scalar == value.second.scalar;
        });
        if (agrees) {
          added = true;
          for (const auto& [name, value] : values) {
            one.values[name] = value;
          }
        }
      }
      if (!added && !values.empty()) {
        combinations_.push_back({in_order(values), {values.begin(), values.end()}, mark});
      }
    }
  }

  // The values of axes first, in the axes' order.
  Values in_order(const Values& values) const {
    Values ordered;
    for (const Axis& axis : axes_) {
      for (const auto& value : values) {
        if (value.first == axis.name) {
          ordered.push_back(value);
        }
      }
    }
    for (const auto& value : values) {
      if (std::none_of(axes_.begin(), axes_.end(),
                       [&](const Axis& axis) { return axis.name == value.first; })) {
        ordered.push_back(value);
      }
    }
    return ordered;
  }

  void finish() {
    std::set<std::string> names;
    for (Growing& one : combinations_) {
      std::string name = name_of_values(one.named);
      if (!names.insert(name).second) {
        diagnostics_.add(one.mark, fmt::format("the combination {} is here twice", name));
        continue;
      }
      matrix_.combinations.push_back({std::move(name), std::move(one.values)});
    }
    if (combinations_.size() > most_combinations) {
      diagnostics_.add(node_, fmt::format("the matrix has more than {} combinations", most_combinations),
                       "leave values out, or split the step");
    }
  }

  // A faulty matrix still gives one combination, so that the rest of the step is checked too.
  void stand_in() {
    if (!matrix_.combinations.empty()) {
      return;
    }
    Combination one{"?", {}};
    const auto take = [&](const YamlNode& mapping) {
      for (const YamlEntry& entry : mapping.entries) {
        const YamlNode& written =
            entry.value.entries.empty() ? entry.value : entry.value.entries.front().value;
        const YamlNode& value = written.items.empty() ? written : written.items.front();
        if (value.is_scalar()) {
          one.values[entry.key] = value;
        }
      }
    };
    take(node_);
    if (const YamlNode* include = node_.find("include"); include != nullptr && !include->items.empty()) {
      take(include->items.front());
    }
    matrix_.combinations.push_back(std::move(one));
  }

  const YamlNode& node_;
  const References& references_;
  Diagnostics& diagnostics_;
  const std::size_t faults_before_ = diagnostics_.size();
  Matrix matrix_;
  std::vector<Axis> axes_;
  std::size_t samples_ = 0;  // 0: nothing is drawn
  std::int64_t seed_ = 0;
  std::vector<Growing> combinations_;
  bool too_many_ = false;
  bool passed_over_ = false;  // something that the schema check found faulty
};

}  // namespace

Matrix read_matrix(const YamlNode& node, const References& references, Diagnostics& diagnostics) {
  return Reader(node, references, diagnostics).read();
}

}  // namespace mlpipe
