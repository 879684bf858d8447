#include "pipeline/spec/order.hpp"

#include <fmt/format.h>

#include <unordered_map>

namespace mlpipe {
namespace {

enum class Visit { never, underway, done };

struct Frame {
  std::size_t step;
  std::size_t next_need = 0;
};

}  // namespace

void order_steps(std::vector<Step>& steps, Diagnostics& diagnostics) {
  std::unordered_map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    index[steps[i].name] = i;
  }
  std::vector<std::vector<std::size_t>> needs(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    for (const auto* names : {&steps[i].needs, &steps[i].after}) {
      for (const std::string& name : *names) {
        needs[i].push_back(index.at(name));
      }
    }
    for (const Input& input : steps[i].inputs) {
      needs[i].push_back(index.at(input.step));
    }
    if (steps[i].image) {
      needs[i].push_back(index.at(steps[i].image->step));
    }
  }
  // Depth first with a stack of its own: a chain of 100,000 steps must not exhaust the thread's.
  std::vector<Visit> visits(steps.size(), Visit::never);
  std::vector<std::size_t> order;
  for (std::size_t root = 0; root < steps.size(); ++root) {
    std::vector<Frame> stack;
    if (visits[root] == Visit::never) {
      stack.push_back({root});
      visits[root] = Visit::underway;
    }
    while (!stack.empty()) {
      Frame& frame = stack.back();
      if (frame.next_need == needs[frame.step].size()) {
        visits[frame.step] = Visit::done;
        order.push_back(frame.step);
        stack.pop_back();
        continue;
      }
      const std::size_t need = needs[frame.step][frame.next_need++];
      if (visits[need] == Visit::underway) {
        std::string way = steps[need].name;
        bool inside = false;
        for (const Frame& other : stack) {
          inside = inside || other.step == need;
          if (inside && other.step != need) {
            way += " needs " + steps[other.step].name;
          }
        }
        diagnostics.add(steps[need].mark, fmt::format("the steps need each other in a circle: {} needs {}",
                                                      way, steps[need].name));
        return;
      }
      if (visits[need] == Visit::never) {
        visits[need] = Visit::underway;
        stack.push_back({need});
      }
    }
  }
  std::vector<Step> ordered;
  ordered.reserve(steps.size());
  for (const std::size_t i : order) {
    ordered.push_back(std::move(steps[i]));
  }
  steps = std::move(ordered);
}

}  // namespace mlpipe
