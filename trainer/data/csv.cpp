#include <csv.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/raw_data.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t shown_field = 40;
constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

std::string shown(std::string_view field) {
  return printable(field.substr(0, shown_field));
}

// Takes the fields as libcsv finds them. libcsv is C: no exception may pass through it, so the first fault is
// kept and everything after it is ignored.
class Table {
 public:
  explicit Table(const CsvSource& source) : file_(source.file.string()), target_name_(source.target) {}

  void take_field(std::string_view field) {
    if (!fault_.empty()) {
      return;
    }
    if (row_ == 1) {
      header_.emplace_back(field);
    } else if (field_ < header_.size()) {
      take_value(field);
    }
    ++field_;
  }

  void end_row() {
    if (!fault_.empty()) {
      return;
    }
    if (row_ == 1) {
      end_header();
    } else if (field_ != header_.size()) {
      fault_ = fmt::format("row {} has {}, and the header names {}", row_, count_of(field_, "field"),
                           count_of(header_.size(), "column"));
    } else if (!row_fault_.empty()) {
      fault_ = row_fault_;
      hint_ = "all columns but the target must be numbers, and no field may be empty";
    }
    field_ = 0;
    ++row_;
  }

  bool failed() const { return !fault_.empty(); }
  std::size_t row() const { return row_; }

  RawData finish() {
    throw_fault();
    if (data_.examples.labels.empty()) {
      throw UsageError(fmt::format("{}: there is no row below the header", file_),
                       "the first row names the columns, and each further row is an example");
    }
    data_.source = file_;
    data_.shape = {static_cast<std::int64_t>(data_.columns.size())};
    return std::move(data_);
  }

  void throw_fault() const {
    if (!fault_.empty()) {
      throw UsageError(fmt::format("{}: {}", file_, fault_), hint_);
    }
  }

 private:
  void take_value(std::string_view field) {
    if (field_ == target_) {
      if (field.empty()) {
        note("the label is empty");
      }
      data_.examples.labels.emplace_back(field);
      return;
    }
    const auto number = parse_number(field);
    if (!number || std::abs(*number) > std::numeric_limits<float>::max()) {
      note(fmt::format("{} is not a number",
                       field.empty() ? "an empty field" : fmt::format("'{}'", shown(field))));
      return;
    }
    data_.examples.values.push_back(static_cast<float>(*number));
  }

  // A row with too few or too many fields shifts its values, so that is said before what is wrong with one of
  // them.
  void note(const std::string& what) {
    if (row_fault_.empty()) {
      row_fault_ = fmt::format("row {}, column '{}': {}", row_, shown(header_[field_]), what);
    }
  }

  void end_header() {
    std::set<std::string> seen;
    target_ = header_.size();
    for (std::size_t i = 0; i < header_.size(); ++i) {
      if (!seen.insert(header_[i]).second) {
        fault_ = fmt::format("row 1 names the column '{}' twice", shown(header_[i]));
        return;
      }
      if (header_[i] == target_name_) {
        target_ = i;
      } else {
        data_.columns.push_back(header_[i]);
      }
    }
    if (target_ == header_.size()) {
      fault_ = fmt::format("row 1 names no column '{}', which is the target", shown(target_name_));
      hint_ = suggest_name(target_name_, header_);
    } else if (data_.columns.empty()) {
      fault_ = fmt::format("there is no column besides the target '{}'", shown(target_name_));
    }
  }

  std::string file_;
  std::string target_name_;
  std::vector<std::string> header_;
  std::size_t target_ = 0;
  std::size_t row_ = 1;
  std::size_t field_ = 0;
  std::string row_fault_;  // of the row that is being read
  std::string fault_;      // the first one, which ends the reading
  std::string hint_;
  RawData data_;
};

void on_field(void* field, std::size_t size, void* table) {
  static_cast<Table*>(table)->take_field({static_cast<const char*>(field), size});
}

void on_row(int, void* table) {
  static_cast<Table*>(table)->end_row();
}

struct Parser {
  Parser() {
    if (csv_init(&state, CSV_STRICT | CSV_STRICT_FINI) != 0) {
      throw Error("libcsv could not be started");
    }
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { csv_free(&state); }
  csv_parser state{};
};

}  // namespace

RawData read_csv(const CsvSource& source) {
  require_data_file(source.file);
  const FileDescriptor file = open_file(source.file, O_RDONLY);
  Table table(source);
  Parser parser;
  const auto refuse = [&]() {
    throw UsageError(fmt::format("{}: row {}: {}", source.file.string(), table.row(),
                                 csv_strerror(csv_error(&parser.state))),
                     "is there a quote that is not closed, or one inside a field that is not doubled?");
  };
  std::array<char, 1U << 16U> buffer{};
  bool at_start = true;
  while (!table.failed()) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0) {
      throw_errno(fmt::format("reading {}", source.file.string()));
    }
    if (count == 0) {
      break;
    }
    std::string_view bytes(buffer.data(), static_cast<std::size_t>(count));
    if (std::exchange(at_start, false) && bytes.starts_with(byte_order_mark)) {
      bytes.remove_prefix(byte_order_mark.size());
    }
    if (csv_parse(&parser.state, bytes.data(), bytes.size(), on_field, on_row, &table) != bytes.size()) {
      table.throw_fault();
      refuse();
    }
  }
  if (!table.failed() && csv_fini(&parser.state, on_field, on_row, &table) != 0) {
    refuse();
  }
  return table.finish();
}

}  // namespace mlpipe
