#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "pipeline/plan/capacity.hpp"
#include "pipeline/spec/spec.hpp"

namespace mlpipe {

// The steps that could start now, in the order in which they should: the longest way to the end first, then
// as in the file. Steps that want the same stand in one row, so that looking for one that fits does not look
// at every step. A step is named by its index in the plan. Not thread-safe.
class ReadySteps {
 public:
  explicit ReadySteps(const std::map<std::string, MatrixGroup>& groups) : groups_(groups) {}

  // What orders the step, before it is added.
  void add(std::size_t index, const Step& step, double way_to_the_end);
  void remove(std::size_t index);
  bool empty() const { return places_.empty(); }
  std::size_t size() const { return places_.size(); }
  std::vector<std::size_t> all() const;

  // Takes the first that fits into `free` and whose matrix may have one more running; nothing when none does.
  std::optional<std::size_t> take(const Capacity& free);
  // A step of that matrix does not run any more.
  void ended(const std::string& group);

 private:
  // Steps that want the same.
  struct Row {
    std::int64_t cpu;
    std::uint64_t memory;
    int gpu;
    RunsOn place;
    std::string group;  // when it is limited
    friend auto operator<=>(const Row&, const Row&) = default;
  };
  using Place = std::tuple<double, std::size_t, std::size_t, std::size_t>;  // -way, line, column, index

  Row row_of(const Step& step) const;
  bool may_start(const Row& row, const Capacity& free) const;

  const std::map<std::string, MatrixGroup>& groups_;
  std::map<Row, std::set<Place>> rows_;
  std::map<std::size_t, std::pair<Row, Place>> places_;
  std::map<std::string, std::size_t> running_;  // of limited matrices
};

}  // namespace mlpipe
