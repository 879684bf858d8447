// The store's own files, as a damaged disk or a hostile hand could leave them: reading them ends in a value
// or in an Error. The first byte chooses the file; the digits and letters that the seeds begin with are those
// below.
#include <array>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>

#include "pipeline/agent/job.hpp"
#include "pipeline/archive/pack.hpp"
#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/store/index_rows.hpp"
#include "pipeline/store/row_texts.hpp"
#include "pipeline/store/transfer.hpp"
#include "pipeline/store/verify.hpp"

namespace mlpipe {
namespace {

namespace fs = std::filesystem;

// In memory where there is such a file system: what is written is of no worth.
const fs::path& scratch() {
  static const TemporaryDirectory folder(fs::is_directory("/dev/shm") ? "/dev/shm"
                                                                      : fs::temp_directory_path());
  return folder.path();
}

fs::path written(const std::string& name, const std::string& text) {
  std::ofstream(scratch() / name, std::ios::binary) << text;
  return scratch();
}

void read_format(const std::string& text) {
  static const Store whole = Store::open(scratch() / "format");
  fs::remove(whole.directory() / "format");
  std::ofstream(whole.directory() / "format", std::ios::binary) << text;
  Store::open_existing(whole.directory());
}

// What was accepted must leave the store well, and be nothing new the second time.
void import_archive(const std::string& text) {
  static Store store = Store::open(scratch() / "store");
  const fs::path archive = written("export.tar", text) / "export.tar";
  {
    const TemporaryDirectory folder(store.directory() / "trash");
    unpack(archive, folder.path());
    import_unpacked(store, folder.path(), "export.tar", true);
  }
  const TemporaryDirectory again(store.directory() / "trash");
  unpack(archive, again.path());
  const ImportReport report = import_unpacked(store, again.path(), "export.tar", true);
  if (report.results + report.releases + report.aliases + report.blobs > 0 ||
      !verify(store, {}).faults.empty()) {
    throw std::logic_error("an import that is not whole");
  }
}

void read_tree(const std::string& text) {
  for (const TreeEntry& entry : parse_tree(text, {})) {
    if (!is_inside_path(entry.path)) {
      throw std::logic_error("a tree leads out of itself");
    }
  }
}

using Reader = void (*)(const std::string&);
constexpr std::array<Reader, 12> readers = {
    read_format,                                                                 // 0
    [](const std::string& text) { outputs_text(parse_outputs(text)); },          // 1
    [](const std::string& text) { metrics_text(parse_metrics(text)); },          // 2
    [](const std::string& text) { params_text(parse_params(text)); },            // 3
    [](const std::string& text) { Recipe::parse(text); },                        // 4
    [](const std::string& text) { read_job(written("job.json", text)); },        // 5
    [](const std::string& text) { read_ending(written("exit.json", text)); },    // 6
    [](const std::string& text) { read_listen(written("listen.json", text)); },  // 7
    [](const std::string& text) { read_progress(written("progress", text)); },   // 8
    [](const std::string& text) { to_lines(parse_lines(text, "index")); },       // 9
    read_tree,                                                                   // :
    import_archive,                                                              // ;
};

}  // namespace
}  // namespace mlpipe

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  try {
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
    mlpipe::readers[data[0] % mlpipe::readers.size()](text);
  } catch (const mlpipe::Error&) {
  }
  return 0;
}
