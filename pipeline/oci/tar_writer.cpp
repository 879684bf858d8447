#include "pipeline/oci/tar_writer.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "pipeline/base/error.hpp"
#include "pipeline/base/file.hpp"
#include "pipeline/base/text.hpp"

namespace mlpipe {
namespace {

constexpr std::size_t block_size = 512;
using Block = std::array<char, block_size>;

// A field of the header: where it begins and how long it is.
struct Field {
  std::size_t at;
  std::size_t size;
};
constexpr Field name_field{0, 100};
constexpr Field mode_field{100, 8};
constexpr Field owner_field{108, 8};
constexpr Field group_field{116, 8};
constexpr Field size_field{124, 12};
constexpr Field time_field{136, 12};
constexpr Field sum_field{148, 8};
constexpr Field type_field{156, 1};
constexpr Field magic_field{257, 8};
constexpr Field major_field{329, 8};
constexpr Field minor_field{337, 8};
constexpr Field prefix_field{345, 155};

void put(Block& block, const Field& field, std::string_view text) {
  std::copy_n(text.begin(), std::min(text.size(), field.size), block.begin() + static_cast<long>(field.at));
}

void put_octal(Block& block, const Field& field, std::uint64_t value) {
  put(block, field, fmt::format("{:0{}o}", value, field.size - 1));
}

// Octal digits reach to 8 GiB; beyond, GNU's binary form, which everybody reads.
void put_size(Block& block, std::uint64_t bytes) {
  constexpr std::uint64_t octal_limit = std::uint64_t{1} << 33U;
  if (bytes < octal_limit) {
    put_octal(block, size_field, bytes);
    return;
  }
  block[size_field.at] = static_cast<char>(0x80);
  for (std::size_t i = 0; i < sizeof bytes; ++i) {
    block[size_field.at + size_field.size - 1 - i] = static_cast<char>(bytes >> (8 * i) & 0xFFU);
  }
}

void put_name(Block& block, const std::string& name) {
  if (name.size() <= name_field.size) {
    put(block, name_field, name);
    return;
  }
  // The longest prefix that leaves a name, cut at a '/'.
  const std::size_t slash = name.rfind('/', prefix_field.size);
  if (slash == std::string::npos || slash == 0 || name.size() - slash - 1 > name_field.size ||
      name.size() - slash - 1 == 0) {
    throw Error(fmt::format("'{}' is too long a name for a layer", printable(name)),
                "a file's name has at most 100 bytes there, and its folders 155");
  }
  put(block, prefix_field, name.substr(0, slash));
  put(block, name_field, name.substr(slash + 1));
}

}  // namespace

void TarWriter::header(const std::string& name, char type, int mode, std::uint64_t bytes) {
  Block block{};
  put_name(block, name);
  put_octal(block, mode_field, static_cast<std::uint64_t>(mode));
  put_octal(block, owner_field, 0);
  put_octal(block, group_field, 0);
  put_size(block, bytes);
  put_octal(block, time_field, 0);
  put(block, sum_field, "        ");
  put(block, type_field, std::string_view(&type, 1));
  put(block, magic_field, std::string_view("ustar\00000", 8));
  put_octal(block, major_field, 0);
  put_octal(block, minor_field, 0);
  const unsigned sum = std::accumulate(block.begin(), block.end(), 0U, [](unsigned total, char byte) {
    return total + static_cast<unsigned char>(byte);
  });
  put(block, sum_field, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  write_({block.data(), block.size()});
}

void TarWriter::pad(std::uint64_t bytes) {
  static constexpr Block zeros{};
  if (const std::size_t over = bytes % block_size; over != 0) {
    write_({zeros.data(), block_size - over});
  }
}

void TarWriter::folder(const std::string& name) {
  header(name + "/", '5', 0755, 0);
}

void TarWriter::file(const std::string& name, std::string_view bytes, bool executable) {
  header(name, '0', executable ? 0755 : 0644, bytes.size());
  write_(bytes);
  pad(bytes.size());
}

void TarWriter::file_from(const std::string& name, const std::filesystem::path& path, bool executable) {
  const FileDescriptor file = open_file(path, O_RDONLY | O_NOFOLLOW);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) {
    throw_errno(fmt::format("reading {}", path.string()));
  }
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  header(name, '0', executable ? 0755 : 0644, bytes);
  std::string buffer(std::size_t{1} << 18U, '\0');
  for (std::uint64_t left = bytes; left > 0;) {
    const ssize_t count = ::read(file.get(), buffer.data(), std::min<std::uint64_t>(buffer.size(), left));
    if (count <= 0) {
      throw Error(fmt::format("reading {}: it became shorter meanwhile", path.string()));
    }
    write_({buffer.data(), static_cast<std::size_t>(count)});
    left -= static_cast<std::uint64_t>(count);
  }
  pad(bytes);
}

void TarWriter::finish() {
  static constexpr Block zeros{};
  write_({zeros.data(), zeros.size()});
  write_({zeros.data(), zeros.size()});
}

}  // namespace mlpipe
