#include "pipeline/kubernetes/pod_lines.hpp"

#include <algorithm>

namespace mlpipe {
namespace {

constexpr char progress_mark = '\x1e';
constexpr std::size_t longest_stamp = 64;

}  // namespace

std::string PodLines::since() const {
  // "2026-11-21T07:39:35.123456789Z", or with "+02:00" at the end.
  constexpr std::size_t seconds = std::string_view("2026-11-21T07:39:35").size();
  const std::size_t zone = last_.find_first_of("Z+-", seconds);
  if (zone == std::string::npos) {
    return "";
  }
  const std::string from = last_.substr(0, seconds) + last_.substr(zone);
  const std::size_t plus = from.find('+');
  return plus == std::string::npos ? from : from.substr(0, plus) + "%2B" + from.substr(plus + 1);
}

void PodLines::begin() {
  // A line that was cut off comes again whole.
  cut_ = in_ == In::log || in_ == In::progress;
  in_ = In::stamp;
  stamp_.clear();
  progress_.clear();
  same_seen_ = 0;
}

// Its stamp is complete. All have nine digits behind the second, so that texts compare as times do.
void PodLines::begin_line() {
  skip_ = 0;
  in_ = In::log;
  if (stamp_ < last_) {
    in_ = In::had;
  } else if (stamp_ == last_) {
    ++same_seen_;
    if (same_seen_ < same_ || (same_seen_ == same_ && !cut_)) {
      in_ = In::had;
    } else if (same_seen_ == same_) {  // the one that was cut off
      skip_ = cut_bytes_;
      cut_ = false;
    } else {
      same_ = same_seen_;
      cut_bytes_ = 0;
    }
  } else {
    last_ = stamp_;
    same_ = same_seen_ = 1;
    cut_ = false;
    cut_bytes_ = 0;
  }
  stamp_.clear();
}

void PodLines::take(std::string_view bytes) {
  while (!bytes.empty()) {
    if (in_ == In::stamp) {
      const std::size_t end = bytes.find(' ');
      stamp_ += bytes.substr(0, end);
      bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
      if (end != std::string_view::npos || stamp_.size() > longest_stamp) {
        begin_line();
      }
      continue;
    }
    if (in_ == In::log && cut_bytes_ == 0 && skip_ == 0 && bytes.front() == progress_mark) {
      in_ = In::progress;
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find('\n');
    std::string_view piece = bytes.substr(0, end == std::string_view::npos ? bytes.size() : end + 1);
    bytes.remove_prefix(piece.size());
    if (in_ == In::progress) {
      progress_ += end == std::string_view::npos ? piece : piece.substr(0, piece.size() - 1);
      if (end != std::string_view::npos) {
        listener_.progress(progress_);
        progress_.clear();
      }
    } else if (in_ == In::log) {
      const std::size_t skipped = std::min(skip_, piece.size());
      skip_ -= skipped;
      piece.remove_prefix(skipped);
      cut_bytes_ += piece.size();
      if (!piece.empty()) {
        listener_.log(piece);
      }
    }
    if (end != std::string_view::npos) {
      in_ = In::stamp;
    }
  }
}

}  // namespace mlpipe
