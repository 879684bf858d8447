#include "server/feedback/recent_examples.hpp"

#include <utility>

namespace mlpipe {

void RecentExamples::remember(const std::string& id, AnsweredExample example) {
  const std::size_t bytes = bytes_of(id, example);
  if (bytes > most_bytes_) {
    return;
  }
  const std::lock_guard lock(mutex_);
  const std::size_t serial = ++serial_;
  if (const auto known = examples_.find(id); known != examples_.end()) {
    bytes_ -= bytes_of(id, known->second.example);
    known->second = {std::move(example), serial};
  } else {
    examples_.emplace(id, Entry{std::move(example), serial});
  }
  order_.emplace_back(id, serial);
  bytes_ += bytes;
  while (bytes_ > most_bytes_) {
    forget_oldest();
  }
}

std::optional<AnsweredExample> RecentExamples::find(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = examples_.find(id);
  return found == examples_.end() ? std::nullopt : std::optional(found->second.example);
}

std::size_t RecentExamples::bytes_of(const std::string& id, const AnsweredExample& example) {
  constexpr std::size_t bookkeeping = 256;
  return bookkeeping + 2 * id.size() + example.model.size() + example.version.size() +
         example.values.size() * sizeof(float);
}

void RecentExamples::forget_oldest() {
  const auto [id, serial] = std::move(order_.front());
  order_.pop_front();
  const auto found = examples_.find(id);
  if (found != examples_.end() && found->second.serial == serial) {
    bytes_ -= bytes_of(id, found->second.example);
    examples_.erase(found);
  }
}

}  // namespace mlpipe
