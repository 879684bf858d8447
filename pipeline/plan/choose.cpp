#include "pipeline/plan/choose.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

using Kind = Selector::Kind;

std::vector<Result> succeeded_by_age(std::span<const Result> results) {
  std::vector<Result> found;
  std::copy_if(results.begin(), results.end(), std::back_inserter(found),
               [](const Result& one) { return one.succeeded; });
  std::stable_sort(found.begin(), found.end(),
                   [](const Result& a, const Result& b) { return a.finished < b.finished; });
  return found;
}

std::string short_id(const Result& result) {
  return result_id(result).short_hex();
}

std::string ids_of(std::span<const Result> results) {
  std::vector<std::string> ids;
  ids.reserve(results.size());
  for (const Result& result : results) {
    ids.push_back(short_id(result));
  }
  return join(ids, ", ");
}

const double* metric_of(const Result& result, const std::string& name) {
  const auto found = result.metrics.find(name);
  return found == result.metrics.end() ? nullptr : &found->second;
}

std::string metrics_in(std::span<const Result> results) {
  std::set<std::string> names;
  for (const Result& result : results) {
    for (const auto& [name, value] : result.metrics) {
      names.insert(name);
    }
  }
  return names.empty() ? "they report no metrics"
                       : fmt::format("they report {}", join(std::vector(names.begin(), names.end()), ", "));
}

void choose_best(const Selector& selector, const std::vector<Result>& candidates, Choice& choice) {
  const Result* best = nullptr;
  const double* best_value = nullptr;
  for (const Result& candidate : candidates) {
    const double* value = metric_of(candidate, selector.metric);
    const bool better = value != nullptr &&
                        (best == nullptr || (selector.lowest ? *value < *best_value : *value > *best_value));
    if (better) {
      best = &candidate;
      best_value = value;
    }
  }
  if (best == nullptr) {
    choice.problem =
        fmt::format("no result has the metric '{}': {}", selector.metric, metrics_in(candidates));
    return;
  }
  choice.results = {*best};
}

void choose_exact(const Selector& selector, const std::vector<Result>& candidates,
                  std::span<const Result> all, Choice& choice) {
  std::set<Digest> wanted;
  for (const std::string& id : selector.ids) {
    const std::vector<Result> found = results_with_id(candidates, id);
    if (found.size() == 1) {
      wanted.insert(result_id(found.front()));
      continue;
    }
    if (found.size() > 1) {
      choice.problem = fmt::format("{} is the beginning of several ids: {}", id, ids_of(found));
    } else if (!results_with_id(all, id).empty()) {
      choice.problem = fmt::format("result {} failed", id);
    } else if (candidates.empty()) {
      choice.problem = fmt::format("there is no result {}: what the step would do now has none", id);
    } else {
      choice.problem = fmt::format("there is no result {} of what the step would do now: it has {}", id,
                                   ids_of(candidates));
    }
    return;
  }
  for (const Result& candidate : candidates) {
    if (wanted.contains(result_id(candidate))) {
      choice.results.push_back(candidate);
    }
  }
}

}  // namespace

Choice choose(const Selector& selector, std::span<const Result> results) {
  const std::vector<Result> candidates = succeeded_by_age(results);
  Choice choice;
  choice.succeeded = candidates.size();
  if (selector.kind == Kind::exact) {
    choose_exact(selector, candidates, results, choice);
    return choice;
  }
  const std::size_t needed = selector.kind == Kind::some ? selector.count : 1;
  if (candidates.size() < needed) {
    choice.lacking = needed - candidates.size();
    return choice;
  }
  switch (selector.kind) {
    case Kind::latest:
      choice.results = {candidates.back()};
      break;
    case Kind::best:
      choose_best(selector, candidates, choice);
      break;
    case Kind::some:
      choice.results.assign(candidates.begin(),
                            candidates.begin() + static_cast<std::ptrdiff_t>(selector.count));
      break;
    case Kind::only:
      if (candidates.size() > 1) {
        choice.problem = fmt::format("it has several results ({}): choose with `select: exact({})`",
                                     ids_of(candidates), short_id(candidates.back()));
      } else {
        choice.results = candidates;
      }
      break;
    case Kind::all:
      choice.results = candidates;
      break;
    case Kind::exact:
      break;
  }
  return choice;
}

std::string why_kept(const Selector& selector, std::span<const Result> chosen, const Result& ran) {
  const Digest id = result_id(ran);
  const bool stands =
      std::any_of(chosen.begin(), chosen.end(), [&](const Result& one) { return result_id(one) == id; });
  if (stands || chosen.empty()) {
    return "";
  }
  const std::string kept =
      fmt::format("kept {} {}", chosen.size() == 1 ? "result" : "the results", ids_of(chosen));
  if (selector.kind == Kind::best) {
    const double* value = metric_of(ran, selector.metric);
    return fmt::format("{} with {} {}: the new one has {}", kept, selector.metric,
                       number_text(*metric_of(chosen.front(), selector.metric)),
                       value != nullptr ? number_text(*value) : "none");
  }
  return fmt::format("{}: the step has `select: {}`", kept, selector.text());
}

}  // namespace mlpipe
