#include "pipeline/plan/ready.hpp"

namespace mlpipe {

ReadySteps::Row ReadySteps::row_of(const Step& step) const {
  const auto group = groups_.find(step.group);
  const bool limited = group != groups_.end() && group->second.max_parallel;
  return {step.resources.cpu, step.resources.memory, step.resources.gpu.value_or(0), step.runs_on,
          limited ? step.group : ""};
}

bool ReadySteps::may_start(const Row& row, const Capacity& free) const {
  Resources wanted;
  wanted.cpu = row.cpu;
  wanted.memory = row.memory;
  wanted.gpu = row.gpu;
  if (!free.fits(wanted, row.place)) {
    return false;
  }
  const auto running = running_.find(row.group);
  return row.group.empty() || running == running_.end() ||
         running->second < *groups_.at(row.group).max_parallel;
}

void ReadySteps::add(std::size_t index, const Step& step, double way_to_the_end) {
  const Row row = row_of(step);
  const Place place{-way_to_the_end, step.mark.line, step.mark.column, index};
  rows_[row].insert(place);
  places_.insert_or_assign(index, std::pair{row, place});
}

void ReadySteps::remove(std::size_t index) {
  const auto found = places_.find(index);
  if (found == places_.end()) {
    return;
  }
  const auto row = rows_.find(found->second.first);
  row->second.erase(found->second.second);
  if (row->second.empty()) {
    rows_.erase(row);
  }
  places_.erase(found);
}

std::vector<std::size_t> ReadySteps::all() const {
  std::vector<std::size_t> indices;
  for (const auto& [index, place] : places_) {
    indices.push_back(index);
  }
  return indices;
}

std::optional<std::size_t> ReadySteps::take(const Capacity& free) {
  const Place* first = nullptr;
  const Row* from = nullptr;
  for (const auto& [row, places] : rows_) {
    if ((first == nullptr || *places.begin() < *first) && may_start(row, free)) {
      first = &*places.begin();
      from = &row;
    }
  }
  if (first == nullptr) {
    return std::nullopt;
  }
  const std::size_t index = std::get<3>(*first);
  if (!from->group.empty()) {
    ++running_[from->group];
  }
  remove(index);
  return index;
}

void ReadySteps::ended(const std::string& group) {
  const auto running = running_.find(group);
  if (running != running_.end() && --running->second == 0) {
    running_.erase(running);
  }
}

}  // namespace mlpipe
