#include "pipeline/fetch/fetch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"
#include "pipeline/fetch/download.hpp"

namespace mlpipe {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int most_retries = 3;
constexpr milliseconds first_pause{500};        // doubled each time
constexpr milliseconds progress_interval{100};  // between lines of progress

milliseconds since(Clock::time_point time) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - time);
}

// A file under a name of its own beside `target`, gone again unless it was kept.
class PartialFile {
 public:
  explicit PartialFile(const fs::path& target) : target_(target), name_(target.string() + ".XXXXXX") {
    file_ = FileDescriptor(::mkostemp(name_.data(), O_CLOEXEC));
    if (!file_) {
      throw_errno(fmt::format("writing {}", target.string()));
    }
  }
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;
  ~PartialFile() {
    if (!kept_) {
      ::unlink(name_.c_str());
    }
  }

  void write(std::string_view bytes) { write_all(file_.get(), bytes, target_.string()); }
  void keep() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(file_.get(), 0666 & ~mask) != 0 || ::rename(name_.c_str(), target_.c_str()) != 0) {
      throw_errno(fmt::format("writing {}", target_.string()));
    }
    kept_ = true;
  }

 private:
  fs::path target_;
  std::string name_;
  FileDescriptor file_;
  bool kept_ = false;
};

// Appends how far the download is to the progress file.
class ProgressLines {
 public:
  explicit ProgressLines(const fs::path& path) {
    if (!path.empty()) {
      file_ = open_file(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    }
  }

  void begin() { began_ = Clock::now(); }
  void report(const Transferred& transferred, bool last = false) {
    if (!file_ || (!last && Clock::now() - reported_ < progress_interval)) {
      return;
    }
    reported_ = Clock::now();
    const double seconds = std::chrono::duration<double>(reported_ - began_).count();
    nlohmann::json line = {{"done", transferred.bytes}, {"unit", "B"}};
    const double rate = seconds > 0 ? static_cast<double>(transferred.bytes) / seconds : 0;
    if (rate > 0) {
      line["rate"] = rate;
      line["rate_unit"] = "B/s";
    }
    if (transferred.total > 0) {
      line["total"] = transferred.total;
      if (rate > 0 && transferred.total >= transferred.bytes) {
        line["seconds_left"] = static_cast<double>(transferred.total - transferred.bytes) / rate;
      }
    }
    write_all(file_.get(), line.dump() + "\n", "the progress file");
  }

 private:
  FileDescriptor file_;
  Clock::time_point began_;
  Clock::time_point reported_;
};

// One attempt; empty when it was asked to end.
std::optional<std::uint64_t> try_once(const FetchRequest& request, std::optional<milliseconds> time_left,
                                      const WaitForEnd& wait_for_end, ProgressLines& progress) {
  PartialFile file(request.output);
  Hasher hasher;
  Transferred transferred;
  progress.begin();
  Download download;
  download.url = request.url;
  download.timeout = time_left;
  download.receive = [&](std::string_view bytes) {
    file.write(bytes);
    hasher.update(bytes);
    transferred.bytes += bytes.size();
  };
  download.keep_going = [&](const Transferred& now) {
    transferred.total = now.total;
    progress.report(now);
    return !wait_for_end(milliseconds(0));
  };
  if (!run_download(download)) {
    return std::nullopt;
  }
  progress.report(transferred, true);
  const Digest got = hasher.finish();
  if (got != request.sha256) {
    throw Error(fmt::format("its SHA-256 is wrong: expected {}, got {}", request.sha256.hex(), got.hex()));
  }
  file.keep();
  return transferred.bytes;
}

}  // namespace

std::optional<Fetched> fetch(const FetchRequest& request, const WaitForEnd& wait_for_end) {
  const std::string url = url_for_messages(request.url);
  const Clock::time_point began = Clock::now();
  ProgressLines progress(request.progress);
  for (int retry = 0;; ++retry) {
    try {
      const auto time_left = request.timeout ? std::optional(*request.timeout - since(began)) : std::nullopt;
      if (time_left && time_left->count() <= 0) {
        throw Error(fmt::format("it took longer than {}", format_duration(*request.timeout)));
      }
      const auto bytes = try_once(request, time_left, wait_for_end, progress);
      return bytes ? std::optional(Fetched{*bytes, since(began)}) : std::nullopt;
    } catch (const TransferError& error) {
      if (!error.may_pass() || retry == most_retries) {
        throw Error(fmt::format(
            "fetching {}: {}{}", url, error.what(),
            retry > 0
                ? fmt::format(", also after {}", retry == 1 ? "a retry" : fmt::format("{} retries", retry))
                : ""));
      }
      const milliseconds pause = first_pause * (1 << retry);
      fmt::print(stderr, "mlpipe-fetch: {}; trying again in {}\n", error.what(), format_duration(pause));
      if (wait_for_end(pause)) {
        return std::nullopt;
      }
    } catch (const Error& error) {
      throw Error(fmt::format("fetching {}: {}", url, error.what()), error.hint());
    }
  }
}

}  // namespace mlpipe
