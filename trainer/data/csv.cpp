#include "trainer/data/csv.hpp"

#include <csv.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <utility>
#include <vector>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "trainer/data/files.hpp"

namespace mlpipe {
namespace {

constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

// libcsv is C: no exception may pass through it, so the first is kept and everything after it is ignored.
class Reading {
 public:
  Reading(std::string file, CsvHandler& handler) : file_(std::move(file)), handler_(handler) {
    if (csv_init(&state_, CSV_STRICT | CSV_STRICT_FINI) != 0) {
      throw Error("libcsv could not be started");
    }
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;
  ~Reading() { csv_free(&state_); }

  void take(std::string_view bytes) {
    const bool whole = csv_parse(&state_, bytes.data(), bytes.size(), on_field, on_row, this) == bytes.size();
    throw_if_failed(whole);
  }

  void finish() { throw_if_failed(csv_fini(&state_, on_field, on_row, this) == 0); }

 private:
  template <typename Action>
  void guarded(const Action& action) {
    if (!thrown_) {
      try {
        action();
      } catch (...) {
        thrown_ = std::current_exception();
      }
    }
  }

  static void on_field(void* field, std::size_t size, void* reading) {
    auto* self = static_cast<Reading*>(reading);
    self->guarded([&] { self->handler_.take_field({static_cast<const char*>(field), size}); });
  }

  static void on_row(int, void* reading) {
    auto* self = static_cast<Reading*>(reading);
    self->guarded([self] { self->handler_.end_row(); });
    ++self->row_;
  }

  void throw_if_failed(bool parsed) {
    if (thrown_) {
      std::rethrow_exception(thrown_);
    }
    if (!parsed) {
      throw UsageError(fmt::format("{}: row {}: {}", file_, row_, csv_strerror(csv_error(&state_))),
                       "is there a quote that is not closed, or one inside a field that is not doubled?");
    }
  }

  std::string file_;
  CsvHandler& handler_;
  csv_parser state_{};
  std::size_t row_ = 1;
  std::exception_ptr thrown_;
};

}  // namespace

void parse_csv(const std::filesystem::path& path, CsvHandler& handler) {
  require_data_file(path);
  const FileDescriptor file = open_file(path, O_RDONLY);
  Reading reading(path.string(), handler);
  std::vector<char> buffer(std::size_t{1} << 16U);
  bool at_start = true;
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0) {
      throw_errno(fmt::format("reading {}", path.string()));
    }
    if (count == 0) {
      return reading.finish();
    }
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    if (std::exchange(at_start, false) && bytes.starts_with(byte_order_mark)) {
      bytes.remove_prefix(byte_order_mark.size());
    }
    reading.take(bytes);
  }
}

}  // namespace mlpipe
