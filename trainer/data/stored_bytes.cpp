#include "trainer/data/stored_bytes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "pipeline/base/error.hpp"
#include "pipeline/base/mapped_file.hpp"
#include "pipeline/base/scalar.hpp"
#include "pipeline/base/text.hpp"
#include "trainer/data/files.hpp"

namespace mlpipe {
namespace {

constexpr const char* spill_name = "the temporary file of the training data";
constexpr std::size_t write_at_once = std::size_t{1} << 20U;

// Without a name from the start; where the file system cannot do that, without one from the next moment on.
FileDescriptor open_nameless() {
  FileDescriptor file(::open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file) {
    return file;
  }
  std::string name = ".mlpipe-data-XXXXXX";
  file = FileDescriptor(::mkostemp(name.data(), O_CLOEXEC));
  if (!file) {
    throw_errno(fmt::format("making {}", spill_name));
  }
  ::unlink(name.c_str());
  return file;
}

StoredBytes map_shared(const FileDescriptor& file, std::size_t size) {
  void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (address == MAP_FAILED) {
    throw_errno(fmt::format("mapping {}", spill_name));
  }
  const std::shared_ptr<const void> owner(
      address, [size](const void* mapped) { ::munmap(const_cast<void*>(mapped), size); });
  return {owner, {static_cast<char*>(address), size}};
}

}  // namespace

StoredBytes map_file(const std::filesystem::path& path) {
  require_data_file(path);
  auto mapped = MappedFile::open(path);
  if (!mapped) {
    throw UsageError(fmt::format("{}: it cannot be read", path.string()));
  }
  const auto owner = std::make_shared<MappedFile>(std::move(*mapped));
  const std::string_view bytes = owner->bytes();
  return {owner, {const_cast<char*>(bytes.data()), bytes.size()}};
}

void ByteCollector::append(std::string_view bytes) {
  buffer_.append(bytes);
  if (file_ ? buffer_.size() >= write_at_once : buffer_.size() > limit_) {
    flush();
  }
}

void ByteCollector::flush() {
  if (!file_) {
    file_ = open_nameless();
  }
  write_all(file_.get(), buffer_, spill_name);
  written_ += buffer_.size();
  buffer_.clear();
  if (buffer_.capacity() > 2 * write_at_once) {
    buffer_.shrink_to_fit();
  }
}

StoredBytes ByteCollector::finish() {
  if (!file_) {
    const auto owner = std::make_shared<std::string>(std::exchange(buffer_, {}));
    return {owner, {owner->data(), owner->size()}};
  }
  flush();
  const FileDescriptor file = std::move(file_);
  return map_shared(file, std::exchange(written_, 0));
}

std::size_t default_memory_limit() {
  constexpr std::size_t share = 4;
  std::size_t memory =
      static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  constexpr std::size_t longest = 64;
  if (const auto limit = read_file_if_exists("/sys/fs/cgroup/memory.max", longest)) {
    if (const auto bytes = parse_integer(trim(*limit)); bytes && *bytes > 0) {  // otherwise it says "max"
      memory = std::min(memory, static_cast<std::size_t>(*bytes));
    }
  }
  return memory / share;
}

}  // namespace mlpipe
