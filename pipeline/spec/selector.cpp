#include "pipeline/spec/selector.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "pipeline/base/digest.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Kind = Selector::Kind;

constexpr std::array<const char*, 6> names = {"latest", "best", "some", "only", "exact", "all"};
constexpr std::int64_t most_results = 1000;

constexpr const char* forms =
    "a selector is latest, best(METRIC), best(METRIC, min), some(N), only, exact(ID, …) or all";

std::string in_quotes(std::string_view text) {
  return fmt::format("'{}'", printable(text));
}

void read_best(const std::vector<std::string>& arguments, Selector& selector) {
  const bool known_direction = arguments.size() < 2 || arguments[1] == "min" || arguments[1] == "max";
  if (arguments.empty() || arguments.size() > 2 || arguments[0].empty() || !known_direction) {
    throw UsageError("`best` names one metric, and min or max",
                     "as in best(accuracy) or best(loss, min); quote it inside { }");
  }
  selector.metric = arguments[0];
  selector.lowest = arguments.size() == 2 && arguments[1] == "min";
}

void read_some(const std::vector<std::string>& arguments, Selector& selector) {
  const auto count = arguments.size() == 1 ? parse_integer(arguments[0]) : std::nullopt;
  if (!count || *count < 1 || *count > most_results) {
    throw UsageError(fmt::format("`some` says how many results, from 1 to {}", most_results),
                     "as in some(3)");
  }
  selector.count = static_cast<std::size_t>(*count);
}

void read_exact(const std::vector<std::string>& arguments, Selector& selector) {
  constexpr std::size_t shortest = 4;
  for (const std::string& id : arguments) {
    const bool fits = id.size() >= shortest && id.size() <= 2 * Digest::size &&
                      id.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!fits) {
      throw UsageError(fmt::format("{} is not the id of a result", in_quotes(id)),
                       "an id is what `mlpipe why STEP` and `mlpipe show` print, or its first few digits");
    }
  }
  selector.ids = arguments;
  std::sort(selector.ids.begin(), selector.ids.end());
  if (std::adjacent_find(selector.ids.begin(), selector.ids.end()) != selector.ids.end()) {
    throw UsageError("`exact` names a result twice");
  }
}

std::vector<std::string> arguments_of(std::string_view inside) {
  std::vector<std::string> arguments;
  for (const std::string& part : split(inside, ',')) {
    arguments.emplace_back(trim(part));
  }
  return arguments;
}

}  // namespace

bool Selector::takes_many() const {
  return kind == Kind::some || kind == Kind::all || (kind == Kind::exact && ids.size() > 1);
}

std::string Selector::text() const {
  const std::string name = names[static_cast<std::size_t>(kind)];
  switch (kind) {
    case Kind::best:
      return fmt::format("{}({}{})", name, metric, lowest ? ", min" : "");
    case Kind::some:
      return fmt::format("{}({})", name, count);
    case Kind::exact:
      return fmt::format("{}({})", name, join(ids, ", "));
    case Kind::latest:
    case Kind::only:
    case Kind::all:
      break;
  }
  return name;
}

Selector parse_selector(std::string_view text) {
  text = trim(text);
  const std::size_t open = text.find('(');
  const std::string name(trim(text.substr(0, open)));
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) {
    throw UsageError(fmt::format("there is no selector {}", in_quotes(name)), forms);
  }
  if (open != std::string_view::npos && text.back() != ')') {
    throw UsageError(fmt::format("{} lacks its closing parenthesis", in_quotes(text)),
                     "inside { } or [ ] a comma ends a value: write the selector in quotes there");
  }
  Selector selector;
  selector.kind = static_cast<Kind>(found - names.begin());
  const bool has_arguments = open != std::string_view::npos;
  const std::vector<std::string> arguments = has_arguments
                                                 ? arguments_of(text.substr(open + 1, text.size() - open - 2))
                                                 : std::vector<std::string>{};
  switch (selector.kind) {
    case Kind::best:
      read_best(arguments, selector);
      break;
    case Kind::some:
      read_some(arguments, selector);
      break;
    case Kind::exact:
      if (!has_arguments) {
        throw UsageError("`exact` names the results by their ids", "as in exact(3f2a81bc)");
      }
      read_exact(arguments, selector);
      break;
    case Kind::latest:
    case Kind::only:
    case Kind::all:
      if (has_arguments) {
        throw UsageError(fmt::format("`{}` takes nothing in parentheses", name), forms);
      }
      break;
  }
  return selector;
}

}  // namespace mlpipe
