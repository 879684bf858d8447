#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace mlpipe {

// The log of a container as the API gives it with `timestamps=true`: "2026-11-21T07:39:35.123456789Z TEXT"
// lines, in pieces. Takes the stamps off, tells progress (lines that begin with the byte 0x1e) from log, and
// knows from where to go on when the stream was cut: nothing is given twice, and nothing left out.
class PodLines {
 public:
  struct Listener {
    std::function<void(std::string_view)> log;            // bytes as they come
    std::function<void(std::string_view line)> progress;  // whole lines
  };

  explicit PodLines(Listener listener) : listener_(std::move(listener)) {}

  // `sinceTime` for the next stream, as a part of a URL; empty: from the beginning.
  std::string since() const;
  // A stream begins; it may give again what was had already.
  void begin();
  void take(std::string_view bytes);

 private:
  enum class In { stamp, log, progress, had };

  void begin_line();

  Listener listener_;
  In in_ = In::stamp;
  std::string stamp_;          // of the line that comes
  std::string progress_;       // the line that comes
  std::string last_;           // stamp of the last line that was had
  std::size_t same_ = 0;       // lines with that stamp, which were had
  std::size_t same_seen_ = 0;  // and came again in this stream
  bool cut_ = false;           // the last line had no end
  std::size_t cut_bytes_ = 0;  // what was had of it
  std::size_t skip_ = 0;       // bytes of the line that comes, which were had
};

}  // namespace mlpipe
